"""The grid of all photos: filter, sort, select and label; only the photos in view ask for their thumbnails."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from anyio import CapacityLimiter, to_thread
from PIL import Image

from core.data import photo
from core.data.decoder import decoders
from core.data.photo import View
from core.errors import BadInput
from plugins.panels.kit.insight.alike import more_like, next_group
from plugins.panels.kit.insight.insight import FOLDER, Insight, with_findings
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.changes import changes
from plugins.panels.kit.project.labels import act, listed, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.thumbnails import jpeg_of, thumbnails

HERE = Path(__file__).parent
PARTS = ("grid", "select", "map", "label", "group", "large")
SCRIPT = "".join((HERE / f"photo_{part}.js").read_text(encoding="utf-8") for part in PARTS)
TEMPLATE = (HERE / "photo_grid.html").read_text(encoding="utf-8")
AT_ONCE = 60  # thumbnails per request
LARGE = 900  # pixels of the longer side of an enlarged photo
ADDRESSES = 1_000  # remembered
REQUESTS = 16  # at once, of all addresses, so that the app's other threads stay free


class Turns:
    """One request per address at a time, so that one visitor's thumbnails do not keep others waiting."""

    def __init__(self) -> None:
        self._locks: OrderedDict[str, asyncio.Lock] = OrderedDict()
        self.threads = CapacityLimiter(REQUESTS)

    def of(self, request: gr.Request) -> asyncio.Lock:
        """The lock of the address that sent a request."""
        address = request.client.host if request.client else ""
        lock = self._locks.setdefault(address, asyncio.Lock())
        self._locks.move_to_end(address)
        while len(self._locks) > ADDRESSES:
            self._locks.popitem(last=False)
        return lock


def photo_grid(page: Page) -> gr.HTML:
    """The grid; its events tell that a person has said something about photos, `changed`, or wants to `train`."""
    turns = Turns()

    def answering(ask: Callable[[Project, Mapping[str, Any]], Any]) -> Callable[..., Any]:
        async def answer(data: dict[str, Any], request: gr.Request) -> Any:
            async with turns.of(request):
                return await to_thread.run_sync(_answer, page, ask, data, request, limiter=turns.threads)

        answer.__name__ = ask.__name__
        return answer

    functions = [answering(ask) for ask in (photos, thumbs, large, alike, group, say)]
    return gr.HTML(
        "", html_template=TEMPLATE, js_on_load=SCRIPT, elem_id="data-grid", server_functions=functions, visible=True
    )


def photos(project: Project, data: Mapping[str, Any]) -> Any:
    """The list of photos, as far as the browser lacks it; they are compared if some have no label, or for the map."""
    news, insight, labels = _rows(project, data), Insight(project), listed(project)["labels"]
    if -1 in labels or (data.get("look") is True and labels):
        with suppress(BadInput):  # without the network's weights there are no suggestions
            insight.look()
    return {**news, "looking": insight.looking}


def thumbs(project: Project, data: Mapping[str, Any]) -> Any:
    """Thumbnails as base64, "" for a photo that cannot be read; raises BadInput."""
    found = photos_of(project)
    numbers = found.chosen(data.get("key"), data.get("photos"))
    if len(numbers) > AT_ONCE:
        raise BadInput(f"{len(numbers):,} thumbnails are too many at once; ask for at most {AT_ONCE}.")
    wanted = [(found.contents[i], found.files[i]) for i in numbers]
    jpegs = thumbnails(project.folder / FOLDER, wanted, _make(project))
    return {"jpegs": [base64.b64encode(jpeg).decode() for jpeg in jpegs]}


def large(project: Project, data: Mapping[str, Any]) -> Any:
    """One photo, large, as base64; raises BadInput."""
    found = photos_of(project)
    file = found.files[found.chosen(data.get("key"), data.get("photos"))[0]]
    return {"jpeg": base64.b64encode(jpeg_of(file, LARGE, _make(project)) or b"").decode()}


def alike(project: Project, data: Mapping[str, Any]) -> Any:
    """Photos without a label that look like those that are selected."""
    return {"photos": more_like(project, photos_of(project).chosen(data.get("key"), data.get("photos")))}


def group(project: Project, data: Mapping[str, Any]) -> Any:
    """Photos without a label that look alike, and their likely label; `photos` are those declined before."""
    alike, likely = next_group(project, set(photos_of(project).numbered(data.get("key"), data.get("photos"))))
    return {"photos": alike, "likely": likely}


def say(project: Project, data: Mapping[str, Any]) -> Any:
    """Do what a person said; answers with a sentence and the list of photos."""
    said = act(project, data)
    return {"said": said, **_rows(project, data)}


def _rows(project: Project, data: Mapping[str, Any]) -> dict[str, Any]:
    rows = with_findings(project, listed(project))
    news = changes(project.folder, rows, str(data.get("token")))
    if data.get("key") == rows["key"]:
        news.pop("names", None)
    return news


def _answer(page: Page, ask: Callable[[Project, Mapping[str, Any]], Any], data: Any, request: gr.Request) -> Any:
    project = None
    try:
        project = page.project(request)
        return ask(project, data if isinstance(data, dict) else {})
    except BadInput as error:
        return {"error": project.plain(error) if project else str(error)}


def _make(project: Project) -> Callable[[Path, int], Image.Image]:
    """What decodes a photo: for a stranger's photo, a process that can be killed."""
    return _elsewhere if project.confined else photo.thumbnail


def _elsewhere(file: Path, side: int) -> Image.Image:
    return decoders().prepare(file, [View((1, 1))], side).shown
