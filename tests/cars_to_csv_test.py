#!/usr/bin/env python3
"""tools/cars_to_csv on small MATLAB files in both layouts, and on files that are wrong."""

import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

TOOL = pathlib.Path(__file__).resolve().parent.parent / "tools" / "cars_to_csv"


def element(kind, content, order="<"):
    return (struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8))


def matrix(kind, sizes, name, *parts, order="<"):
    head = (element(6, struct.pack(order + "II", kind, 0), order) +
            element(5, struct.pack(f"{order}{len(sizes)}i", *sizes), order) +
            element(1, name.encode(), order))
    return element(14, head + b"".join(parts), order)


def text(value, name=""):
    return matrix(4, (1, len(value)), name, element(4, value.encode("utf-16-le")))


def number(value):  # MATLAB stores a small double as a byte, in the tag itself
    return matrix(6, (1, 1), "", struct.pack("<HHBxxx", 2, 1, value))


def cells(name, values):
    return matrix(1, (1, len(values)), name, *map(text, values))


def structs(name, fields, rows):
    names = b"".join(field.encode().ljust(32, b"\0") for field in fields)
    return matrix(2, (1, len(rows)), name, struct.pack("<HHI", 5, 4, 32), element(1, names),
                  *(value for row in rows for value in row))


def mat(*matrices, compressed=True):
    head = b"MATLAB 5.0 MAT-file".ljust(124, b" ") + struct.pack("<H", 0x0100) + b"IM"
    for one in matrices:
        packed = zlib.compress(one)
        head += struct.pack("<II", 15, len(packed)) + packed if compressed else one
    return head


def run(folder):
    done = subprocess.run([sys.executable, TOOL, folder], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check(what, condition):
    if not condition:
        sys.exit(f"failed: {what}")


NAMES = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]
ROWS = 'path,labels,split\r\n{}/1.jpg,"[""AM General Hummer SUV 2000""]",train\r\n' \
       '{}/2.jpg,"[""Ram C/V Cargo Van Minivan 2012""]",test\r\n'

with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    code, message = run(folder)
    check("no files", code == 1 and "neither cars_annos.mat nor" in message)

    (folder / "devkit").mkdir()
    (folder / "devkit/cars_meta.mat").write_bytes(mat(cells("class_names", NAMES)))
    for split, row in (("train", (number(1), text("1.jpg"))),
                       ("test", (number(2), text("2.jpg")))):
        name = f"cars_{split}_annos{'_withlabels' if split == 'test' else ''}.mat"
        (folder / "devkit" / name).write_bytes(mat(structs("annotations", ("class", "fname"), [row]),
                                                   compressed=split == "train"))
    code, message = run(folder)
    check(message, code == 0 and message.endswith("2 pictures, 2 classes\n"))
    check("devkit", (folder / "data.csv").read_bytes().decode() ==
          ROWS.format("cars_train", "cars_test"))

    whole = structs("annotations", ("relative_im_path", "class", "test"),
                    [(text("car_ims/1.jpg"), number(1), number(0)),
                     (text("car_ims/2.jpg"), number(2), number(1))])
    file = folder / "cars_annos.mat"
    file.write_bytes(mat(whole, cells("class_names", NAMES)))
    check("whole", run(folder)[0] == 0)
    check("whole", (folder / "data.csv").read_bytes().decode() == ROWS.format("car_ims", "car_ims"))

    for content, expected in (
            (mat(whole, cells("class_names", NAMES[:1])), "class 2, expected 1 to 1"),
            (mat(whole, compressed=False)[:400], "an element is said to have"),
            (b"\x89HDF" + bytes(200), "format 7.3"), (b"no", "not a MATLAB file")):
        file.write_bytes(content)
        code, message = run(folder)
        check(message, code == 1 and expected in message)
print("passed")
