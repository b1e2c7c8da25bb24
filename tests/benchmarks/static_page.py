"""python -m tests.benchmarks.static_page RUN PHOTOS ODD [BROWSER]: the exported page against the engine.

A hundred photos of a folder and every odd one of another that the engine can read are predicted by both, in chromium,
firefox or webkit; printed are a row a format with the largest difference of a probability, and what the page costs.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from core.data.files import get_image_files
from core.data.photo import BadPhoto
from core.model.folder import load_model
from core.model.predictor import Predictor
from core.publish.browser import find_browser, serving
from core.publish.onnx import ONNX, export_onnx, onnx_is_current
from core.publish.page import page_files
from core.publish.page_rehearsal import asked
from core.publish.runtime import runtime_files
from core.runs.run import Run
from tests.benchmarks.browsers import firefox, webkit

PREDICTS = "return presize.predict(args[0]).catch((error) => ({error: error.message}))"
OTHERS = {"firefox": firefox, "webkit": webkit}
USUAL, MAX_BYTES = 100, 3_000_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.static_page", description=__doc__)
    parser.add_argument("run", help="the folder of a trained run")
    parser.add_argument("photos", type=Path, help="a folder of usual photos")
    parser.add_argument("odd", type=Path, help="a folder of odd ones")
    parser.add_argument("browser", nargs="?", choices=("chromium", *OTHERS), default="chromium")
    options = parser.parse_args()
    run = Run.find(options.run, Path("workspace"))
    predictor = load_model(run.folder)
    usual = random.Random(0).sample(get_image_files(options.photos), USUAL)
    odd = [file for file in sorted(options.odd.rglob("*")) if file.is_file() and file.stat().st_size < MAX_BYTES]
    kinds = dict.fromkeys(usual, "usual ") | dict.fromkeys(odd, "odd ")
    contents = {file: file.read_bytes() for file in kinds}
    expected = probabilities(predictor, list(contents.values()))
    if not onnx_is_current(run):
        export_onnx(run)
    files = page_files(run, (run.folder / ONNX).read_bytes(), runtime_files(), "Figures")
    rows: dict[str, list[float | str]] = defaultdict(list)
    times, cautious = [], 0
    known = {file: row for file, row in zip(contents, expected, strict=True) if row}
    answers = in_another(options.browser, files, [contents[file] for file in known])
    if options.browser == "chromium":
        answers = in_chromium(files, [contents[file] for file in known])
    for file, answer in zip(known, answers, strict=True):
        format = kinds[file] + format_of(contents[file])
        if "error" in answer:
            rows[format].append(f"{file.name}: {answer['error']}")
            continue
        times.append(answer["milliseconds"])
        theirs = dict(zip(answer["labels"], answer["probabilities"], strict=True))
        ours = dict(zip(predictor.vocab, known[file], strict=True))
        difference = max(abs(theirs[name] - ours[name]) for name in ours)
        rows[format].append(difference)
        cautious += bool(answer["caution"])
        if difference > 1e-3:
            print(f"differs by {difference:.3f}: {file.name}; {answer['caution'] or 'AND DOES NOT SAY SO'}")
    report(rows)
    print(f"\n{sum(map(len, files.values())) / 1e6:.1f} MB to load; {cautious} answers with a caution;")
    print(f"{len(times)} photos, {statistics.median(times):.0f} ms for the median one")


def in_chromium(files: Mapping[str, bytes], photos: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The page's answers in the browser of the rehearsal, and at the end what it took."""
    program = find_browser()
    assert program, "there is no browser"
    with asked(program, files, photos) as tab:
        yield from tab.answers
        print(f"ready in {tab.ready_seconds:.1f} s, {tab.memory_mb():.0f} MB of memory in its tab after all")


def in_another(name: str, files: Mapping[str, bytes], photos: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The page's answers in another browser."""
    served = {**files, **{f"photos/{i}": photo for i, photo in enumerate(photos)}}
    with serving(served) as (url, _), OTHERS[name]() as browser:
        print(browser.version)
        browser.go(url)
        browser.until("window.presize")
        print(f"ready in {browser.run('await presize.ready; return performance.now()') / 1000:.1f} s")
        for i in range(len(photos)):
            yield browser.run(PREDICTS, f"photos/{i}")


def probabilities(predictor: Predictor, contents: Sequence[bytes]) -> list[list[float]]:
    """The engine's probabilities, or none of what it cannot read."""
    predictor.architecture.model.to("cpu")
    found = (logits for _, logits in predictor.predict_many(contents))
    return [[] if isinstance(logits, BadPhoto) else logits.softmax(0).tolist() for logits in found]


def format_of(content: bytes) -> str:
    """Its format and Pillow's mode."""
    with Image.open(BytesIO(content)) as image:
        return f"{image.format} {image.mode}"


def report(rows: dict[str, list[float | str]]) -> None:
    """A row a format."""
    print("\n| photos | format | answered | largest difference | below 1e-3 | not shown |\n|---|---|---|---|---|---|")
    for format, found in sorted(rows.items()):
        values = [value for value in found if isinstance(value, float)]
        near = sum(value < 1e-3 for value in values)
        kind, _, name = format.partition(" ")
        largest = f"{max(values):.1e}" if values else ""
        print(f"| {kind} | {name} | {len(values)} | {largest} | {near} | {len(found) - len(values)} |")


if __name__ == "__main__":
    main()
