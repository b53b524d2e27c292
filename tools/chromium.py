#!/usr/bin/env python3
"""A Chromium without a window, steered through pipes; and what it thinks of our pages.

    tools/chromium.py PAGE.html... [--screenshots FOLDER] [--dark] [--quality PERCENT]

Opens each page from file:// in windows of 1280 and 400 pixels and checks: nothing on the console, no
request but for the page itself, no script, handler or picture that is not ours, every table sorts
by every column, sliders and search fields do what they say. With --screenshots the whole page is
kept as FOLDER/PAGE_1280.webp and PAGE_400.webp, and as it prints as PAGE.pdf; --dark asks for dark
colours. Needs Debian's package chromium.
Exit: 0 if every page passed, 1 if not, 3 if there is no Chromium.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


class Trouble(Exception):
    """A page that is not as it should be, or a browser that does not answer."""


class Chromium:
    """One page of a browser: the DevTools protocol over --remote-debugging-pipe."""

    def __init__(self, program=None):
        program = program or shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            raise FileNotFoundError("there is no chromium; on Debian: apt-get install chromium")
        self.folder = tempfile.TemporaryDirectory()
        read_end, our_out = os.pipe()
        our_in, write_end = os.pipe()
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$0" "$@" 3<&"$IN" 4>&"$OUT"', program, "--headless",
             "--no-sandbox", "--hide-scrollbars", "--disable-gpu", "--no-first-run",
             "--remote-debugging-pipe", f"--user-data-dir={self.folder.name}", "about:blank"],
            pass_fds=(read_end, write_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "IN": str(read_end), "OUT": str(write_end)})
        os.close(read_end)
        os.close(write_end)
        self.out, self.incoming = our_out, os.fdopen(our_in, "rb")
        self.number, self.session, self.events, self.rest = 0, None, [], b""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(20)
        except (Trouble, OSError, subprocess.TimeoutExpired):
            self.process.kill()
        os.close(self.out)
        self.incoming.close()
        self.folder.cleanup()

    def next_message(self):
        while b"\0" not in self.rest:
            piece = os.read(self.incoming.fileno(), 1 << 16)
            if not piece:
                raise Trouble("chromium ended")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def take(self, message):
        """Keeps an event. A dialog is closed, or it would stop the page."""
        self.events.append(message)
        if message["method"] == "Page.javascriptDialogOpening":
            self.call("Page.handleJavaScriptDialog", accept=False)

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == number:
                if "error" in answer:
                    raise Trouble(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.take(answer)

    def open(self, url, width=1280, height=1000, dark=False):
        """Loads a page and waits for its end; `events` are then this page's."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events = []
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise Trouble(f"{url}: {failed}")
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            message = self.next_message()
            if "method" in message:
                self.take(message)

    def evaluate(self, script):
        """The value of a JavaScript expression, or of the promise that it is."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Trouble(f"{answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self, path, clip=None, quality=85):
        """What is shown, or the rectangle `clip` (x, y, width, height) of the whole page; as the
        file's name says, PNG, JPEG or WebP."""
        kind = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}[pathlib.Path(path).suffix]
        parameters = {"format": kind, "captureBeyondViewport": clip is not None}
        if kind != "png":
            parameters["quality"] = quality
        if clip is not None:
            x, y, width, height = clip
            parameters["clip"] = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        pathlib.Path(path).write_bytes(
            base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"]))

    def print_to(self, path):
        """The page as it prints, as PDF."""
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("Page.printToPDF")["data"]))


# Clicks every header twice: the column must be in the one order, then in the other, with all rows.
SORT_TABLES = r"""(() => {
  const faults = [];
  let clicks = 0;
  const collator = new Intl.Collator(undefined, {numeric: true});
  document.querySelectorAll("table").forEach((table, t) => {
    const headers = [...table.tHead.rows[0].cells];
    if (!headers.some((header) => header.querySelector("button"))) {
      faults.push(`table ${t}: no header to click`);
    }
    headers.forEach((header, column) => {
      const numeric = header.classList.contains("number");
      const before = table.tBodies[0].rows.length;
      const seen = [];
      for (let turn = 0; header.querySelector("button") && turn < 2; ++turn) {
        header.querySelector("button").click();
        ++clicks;
        const direction = header.getAttribute("aria-sort");
        seen.push(direction);
        const values = [...table.tBodies[0].rows].map((row) => {
          const cell = row.cells[column];
          const text = (cell.dataset.value ?? cell.textContent.trim()).toLowerCase();
          const number = parseFloat(text);
          return numeric ? (Number.isNaN(number) ? -Infinity : number) : text;
        });
        const sign = direction === "ascending" ? 1 : -1;
        const wrong = values.findIndex((value, i) => i > 0 && sign *
            (numeric ? values[i - 1] - value : collator.compare(values[i - 1], value)) > 0);
        if (wrong >= 0 || values.length !== before) {
          faults.push(`table ${t}, column ${column}, ${direction}: row ${wrong}`);
        }
      }
      if (seen.length > 0 && seen[0] === seen[1]) {
        faults.push(`table ${t}, column ${column}: twice ${seen[0]}`);
      }
    });
  });
  return {faults, clicks, tables: document.querySelectorAll("table").length};
})()"""

# Elements that text from outside would have made, had it not stayed text.
STRANGERS = r"""(async () => {
  const faults = [];
  const scripts = document.querySelectorAll("script").length;
  if (scripts !== 1) {
    faults.push(`${scripts} scripts`);
  }
  for (const element of document.querySelectorAll("*")) {
    for (const {name, value} of element.attributes) {
      if (name.startsWith("on") || (name === "href" && !value.startsWith("#")) ||
          (name === "src" && !value.startsWith("data:image/")) || name === "srcset") {
        faults.push(`<${element.localName} ${name}="${value.slice(0, 60)}">`);
      }
    }
  }
  for (const picture of document.images) {
    picture.loading = "eager";
    await picture.decode().catch(() => faults.push("a picture that cannot be shown"));
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) {
    faults.push(`the page is ${wide} pixels wider than the window`);
  }
  return {faults, text: document.body.textContent};
})()"""

# Moves sliders, chooses overlays, searches. Nothing of this must leave the page changed.
USE_CONTROLS = r"""(() => {
  const faults = [];
  let sliders = 0, choices = 0, searches = 0;
  const opacity = (element) => parseFloat(getComputedStyle(element).opacity);
  for (const figure of document.querySelectorAll("figure.overlay")) {
    const overlays = [...figure.querySelectorAll(".stack img")].slice(1);
    const slider = figure.querySelector("input[type=range]");
    if (overlays.length === 0) {
      continue;
    }
    if (slider === null) {
      faults.push("an overlay without a slider");
      continue;
    }
    ++sliders;
    for (const percent of [0, 100, 60]) {
      slider.value = percent;
      slider.dispatchEvent(new Event("input"));
      if (Math.abs(opacity(overlays[0]) - percent / 100) > 0.01) {
        faults.push(`slider at ${percent}: opacity ${opacity(overlays[0])}`);
      }
    }
    const shown = () => overlays.map((overlay) => getComputedStyle(overlay).display !== "none");
    const buttons = [...figure.querySelectorAll("input[type=radio]")];
    if (buttons.length !== (overlays.length > 1 ? overlays.length : 0)) {
      faults.push(`${overlays.length} overlays, ${buttons.length} buttons`);
    }
    for (let i = buttons.length; i-- > 0;) {
      buttons[i].click();
      ++choices;
      if (shown().some((is, k) => is !== (k === i))) {
        faults.push(`overlay ${i} chosen, shown: ${shown()}`);
      }
    }
  }
  for (const field of document.querySelectorAll("input[type=search]")) {
    const list = field.closest("label").nextElementSibling;
    const rows = [...list.querySelectorAll("tbody tr, :scope > li")];
    const count = () => rows.filter((row) => !row.hidden).length;
    for (const [text, wanted] of [["\u0001 nowhere", 0], ["", rows.length]]) {
      field.value = text;
      field.dispatchEvent(new Event("input"));
      if (count() !== wanted) {
        faults.push(`search for '${text}': ${count()} of ${rows.length} rows`);
      }
    }
    ++searches;
  }
  return {faults, sliders, choices, searches};
})()"""


def complaints(events, url):
    """What the browser said, and what it asked the network for."""
    for event in events:
        method, about = event["method"], event["params"]
        if method == "Runtime.consoleAPICalled":
            yield f"console: {[a.get('value', a.get('description')) for a in about['args']]}"
        elif method == "Runtime.exceptionThrown":
            yield f"exception: {about['exceptionDetails'].get('text')}"
        elif method == "Log.entryAdded":
            yield f"log: {about['entry']['text']}"
        elif method == "Page.javascriptDialogOpening":
            yield f"a dialog: {about['message']}"
        elif method == "Network.requestWillBeSent":
            asked = about["request"]["url"]
            if asked != url and not asked.startswith("data:"):
                yield f"a request: {asked[:200]}"


def check_page(browser, path, texts=(), width=1280, dark=False):
    """Opens a page and uses it. `texts` must be in it as text. Returns what was found in words;
    raises Trouble with every fault."""
    url = pathlib.Path(path).absolute().as_uri()
    browser.open(url, width=width, dark=dark)
    strangers = browser.evaluate(STRANGERS)
    sorted_tables = browser.evaluate(SORT_TABLES)
    controls = browser.evaluate(USE_CONTROLS)
    faults = (strangers["faults"] + sorted_tables["faults"] + controls["faults"] +
              list(complaints(browser.events, url)))
    faults += [f"not in the page: {text!r}" for text in texts if text not in strangers["text"]]
    if faults:
        raise Trouble(f"{path}, {width} pixels: " + "; ".join(faults[:20]))
    return (f"{sorted_tables['tables']} tables sorted by {sorted_tables['clicks']} clicks, "
            f"{controls['sliders']} sliders, {controls['choices']} choices of overlays, "
            f"{controls['searches']} search fields")


TALLEST = 16383  # pixels of a WebP


def keep_screenshot(browser, path, width, options):
    """The whole page, as it is before anybody used it."""
    browser.open(path.absolute().as_uri(), width=width, dark=options.dark)
    browser.evaluate("Promise.all([...document.images].map((image) => {"
                     "image.loading = 'eager'; return image.decode(); })).then(() => 1)")
    whole = browser.evaluate("document.documentElement.scrollHeight")
    options.screenshots.mkdir(parents=True, exist_ok=True)
    browser.screenshot(options.screenshots / f"{path.stem}_{width}.webp",
                       (0, 0, width, min(whole, TALLEST)), options.quality)
    browser.print_to(options.screenshots / f"{path.stem}.pdf")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--quality", type=int, default=40, help="of the screenshots")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    try:
        browser = Chromium()
    except FileNotFoundError as error:
        print(f"chromium.py: {error}", file=sys.stderr)
        return 3
    failures = 0
    with browser:
        for path in options.pages:
            for width in (1280, 400):
                try:
                    found = check_page(browser, path, (), width, options.dark)
                    if options.screenshots:
                        keep_screenshot(browser, path, width, options)
                    print(f"PASS {path}, {width} pixels: {found}")
                except Trouble as trouble:
                    failures += 1
                    print(f"FAIL {trouble}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
