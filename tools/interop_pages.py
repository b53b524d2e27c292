"""The pages that the programs write, opened in Chromium: a part of tools/test_interop."""

import json
import random
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


MANY_CLASSES, MANY_PICTURES = 1000, 10_000
MOST_BYTES = 8 << 20  # of a page


def write_many(folder):
    """A large data set: half of the pictures for training, a few of 1,000 classes on each, the
    first classes common and the last rare. Noise, of which no thumbnail becomes small."""
    draw = random.Random(1)
    folder.mkdir()
    for split in ("train", "val"):
        (folder / split).mkdir()
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as lines:
            for i in range(MANY_PICTURES // 2):
                name = f"{split}/picture_{i:05d}.ppm"
                (folder / name).write_bytes(b"P6 96 72 255\n" + draw.randbytes(96 * 72 * 3))
                chosen = {int(MANY_CLASSES * draw.random() ** 2)
                          for _ in range(draw.randint(1, 5))} | {i % MANY_CLASSES}
                labels = [f"a class with number {c}" for c in sorted(chosen)]
                lines.write(json.dumps({"path": name, "labels": labels}) + "\n")


def large_run(build, work):
    """One epoch of them."""
    data, run = work / "many", work / "many_run"
    write_many(data)
    (work / "many.toml").write_text("")
    program(build / "mltrain", work / "many.toml", f"data.root={data}", "data.image_size=32",
            "model.backbone=efficientnet_lite0", "model.embed_dim=64", "model.groups=100",
            "train.epochs=1", "train.batch_size=64", "threads=2", "--out", run, "--quiet")
    program(build / "mlinfer", "eval", run, "--split", "train", "--keep-scores")
    return run


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
    many = large_run(build, work)
    yield many / "report.html", []
    page = work / "many.html"
    program(build / "mltrain", "report", many, "--out", page)
    yield page, []


def check(run, build, work):
    """Returns what was found; raises Trouble."""
    found, largest = [], 0
    with Chromium() as browser:
        for page, texts in pages_of(run, build, work):
            largest = max(largest, page.stat().st_size)
            if largest > MOST_BYTES:
                raise Trouble(f"{page} has {largest} bytes, more than {MOST_BYTES}")
            for width in (1280, 400):
                text = check_page(browser, page, texts, width)
            found.append(text)
        version = browser.call("Browser.getVersion")["product"]
    numbers = [[int(word) for word in text.split() if word.isdigit()] for text in found]
    names = ("tables", "clicks to sort", "sliders", "choices of overlays", "search fields")
    sums = ", ".join(f"{sum(column)} {name}" for column, name in zip(zip(*numbers), names))
    return (f"{version}: {len(found)} pages at 1280 and 400 pixels; {sums}; the largest, of "
            f"{MANY_PICTURES} pictures and {MANY_CLASSES} classes, has {largest / 1e6:.1f} MB")
