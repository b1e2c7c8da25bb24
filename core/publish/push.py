"""Pushing a trained run to the Hugging Face Hub: its model and, once rehearsed, a Space that shows it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from core.discovery import discover
from core.hub import checked_repo_id
from core.publish.hub import Hub, Space
from core.publish.licenses import check_license
from core.publish.make_page import EXAMPLES, make_page
from core.publish.model_files import model_files
from core.publish.onnx import ONNX, export_onnx, onnx_is_current
from core.publish.options import PushOptions
from core.publish.page_rehearsal import PageRehearsal
from core.publish.rehearsal import Rehearsal, rehearse
from core.publish.sample import sample
from core.publish.space import space_files, static_space_files
from core.runs.card import hub_card
from core.runs.run import Run


@dataclass(frozen=True)
class Pushed:
    """The URLs of the model and the Space, and the rehearsal of the Space."""

    model: str
    space: str = ""
    rehearsal: Rehearsal | PageRehearsal | None = None


def push(
    run: Run, repo: str, options: PushOptions, hub: Hub, python: Path | None = None
) -> Generator[str, None, Pushed]:
    """Push a run as OWNER/NAME, yielding messages about progress; nothing is pushed unless the Space works here first.

    `python` is an interpreter for the rehearsal, by default of a new environment. Raises BadInput.
    """
    checked_repo_id(repo)
    run.check_has_model()
    discover()  # the architecture may be a third-party plugin
    yield f"Signed in as {hub.user()}"
    hub.validate_card(hub_card(run.read("README.md"), repo, options.license))
    if terms := check_license(run, options.license):
        yield terms
    kind: Space | None = None if options.space == "none" else options.space
    space, rehearsal = None, None
    if kind:
        if not onnx_is_current(run):
            yield "Exporting the model as ONNX"
            export_onnx(run)
        making = _static(run, repo, options) if kind == "static" else _served(run, repo, kind, options, python)
        space, rehearsal = yield from making
        yield str(rehearsal) if rehearsal else "The page was not tried in a browser"
        hub.create(repo, options.private, kind)  # before the model is pushed, as this may be refused
    yield f"Pushing the model to {repo}"
    address = hub.push(repo, model_files(run, repo, options.license), options.private)
    if not space:
        return Pushed(address)
    yield f"Pushing the Space to {repo}"
    return Pushed(address, hub.push(repo, space, options.private, kind), rehearsal)


Made = Generator[str, None, tuple[dict[str, bytes], Rehearsal | PageRehearsal | None]]


def _static(run: Run, repo: str, options: PushOptions) -> Made:
    """The files of a static Space, tried in a browser."""
    name = repo.rpartition("/")[2]
    page, rehearsal = yield from make_page(
        run, (run.folder / ONNX).read_bytes(), name, options.examples, options.untried
    )
    return static_space_files(run, page, repo, options.license or None), rehearsal


def _served(run: Run, repo: str, kind: Space, options: PushOptions, python: Path | None) -> Made:
    """The files of a Space with a server, tried in an environment of its own."""
    files = space_files(run, repo, kind, options.license or None, EXAMPLES if options.examples else 0)
    return files, (yield from rehearse(files, *sample(run), python))
