#!/usr/bin/env python3
"""Copies the reference tensors that the parity test of a fresh clone runs on.

    tools/copy_fixtures.py SOURCE [TARGET]        TARGET defaults to tests/fixtures

Takes the files of the kinds the parity runner computes, but the large ones, with everything they
refer to (fill tables, companions), and writes TARGET/manifest.json with their entries unchanged.
Fails if TARGET would then hold more than 5 MiB, whatever else lies there included.
"""

import json
import pathlib
import shutil
import sys

KINDS = (
    "blocks/", "clip/preprocess", "losses/clip", "fullnets/eval", "fullnets/train",
    "image/cutout", "image/decode", "image/resize", "losses/asl", "losses/asl_single",
    "losses/bce_ce", "metrics/coco_targets", "metrics/f1_clipdecoder", "metrics/map_official",
    "metrics/prf", "metrics/topk", "metrics/voc_ap", "misc/nus_csv", "misc/operators",
    "misc/pth_", "misc/safetensors", "mldecoder/gap", "mldecoder/head", "mldecoder/train_masks",
    "mldecoder/transformer_decoder", "optim/", "train/a2",
)
LARGEST = 600_000      # bytes a file; img_resize is larger: img_hashes.tsv has such cases
BUDGET = 5 * 1024 * 1024  # bytes in TARGET


def wanted(entry):
    backbone = entry.get("model", {}).get("backbone", "resnet")
    families = ("resnet", "efficientnet")
    if entry["kind"] == "fullnets/eval":
        families += ("tresnet_m",)
    return (
        entry["kind"].startswith(KINDS)
        and entry["bytes"] <= LARGEST
        and backbone.startswith(families)
    )


def references(entry):
    """The files an entry needs beside its own."""
    config = entry.get("config")
    if isinstance(config, dict) and "fill" in config:
        yield config["fill"]
    if "companion" in entry:
        yield entry["companion"]
    yield from entry.get("companions", [])


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent.parent
    target = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here / "tests" / "fixtures"
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    files = {name: entry for name, entry in manifest["files"].items() if wanted(entry)}
    names = {other for entry in files.values() for other in references(entry)} | set(files)
    for name in sorted(names):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    manifest["files"] = files
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (target / "manifest.json").write_text(text, encoding="utf-8")
    total = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{len(files)} entries, {len(names)} files; {target} now holds {total:,} bytes")
    if total > BUDGET:
        sys.exit(f"more than {BUDGET:,} bytes: leave something out")


if __name__ == "__main__":
    main()
