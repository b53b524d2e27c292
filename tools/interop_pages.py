"""The pages that the programs write, opened in Chromium: a part of tools/test_interop."""

import json
import subprocess

from chromium import Chromium, Trouble, check_page

# Names of classes as an attacker, or an unlucky user, would choose them. As names of files they
# are cut and have no "/".
HOSTILE = ["<script>alert(1)</script>", '" onmouseover="alert(1)',
           "'>&amp;<img src=x onerror=alert(1)>", "right-to-left \u202e gnp.exe",
           "</title></style></script><svg onload=alert(1)>", "{{NAME}} {{>STYLE}}",
           "javascript:alert(1)", "W" * 300]


def printed(name):
    """A name as pages show it."""
    shown = name.replace("\u202e", "\\u202e")
    return shown if len(shown) <= 60 else shown[:60] + "…"


def program(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")


def file_names():
    return [f"{i}{name[:200]}.ppm".replace("/", "_") for i, name in enumerate(HOSTILE)]


def write_data(folder):
    """Two splits of one-coloured pictures; every picture has two of the classes."""
    folder.mkdir()
    for split, grey in (("train", 40), ("val", 140)):
        (folder / split).mkdir()
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as lines:
            for i, name in enumerate(file_names()):
                pixels = bytes([grey + 10 * i, 100, 200 - grey]) * (48 * 32)
                (folder / split / name).write_bytes(b"P6 48 32 255\n" + pixels)
                labels = [HOSTILE[i], HOSTILE[(i + 1) % len(HOSTILE)]]
                lines.write(json.dumps({"path": f"{split}/{name}", "labels": labels}) + "\n")


def pages_of(run, build, work):
    """Writes the pages: (file, texts that must be in it)."""
    data, hostile = work / "hostile", work / "hostile_run"
    write_data(data)
    (work / "hostile.toml").write_text("")
    program(build / "mltrain", work / "hostile.toml", f"data.root={data}", "data.image_size=32",
            "model.backbone=efficientnet_lite0", "model.embed_dim=32", "train.epochs=2",
            "train.batch_size=4", "threads=2", "--out", hostile, "--quiet")
    classes = [printed(name) for name in HOSTILE]
    yield hostile / "report.html", classes
    for folder, texts in ((run, []), (hostile, classes)):
        page = work / f"{folder.name}.html"
        program(build / "mltrain", "report", folder, "--out", page)
        yield page, texts
    page = work / "two.html"
    program(build / "mltrain", "report", run, hostile, "--out", page)
    yield page, []
    page = work / "gallery.html"
    program(build / "mlinfer", "predict", hostile, data / "val", "--html", page, "--attention",
            "--top-k", 3)
    yield page, [printed(f"val/{name}") for name in file_names()]


def check(run, build, work):
    """Returns what was found; raises Trouble."""
    found = []
    with Chromium() as browser:
        for page, texts in pages_of(run, build, work):
            for width in (1280, 400):
                text = check_page(browser, page, texts, width)
            found.append(text)
        version = browser.call("Browser.getVersion")["product"]
    numbers = [[int(word) for word in text.split() if word.isdigit()] for text in found]
    names = ("tables", "clicks to sort", "sliders", "choices of overlays", "search fields")
    sums = ", ".join(f"{sum(column)} {name}" for column, name in zip(zip(*numbers), names))
    return f"{version}: {len(found)} pages at 1280 and 400 pixels; {sums}"
