#!/usr/bin/env python3
"""A Chromium without a window, steered through pipes; and what it thinks of our pages.

    tools/chromium.py PAGE.html... [--screenshots FOLDER] [--dark] [--quality PERCENT]
                           [--tallest PIXELS]

Opens each page from file:// in windows of 1280 and 400 pixels and checks: nothing on the console,
no request but for the page itself, no script, handler or picture that is not ours, every table
sorts by every column, sliders and search fields do what they say, drawings are at least 3 : 1
against the page, it prints in light colours with nothing folded away. With --screenshots the whole
page is kept as FOLDER/PAGE_1280.webp and PAGE_400.webp, and as it prints as PAGE.pdf; --dark asks
for dark colours. Needs Debian's package chromium.
Exit: 0 if every page passed, 1 if not, 3 if there is no Chromium.
"""

import argparse
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile

SILENCE = 120  # seconds without a word from the browser, after which it hangs

class Trouble(Exception):
    """A page that is not as it should be, or a browser that does not answer."""


def chromium_program():
    """Its path, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One page of a browser: the DevTools protocol over --remote-debugging-pipe."""

    def __init__(self):
        program = chromium_program()
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
            if not select.select([self.incoming], [], [], SILENCE)[0]:
                raise Trouble(f"chromium has been silent for {SILENCE} seconds")
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

    def show_for(self, medium, dark=False):
        """How the page is shown from now on: "screen" or "print"; "": as it comes."""
        self.call("Emulation.setEmulatedMedia", media=medium, features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, url, width=1280, height=1000, dark=False):
        """Loads a page and waits for its end; `events` are then this page's."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        self.show_for("screen", dark)
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
        self.show_for("")
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("Page.printToPDF")["data"]))


# Functions that run in a page: tools/page_checks.js says what each does.
PAGE_CHECKS = (pathlib.Path(__file__).resolve().parent / "page_checks.js").read_text().strip()


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


def print_faults(browser):
    """A page is read on white paper, by whoever asked for dark colours too, and nobody can unfold
    a part of it there."""
    browser.show_for("screen")
    light = browser.evaluate(f"{PAGE_CHECKS}.look()")
    browser.show_for("print", dark=True)
    printed = browser.evaluate(f"{PAGE_CHECKS}.look()")
    if printed["scheme"] != "light":
        yield f"prints with color-scheme {printed['scheme']}"
    for name, colour in light["colours"].items():
        if printed["colours"][name] != colour:
            yield f"prints {name} as {printed['colours'][name]}, not {colour}"
    if printed["folded"] > 0:
        yield f"prints without {printed['folded']} folded parts"
    if printed["controls"] > 0:
        yield f"prints {printed['controls']} controls, which paper does not have"


def check_page(browser, path, texts=(), width=1280, dark=False):
    """Opens a page and uses it. `texts` must be in it as text. Returns what was found in words;
    raises Trouble with every fault."""
    url = pathlib.Path(path).absolute().as_uri()
    browser.open(url, width=width, dark=dark)
    strangers = browser.evaluate(f"{PAGE_CHECKS}.strangers()")
    sorted_tables = browser.evaluate(f"{PAGE_CHECKS}.sortTables()")
    controls = browser.evaluate(f"{PAGE_CHECKS}.useControls()")
    faults = (strangers["faults"] + sorted_tables["faults"] + controls["faults"] +
              browser.evaluate(f"{PAGE_CHECKS}.contrast()")["faults"] +
              list(print_faults(browser)) + list(complaints(browser.events, url)))
    faults += [f"not in the page: {text!r}" for text in texts if text not in strangers["text"]]
    if faults:
        raise Trouble(f"{path}, {width} pixels: " + "; ".join(faults[:20]))
    return (f"{sorted_tables['tables']} tables sorted by {sorted_tables['clicks']} clicks, "
            f"{controls['sliders']} sliders, {controls['choices']} choices of overlays, "
            f"{controls['searches']} search fields")


def keep_screenshot(browser, path, width, options):
    """The whole page, as it is before anybody used it."""
    browser.open(path.absolute().as_uri(), width=width, dark=options.dark)
    browser.evaluate("Promise.all([...document.images].map((image) => {"
                     "image.loading = 'eager'; return image.decode(); })).then(() => 1)")
    whole = browser.evaluate("document.documentElement.scrollHeight")
    options.screenshots.mkdir(parents=True, exist_ok=True)
    browser.screenshot(options.screenshots / f"{path.stem}_{width}.webp",
                       (0, 0, width, min(whole, options.tallest)), options.quality)
    browser.print_to(options.screenshots / f"{path.stem}.pdf")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--quality", type=int, default=40, help="of the screenshots")
    parser.add_argument("--tallest", type=int, default=16383, help="pixels; WebP has no more")
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
