"""The pages that the programs write, opened in Chromium: a part of tools/test_interop."""

import json
import pathlib
import random
import shutil
import subprocess

from chromium import Chromium, Trouble, check_page

ROOT = pathlib.Path(__file__).resolve().parent.parent

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
    return done.stdout


def file_names():
    return [f"{i}{name[:200]}.ppm".replace("/", "_") for i, name in enumerate(HOSTILE)]


def write_data(folder, labels_each=2):
    """Two splits of one-coloured pictures, each with so many of the classes."""
    folder.mkdir()
    for split, grey in (("train", 40), ("val", 140)):
        (folder / split).mkdir()
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as lines:
            for i, name in enumerate(file_names()):
                pixels = bytes([grey + 10 * i, 100, 200 - grey]) * (48 * 32)
                (folder / split / name).write_bytes(b"P6 48 32 255\n" + pixels)
                labels = [HOSTILE[(i + j) % len(HOSTILE)] for j in range(labels_each)]
                lines.write(json.dumps({"path": f"{split}/{name}", "labels": labels}) + "\n")


MANY_CLASSES, MANY_PICTURES = 1000, 10_000
MOST_BYTES = 8_000_000  # of a page, as every page promises


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


def small_run(build, work, name, *settings, config=""):
    """Trains and returns the run's folder."""
    (work / "empty.toml").write_text("")
    program(build / "mltrain", config or work / "empty.toml", *settings, "train.epochs=2",
            "data.image_size=32", "model.backbone=efficientnet_lite0", "model.embed_dim=32",
            "threads=2", "--out", work / name, "--quiet")
    return work / name


def report_of(build, work, *runs):
    page = work / f"{'_'.join(run.name[:40] for run in runs)}.html"
    program(build / "mltrain", "report", *runs, "--out", page)
    return page


HOSTILE_RUN = "hostile_run_" + "W" * 200


def hostile_pages(build, work):
    """Of data, classes and a run with such names. Returns the run, and (page, texts in it)."""
    data = work / "hostile"
    write_data(data)
    run = small_run(build, work, HOSTILE_RUN, f"data.root={data}",
                    "train.batch_size=4")
    classes = [printed(name) for name in HOSTILE]
    gallery = work / "gallery.html"
    # Some classes reach this precision at no threshold.
    program(build / "mlinfer", "thresholds", run, "--precision", 1)
    program(build / "mlinfer", "predict", run, data / "val", "--html", gallery, "--attention",
            "--top-k", 3)
    return run, [(run / "report.html", classes), (report_of(build, work, run), classes),
                 (gallery, [printed(f"val/{name}") for name in file_names()])]


def without_data(build, work, run):
    """The report of the run when its data are gone, which it says, with paths of any length."""
    moved = work / "moved"
    (work / "hostile").rename(moved)
    page = work / "gaps.html"
    program(build / "mltrain", "report", run, "--out", page)
    moved.rename(work / "hostile")
    return page


def one_label_run(build, work):
    data = work / "one_label"
    write_data(data, 1)
    return small_run(build, work, "one_label_run", f"data.root={data}", "task=single-label",
                     "train.batch_size=4")


def zero_shot_run(build, work):
    return small_run(build, work, "zero_shot_run", "data.train_size=64", "data.val_size=32",
                     config=ROOT / "configs/shapes_zero_shot.toml")


def pages_of(run, build, work):
    """Writes the pages: (file, texts that must be in it)."""
    hostile, pages = hostile_pages(build, work)
    yield from pages
    yield report_of(build, work, run), []
    yield report_of(build, work, run, hostile), []
    yield without_data(build, work, hostile), ["W" * 200]
    yield report_of(build, work, one_label_run(build, work)), ["Classes taken for each other"]
    yield (report_of(build, work, zero_shot_run(build, work)),
           ["Unseen classes, 9", "* behind a label: training did not show it."])
    many = large_run(build, work)
    yield many / "report.html", []
    yield report_of(build, work, many), []


def check_docs_pictures(build, work):
    """The pictures of docs: of two runs of one data set, from folders in which names come twice."""
    run, data = work / HOSTILE_RUN, work / "hostile"

    def pictures(second):
        return program(ROOT / "tools/docs_pictures", run, data / "val" / file_names()[0],
                       HOSTILE[0], HOSTILE[-1], "--pictures", data, "--report", second, "--build",
                       build, "--out", work / "pictures")

    second = work / "second"
    shutil.copytree(run, second)
    found = pictures(second)
    if f"gallery: {2 * len(HOSTILE)} pictures" not in found:
        raise Trouble(f"docs_pictures left pictures out: {found}")
    # Of runs of one name, each is taken for itself: this one has no config.
    namesake = work / "namesake" / run.name
    shutil.copytree(run, namesake)
    (namesake / "config.toml").unlink()
    try:
        pictures(namesake)
    except Trouble:
        return len(list((work / "pictures").iterdir()))
    raise Trouble("docs_pictures took a run for another one of its name")


def check(run, build, work):
    """Returns what was found; raises Trouble."""
    found, largest = [], 0
    with Chromium() as browser:
        for page, texts in pages_of(run, build, work):
            largest = max(largest, page.stat().st_size)
            if largest > MOST_BYTES:
                raise Trouble(f"{page} has {largest} bytes, more than {MOST_BYTES}")
            for width, dark in ((400, False), (1280, True), (1280, False)):
                text = check_page(browser, page, texts, width, dark)
            found.append(text)
        version = browser.call("Browser.getVersion")["product"]
    pictures = check_docs_pictures(build, work)
    numbers = [[int(word) for word in text.split() if word.isdigit()] for text in found]
    names = ("tables", "clicks to sort", "sliders", "choices of overlays", "search fields")
    sums = ", ".join(f"{sum(column)} {name}" for column, name in zip(zip(*numbers), names))
    return (f"{version}: {len(found)} pages at 1280 pixels, light and dark, and 400; {sums}; the "
            f"largest, of {MANY_PICTURES} pictures and {MANY_CLASSES} classes, has "
            f"{largest / 1e6:.1f} MB; {pictures} pictures for docs")
