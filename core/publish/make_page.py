"""Making the page of a run's model: its files, once a browser of this machine has tried them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from core.publish.page import page_files
from core.publish.page_rehearsal import PageRehearsal, rehearse_page
from core.publish.runtime import runtime_files
from core.publish.sample import examples_of, named_sample
from core.runs.run import Run

EXAMPLES = 6
Page = tuple[dict[str, bytes], PageRehearsal | None]


def make_page(
    run: Run, onnx: bytes, name: str, examples: bool = False, untried: bool = False, runtime: Path | None = None
) -> Generator[str, None, Page]:
    """The files of a page called `name`, yielding messages, and its rehearsal unless it is to be `untried`.

    `examples` shows validation photos, `runtime` is a folder with ONNX Runtime Web. Raises BadInput.
    """
    yield "Getting the program that runs a model in a browser"
    files = page_files(run, onnx, runtime_files(runtime), name, examples_of(run, EXAMPLES if examples else 0))
    return files, None if untried else (yield from rehearse_page(files, *named_sample(run)))
