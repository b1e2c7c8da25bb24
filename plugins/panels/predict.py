"""Predict: drop a photo and see its label, its confidence, and how the confidence was computed."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr

from core.data.decoder import decoders
from core.data.files import SUFFIXES
from core.data.photo import BadPhoto
from core.errors import BadInput, quoted
from core.model.file_names import CLASSES, read_json
from core.registry import panels
from core.runs.run import Run
from plugins.panels.kit.insight.gradcam import where_it_looks
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.adding import add, adds_to
from plugins.panels.kit.project.labels import act
from plugins.panels.kit.project.models import model_of, predictor, zip_for, zip_size
from plugins.panels.kit.project.naming import begun, title_of
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.predicting import MANY, known_photo, predicted, prepared, trained_on
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.sent_photos import SentPhoto, photo_of, sent_photos
from plugins.panels.kit.serving.mode import MCP_TOOL
from plugins.panels.kit.views.drop import drop, received
from plugins.panels.kit.views.html import Html, acts, button, card, empty, notes, view
from plugins.panels.kit.views.large import dialog, large_photo
from plugins.panels.kit.views.pictures import embedded
from plugins.panels.kit.views.predictions import guess, known_answer, mending, numbers, predictions, trained_next

ACCEPT = ",".join(["image/*", *sorted(SUFFIXES)])
TO_ANSWER = "() => document.querySelector('#predict-answer').scrollIntoView({block: 'nearest'})"
NEXT_FRAME = "() => document.dispatchEvent(new Event('presize-answered'))"
SHOWN, SMALL = 560, 96  # pixels of the photo on the page, and in a table
NAMED = 12  # classes in the title's sentence
AT_ONCE: dict[str, Any] = {"concurrency_limit": 8, "concurrency_id": "predict"}  # requests for one photo
MANY_AT_ONCE = 2  # concurrent requests for many photos
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
                many = drop("predict-many", "Drop photos, a folder or a zip here", f".zip,{ACCEPT}", folders=True)
                answers = view("predict-table", label="Predictions")
        large = large_photo("predict-large")
        page.shows(answer, self._waiting)
        each: dict[str, Any] = {
            "busy": "Predicting",
            "trigger_mode": "multiple",
        }  # a photo dropped meanwhile is not lost
        in_turn = {"concurrency_limit": 1} if page.mode.local else AT_ONCE  # so that the last one's answer stays
        page.after(page.answers(one.upload, self._one, [], answer, **in_turn, **each), TO_ANSWER)
        page.after(page.answers(one.live, self._live, [], answer, trigger_mode="once", **AT_ONCE), NEXT_FRAME)
        if not page.mode.model or page.mode.explains:
            page.answers(answer.click, self._again, [], answer, busy="Looking", **AT_ONCE)
        page.answers(many.upload, self._many, [], answers, concurrency_limit=MANY_AT_ONCE, **each)
        page.answers(answers.open, self._open, [], large, busy="Opening the photo", **AT_ONCE)
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
        button = gr.Button("Download model", elem_id="predict-download", elem_classes="makes")
        file = gr.DownloadButton("Save", visible="hidden", elem_id="predict-zip")
        self.page.shows(button, self._download_button, "tick")
        ready = self.page.answers(button.click, self._zip, [], file, busy="Packing the model")
        self.page.after(ready, "() => presize.made('predict-download', 'predict-zip')")

    def _folder(self, project: Project, name: str = "") -> Path:
        return self.page.mode.model or model_of(project, name)

    def _title(self, project: Project) -> tuple[str, str]:
        try:
            folder = self._folder(project)
        except BadInput as error:
            return "Use your model", str(error)
        if self.page.mode.model:
            return "What is on your photo?", f"{_known(folder)}{PRIVACY}"
        whose = f"The model of {title_of(Run(folder))}, begun {begun(Run(folder))}."
        return "Use your model", f"{whose} Drop a photo, paste one, or use the camera."

    def _download_button(self, project: Project) -> Any:
        try:
            size = zip_size(self._folder(project))
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
        photos = sent_photos(received(data))
        more = notes(
            [f"This is the first of {len(photos)} photos; use the Many photos tab to predict all."] * (len(photos) > 1)
        )
        return self._answer(project, photos[0], more)

    def _live(self, project: Project, data: Mapping[str, Any]) -> str:
        """What the model says of a frame of the camera."""
        photo = sent_photos(received(data))[0]
        found = self._predicted(project, photo, SMALL)
        if self.page.mode.local:
            photo.path.unlink(missing_ok=True)  # two a second would fill the owner's disk, which is swept once a day
        if isinstance(found, BadPhoto):
            raise BadInput(f"The camera's picture cannot be read: {found}.")
        return card("Live", guess(found[0]))

    def _again(self, project: Project, data: Mapping[str, Any]) -> str:
        """The same answer with where the model looks, or after a person has said what the photo shows."""
        photo = photo_of(data)
        if self.page.mode.model or data.get("do") not in ("add", "correct"):  # who only uses a model has no photos
            return self._answer(project, photo, explained=data.get("do") == "why" and self.page.mode.explains)
        label = str(data.get("value") or "").strip()
        if not label:
            raise BadInput("Type the right label first.")
        said = "Added to your photos as {}. Train again to use it."
        if data.get("do") == "correct":
            if not (known := known_photo(project, self._run(project), photo)):
                raise BadInput(f"{photo.name.name} is no longer one of your photos; predict it again.")
            act(project, {"do": "label", "key": known.key, "photos": [known.number], "label": label, "right": True})
            said = "Its label is {} now. Train again to use it."
        else:
            add(project, received({"files": [{"path": photo.path, "rel": photo.name.name}]}), label)
        return self._answer(project, photo, trained_next(said.format(label)))

    def _answer(self, project: Project, photo: SentPhoto, said: Html | None = None, explained: bool = False) -> str:
        found = self._predicted(project, photo, SHOWN)
        if isinstance(found, BadPhoto):
            return card("", notes([f"{photo.name.name} cannot be read as a photo: {found}."], "bad"))
        answer, image = found
        more = said or Html()
        if explained:
            model = predictor(self._folder(project))
            pixels = prepared(model, photo, SHOWN, self.page.mode.local).pixels
            image = where_it_looks(model, pixels, model.vocab.index(answer["label"]))
        shown = Html('<img class="photo" src="{}" alt="{}">').format(embedded(image, 88), photo.name.name)
        if not self.page.mode.model and not said:
            more += self._asking(project, photo, answer)
        if self.page.mode.explains:
            label, do = ("Show the photo", "plain") if explained else ("Where it looks", "why")
            more += acts(button(label, do, photo.told()))
        body = Html('<div class="answer">{}<div>{}{}</div></div>{}')
        return card("", body.format(shown, guess(answer), more, numbers(answer)))

    def _asking(self, project: Project, photo: SentPhoto, answer: Mapping[str, Any]) -> Html:
        """Why it is not sure, whether the answer is right, as far as that is known, and a field for the right label."""
        run = self._run(project)
        where = "That threshold was chosen on Results, where it can be changed."
        said = notes([where] * (not answer["sure"]), "note")
        if known := known_photo(project, run, photo):
            return said + known_answer(photo, answer, known, trained_on(run, photo))
        return said + mending(photo, answer, self._why_not(project))

    def _why_not(self, project: Project) -> str:
        """Why a photo cannot be added to the photos that the model learns from; "" if it can."""
        if other := others(project, self._run(project)):
            return f"This model is {other}, so a photo is not added to the photos that are here now."
        if adds_to(project) is None:
            return (
                "Photos can be added to photos and folders that were dropped on the Data page; the files of this data "
                "set, such as a zip or a folder of this computer, are not changed."
            )
        return ""

    def _many(self, project: Project, data: Mapping[str, Any]) -> Generator[str, None, str]:
        photos = sent_photos(received(data))
        model = predictor(self._folder(project))
        rows: list[dict[str, Any]] = []
        answers = predicted(model, photos, SMALL, self.page.mode.local)
        for i, (photo, found) in enumerate(zip(photos, answers, strict=True), 1):
            row = {"file": str(photo.name), "told": photo.told(), "true": photo.label(model.vocab)}
            if isinstance(found, BadPhoto):
                rows.append(row | {"error": str(found)})
            else:
                rows.append(row | found[0] | {"src": embedded(found[1])})
            yield f"Predicting: {i} of {len(photos)}"
        return predictions(rows, model.vocab)

    def _open(self, project: Project, data: Mapping[str, Any]) -> str:
        """A photo of the table, large."""
        photo = photo_of(data)
        found = self._predicted(project, photo, SHOWN)
        if isinstance(found, BadPhoto):
            raise BadInput(f"{photo.name.name} cannot be read as a photo: {found}.")
        picture = Html('<img src="{}" alt="{}">').format(embedded(found[1], 88), photo.name.name)
        return dialog(photo.name.name, Html('<p class="file">{}</p>').format(photo.name) + guess(found[0]), picture)

    def _predicted(self, project: Project, photo: SentPhoto, side: int) -> Any:
        return next(predicted(predictor(self._folder(project)), [photo], side, self.page.mode.local))

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
        page.offers(one.click, "predict", self._api_one, [photo, run], found, **AT_ONCE)
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
        files = [SentPhoto(Path(photo), PurePosixPath(Path(photo).name)) for photo in photos]
        answers = predicted(predictor(self._folder(project, run)), files, SMALL, self.page.mode.local)
        for file, found in zip(files, answers, strict=True):
            if isinstance(found, BadPhoto):
                rows.append(
                    {"file": file.name.name, "error": f"{file.name.name!r} cannot be read as a photo: {found}."}
                )
            else:
                rows.append({"file": file.name.name, **{key: found[0][key] for key in API_KEYS}})
        return rows


def _known(folder: Path) -> str:
    try:
        names = list(map(str, read_json(folder / CLASSES)))
    except (OSError, ValueError, TypeError):  # loading the model reports what is wrong
        return ""
    more = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
    return f"This model recognises {', '.join(names[:NAMED])}{more}. "
