"""Predict: drop a photo and see its label, its confidence, and how the confidence was computed."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from core.data.decoder import Prepared, decoders, prepare
from core.data.files import SUFFIXES
from core.data.photo import BadPhoto, View
from core.errors import BadInput, quoted
from core.model.file_names import CLASSES, WEIGHTS, read_json
from core.registry import panels
from core.runs.run import Run
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.models import model_of, predictor, zip_for
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import MCP_TOOL
from plugins.panels.kit.views.drop import Uploaded, drop, received
from plugins.panels.kit.views.gradcam import where_it_looks
from plugins.panels.kit.views.html import Html, button, card, empty, notes, view
from plugins.panels.kit.views.pictures import embedded
from plugins.panels.kit.views.predictions import guess, numbers, predictions

if TYPE_CHECKING:  # torch takes seconds to import, and the page must not wait for it
    from torch import Tensor

    from core.model.predictor import Predictor

ACCEPT = ",".join(["image/*", *sorted(SUFFIXES)])
SHOWN, SMALL = 560, 96  # pixels of the photo on the page, and in a table
MANY = 500  # photos in one request
LONGEST_MANY = 120.0  # seconds for one request of a visitor
NAMED = 12  # classes in the title's sentence
MAX_REQUESTS = 8  # concurrent requests for one photo
MANY_AT_ONCE = 2  # concurrent requests for many photos
TOGETHER = 8  # photos in a batch; a visitor's time limit is checked once per batch
API_KEYS = ("label", "probability", "probabilities", "sure", "stranger", "note", "milliseconds")
PRIVACY = "Your photo is sent to the computer that runs this page and kept there for at most an hour."


@panels.register("predict")
class PredictPanel:
    """Predict one photo that is dropped, pasted or taken, or many photos as a table."""

    title, place, serves_models = "Predict", 5, True

    def __init__(self, page: Page, /) -> None:
        self.page = page
        if not page.mode.local:
            decoders()  # start the processes before the first photo comes
        with head(page, "predict", self._title, self._run):
            if not page.mode.model:  # visitors who may use a model may not download it
                self._download()
        with gr.Tabs():
            with gr.Tab("One photo"), gr.Row(elem_classes="columns"):
                with gr.Column(scale=2, elem_classes="card"):
                    one = drop("predict-drop", "Drop or paste a photo here", ACCEPT, camera=True)
                answer = view("predict-answer", label="Prediction", elem_classes="grow")
            with gr.Tab("Many photos"), gr.Column(elem_classes="card"):
                many = drop("predict-many", "Drop photos or a folder here", ACCEPT, folders=True)
                answers = view("predict-table", label="Predictions")
        page.shows(answer, self._waiting)
        page.answers(one.upload, self._one, [], answer, concurrency_limit=MAX_REQUESTS, concurrency_id="predict")
        if page.mode.local:  # a shared machine should not explain itself to everyone
            page.answers(answer.click, self._again, [], answer, busy="Looking")
        page.answers(many.upload, self._many, [], answers, busy="Predicting", concurrency_limit=MANY_AT_ONCE)
        self._api()

    def status(self, project: Project) -> tuple[State, str]:
        """Whether there is a model to predict with."""
        try:
            self._folder(project)
        except BadInput:
            return "todo", ""
        return "active", others(project, self._run(project)) or "Try it, download it"

    def _run(self, project: Project) -> Run | None:
        try:
            return None if self.page.mode.model else Run(model_of(project))
        except BadInput:
            return None

    def _download(self) -> None:
        button = gr.Button("Download model", elem_id="predict-download")
        file = gr.DownloadButton("Save", visible="hidden", elem_id="predict-zip")
        self.page.shows(button, self._download_button)
        ready = self.page.answers(button.click, self._zip, [], file, busy="Packing the model")
        self.page.after(ready, "() => setTimeout(() => document.querySelector('#predict-zip').click(), 200)")

    def _folder(self, project: Project, name: str = "") -> Path:
        return self.page.mode.model or model_of(project, name)

    def _title(self, project: Project) -> tuple[str, str]:
        try:
            folder = self._folder(project)
        except BadInput as error:
            return "Use your model", str(error)
        if self.page.mode.model:
            return "What is on your photo?", f"{_known(folder)}{PRIVACY}"
        return "Use your model", f"The model of {folder.name}. Drop a photo, paste one, or use the camera."

    def _download_button(self, project: Project) -> Any:
        try:
            size = (self._folder(project) / WEIGHTS).stat().st_size
        except (BadInput, OSError):
            return gr.update(value="Download model", visible=False)
        return gr.update(value=f"Download model · {size / 1e6:.0f} MB", visible=True)

    def _waiting(self, project: Project) -> str:
        """The placeholder for an answer; it names the model, so that an answer of an earlier one disappears."""
        try:
            model = self._folder(project).name
        except BadInput:
            model = ""
        body = empty("No photo yet", "The label, its confidence, and the time it took.")
        return card("Prediction", Html('<div data-model="{}">{}</div>').format(model, body))

    def _one(self, project: Project, data: Mapping[str, Any]) -> str:
        return self._answer(project, received(data))

    def _again(self, project: Project, data: Mapping[str, Any]) -> str:
        """The same answer, with or without where the model looks."""
        file = {"path": data.get("file"), "rel": data.get("name")}
        return self._answer(project, received({"files": [file]}), explained=data.get("do") == "why")

    def _answer(self, project: Project, files: Sequence[Uploaded], explained: bool = False) -> str:
        model = predictor(self._folder(project))
        found = next(self._predicted(model, [files[0].path], SHOWN))
        if isinstance(found, BadPhoto):
            return card("", notes([f"{files[0].name.name} cannot be read as a photo: {found}."], "bad"))
        answer, image = found
        if explained:
            pixels, _ = self._prepared(files[0].path, model.views, SHOWN)
            image = where_it_looks(model, pixels, model.vocab.index(answer["label"]))
        more = notes(
            [f"This is the first of {len(files)} photos; use the Many photos tab to predict all."] * (len(files) > 1)
        )
        shown = Html('<img class="photo" src="{}" alt="{}">').format(embedded(image, 88), files[0].name.name)
        if self.page.mode.local:
            again = {"file": files[0].path, "name": files[0].name}
            label, do = ("Show the photo", "plain") if explained else ("Where it looks", "why")
            more += button(label, do, again)
        body = Html('<div class="answer">{}<div>{}{}</div></div>{}')
        return card("", body.format(shown, guess(answer), more, numbers(answer)))

    def _many(self, project: Project, data: Mapping[str, Any]) -> Generator[str, None, str]:
        files = received(data)
        if len(files) > MANY:
            raise BadInput(
                f"{len(files):,} photos are more than the limit of {MANY}; `python -m core predict` takes any number."
            )
        model = predictor(self._folder(project))
        rows: list[dict[str, Any]] = []
        until = self._until()
        answers = self._predicted(model, [file.path for file in files], SMALL)
        for i, (file, found) in enumerate(zip(files, answers, strict=True), 1):
            _check_time(until)
            if isinstance(found, BadPhoto):
                rows.append({"file": str(file.name), "error": str(found)})
            else:
                rows.append({"file": str(file.name), **found[0], "src": embedded(found[1])})
            yield f"Predicting: {i} of {len(files)}"
        return predictions(rows, model.vocab)

    def _zip(self, project: Project) -> Any:
        file = zip_for(project, self._folder(project))
        return gr.DownloadButton("Save", value=str(file), visible="hidden")

    def _api(self) -> None:
        """Offer predictions to programs; the hidden components declare the types of inputs and outputs."""
        page = self.page
        with gr.Row(visible=False):
            photo, photos = gr.File(label="photo"), gr.File(label="photos", file_count="multiple")
            run = gr.Textbox("", label="run")
            found, all_found = gr.JSON(label="prediction"), gr.JSON(label="predictions")
            one, many = gr.Button(), gr.Button()
        page.offers(
            one.click,
            "predict",
            self._api_one,
            [photo, run],
            found,
            concurrency_id="predict",
            concurrency_limit=MAX_REQUESTS,
        )
        page.offers(
            many.click, "predict_many", self._api_many, [photos, run], all_found, concurrency_limit=MANY_AT_ONCE
        )
        if page.mode.mcp:
            path = gr.Textbox("", label="path", visible=False)
            page.offers(gr.Button(visible=False).click, MCP_TOOL, self._api_file, [path], found)

    def _api_one(self, project: Project, photo: str, run: str = "") -> dict[str, Any]:
        if not photo:
            raise BadInput("No photo was received; send one file.")
        found = self._api_many(project, [photo], run)[0]
        if "error" in found:
            raise BadInput(found["error"])
        return {key: found[key] for key in API_KEYS}

    def _api_file(self, project: Project, path: str) -> dict[str, Any]:
        """Classify the photo at a path on this computer: its label, calibrated probability, and whether it is sure."""
        file = Path(path).expanduser()
        if not file.is_absolute() or not file.is_file():
            raise BadInput(f"There is no file {quoted(path)}; give the absolute path of a photo on this computer.")
        return self._api_one(project, str(file))

    def _api_many(self, project: Project, photos: Sequence[str], run: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        if len(photos or []) > MANY:
            raise BadInput(f"{len(photos):,} photos are more than the limit of {MANY}; send fewer at once.")
        if not photos:
            return rows
        until = self._until()
        files = [Path(photo) for photo in photos]
        answers = self._predicted(predictor(self._folder(project, run)), files, SMALL)
        for file, found in zip(files, answers, strict=True):
            _check_time(until)
            if isinstance(found, BadPhoto):
                rows.append({"file": file.name, "error": f"{file.name!r} cannot be read as a photo: {found}."})
            else:
                rows.append({"file": file.name, **{key: found[0][key] for key in API_KEYS}})
        return rows

    def _until(self) -> float:
        """The deadline of a request for many photos, in monotonic seconds; the owner has none."""
        return math.inf if self.page.mode.local else time.monotonic() + LONGEST_MANY

    def _predicted(
        self, model: Predictor, files: Sequence[Path], side: int
    ) -> Iterator[tuple[dict[str, Any], Image.Image] | BadPhoto]:
        """For each file its label, outputs, probabilities and mean milliseconds with its image, or why it is bad."""
        images: dict[int, Image.Image] = {}
        reading = nullcontext() if self.page.mode.local else Lock()  # one large photo of a visitor in memory at a time

        def read(item: tuple[int, Path]) -> Tensor:
            with reading:
                pixels, images[item[0]] = self._prepared(item[1], model.views, side)
            return model.tensor(pixels)

        began = time.perf_counter()
        for (i, _), found in model.answers(list(enumerate(files)), TOGETHER, read):
            if isinstance(found, BadPhoto):
                yield found
                continue
            answer = found.to_dict()
            outputs = dict(zip(model.vocab, found.logits.tolist(), strict=True))
            answer["outputs"] = {name: outputs[name] for name in answer["probabilities"]}
            answer["milliseconds"] = round(1000 * (time.perf_counter() - began) / (i + 1), 1)
            yield answer, images.pop(i)

    def _prepared(self, file: Path, views: Sequence[View], side: int) -> Prepared:
        """The model's input from a photo and a small copy; a process that can be killed decodes visitors' photos."""
        if not self.page.mode.local:
            return decoders().prepare(file, views, side)
        return prepare(file, views, side)


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise BadInput(f"These photos take more than {LONGEST_MANY / 60:.0f} minutes; send fewer at once.")


def _known(folder: Path) -> str:
    try:
        names = list(map(str, read_json(folder / CLASSES)))
    except (OSError, ValueError, TypeError):  # loading the model reports what is wrong
        return ""
    more = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
    return f"This model recognises {', '.join(names[:NAMED])}{more}. "
