"""What many classes cost before training: python -m tests.benchmarks.many_classes (has --help).

Photos of 8 x 8 pixels, each of another content, lie in a folder a class, or in one folder with a table that lists them.
Seconds of a processor, in this process, for what `new` proposes, a first check, and a check of photos that are known:
the last is all but decoding.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from core.data.check import examine
from core.data.files import get_image_files
from core.data.propose import proposal
from core.discovery import discover


def main() -> None:
    """Print a line for each way to label."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks.many_classes", None, __doc__, formatter_class=formatter
    )
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=10_000)
    options = parser.parse_args()
    discover()
    print("labels in | new | first check | check of known photos")
    for name, make in (("folders", in_folders), ("a table", in_a_table)):
        with tempfile.TemporaryDirectory(prefix="presize-classes-") as place:
            make(Path(place, "photos"), options.photos, options.classes)
            seconds = figures(Path(place, "photos"), Path(place, "workspace"), options.classes)
        print(" | ".join([name, *(f"{value:.2f} s" for value in seconds)]), flush=True)


def figures(root: Path, workspace: Path, classes: int) -> list[float]:
    """Seconds of `new`, of a first check, and of another."""
    source = {"name": "folder", "path": str(root)}
    new, (recipe, _) = timed(lambda: proposal(get_image_files(root), root, source))
    checks = [timed(lambda: drained(examine(recipe, workspace))) for _ in range(2)]
    assert all(len(found.report.counts) == classes for _, found in checks)
    return [new, *(seconds for seconds, _ in checks)]


def in_folders(root: Path, photos: int, classes: int) -> None:
    """A folder a class."""
    for i, content in enumerate(contents(photos)):
        folder = root / name_of(i % classes)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:06}.jpg").write_bytes(content)


def in_a_table(root: Path, photos: int, classes: int) -> None:
    """A table beside the photos."""
    (root / "images").mkdir(parents=True)
    for i, content in enumerate(contents(photos)):
        (root / f"images/{i:06}.jpg").write_bytes(content)
    rows = "".join(f"{i:06}.jpg,{name_of(i % classes)}\n" for i in range(photos))
    (root / "labels.csv").write_text(f"file,label\n{rows}")


def name_of(number: int) -> str:
    """A word for a class: a number alone would be no name of a folder of one."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:05}")


def contents(n: int) -> Iterator[bytes]:
    """The bytes of `n` photos of which no two are the same."""
    for i in range(n):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (i % 256, i // 256 % 256, 0)).save(file, "PNG")
        yield file.getvalue()


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a processor, and the result."""
    before = time.process_time()
    result = do()
    return time.process_time() - before, result


def drained(walk: Any) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    main()
