"""Publish: push the model to the Hugging Face Hub, with a Space where others can try it."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from huggingface_hub import get_token

from core.atomic import write_atomic
from core.errors import BadInput
from core.publish.browser import find_browser
from core.publish.onnx import ONNX, can_export, export_onnx, onnx_is_current
from core.publish.options import PushOptions
from core.publish.page import TITLE, zipped
from core.registry import Param, panels, params_of
from core.runs.run import Run
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.models import model_of
from plugins.panels.kit.project.naming import begun, title_of
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, card, empty, figures, joined, notes, view

LICENSES = ["", "apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "other"]
TOKENS = "https://huggingface.co/settings/tokens/new?tokenType=write"
PUSH_OPTIONS = params_of(PushOptions)
LABELS = {"space": "A page for others (a Space)"}
OF_A_SPACE = ("space", "examples", "untried")
SPACES = {  # with their prices, as of July 2026
    "static": "Runs in the visitor's browser: free",
    "zero-gpu": "On a server that lends GPUs (ZeroGPU): free for two pages",
    "cpu-basic": "On a small server (cpu-basic): needs a paid account",
    "none": "No page, the model alone: free",
}
ALONE = "Without an account, download it as a page: unzip it, and put the folder on any web host."


@panels.register("publish")
class PublishPanel:
    """Push the model of the selected run, after rehearsing its Space on this computer."""

    title, place, serves_models = "Publish", 6, False

    def __init__(self, page: Page, /) -> None:
        self.page = page
        self.may = page.mode.local or page.mode.signs_in
        with head(page, "publish", self._title, _run):
            if page.mode.local and can_export():
                self._page_button()
            button = gr.Button("Publish", variant="primary", elem_id="publish-push", visible=self.may)
        with gr.Row(elem_classes="columns"):
            if self.may:
                with gr.Column(elem_classes="card fields"):
                    inputs = self._form()
            result = view("publish-result", label="What was published", elem_classes="grow")
        page.shows(result, self._waiting)
        if self.may:
            page.shows(button, lambda project: gr.update(interactive=_run(project) is not None), "tick")
            options: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "publish", "trigger_mode": "once"}
            page.answers(button.click, _push, inputs, result, busy="Getting ready", signed=True, **options)

    def _page_button(self) -> None:
        """A button that makes the page which needs no server, and downloads it."""
        untried = "" if find_browser() else " (untried: no Chromium is here)"
        make = gr.Button(f"Download as a page{untried}", elem_id="publish-page", elem_classes="makes")
        file = gr.DownloadButton("Save", visible="hidden", elem_id="publish-zip")
        self.page.shows(make, lambda project: gr.update(visible=_run(project) is not None), "tick")
        options: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "publish", "trigger_mode": "once"}
        ready = self.page.answers(make.click, _page, [], file, busy="Making the page", **options)
        self.page.after(ready, "() => presize.made('publish-page', 'publish-zip')")

    def status(self, project: Project) -> tuple[State, str]:
        """Whether there is something to publish."""
        run = _run(project)
        return ("active", others(project, run) or "Give it to others") if run else ("todo", "")

    def _title(self, project: Project) -> tuple[str, str]:
        run = _run(project)
        if not self.may:
            return "Publish", "Download the model on the Predict page and push it from your own computer."
        if run is None:
            return "Publish", "There is no model yet; train one first."
        if self.page.mode.signs_in:
            return (
                "Publish",
                f"Sign in to push the model of {title_of(run)} to your own account; no token is kept here.",
            )
        alone = f" {ALONE}" if self.page.mode.local and can_export() else ""
        trains = project.under_way
        later = " A later run still trains; this is the earlier model." if trains and trains.name > run.name else ""
        return (
            "Publish",
            f"Push the model of {title_of(run)}, begun at {begun(run)}, to the Hugging Face Hub, with a page where "
            f"others can try it.{alone}{later}",
        )

    def _form(self) -> list[Any]:
        """The inputs: token, repository, and options; a token is sent to the Hub and never stored."""
        token = gr.Textbox("", visible=False)
        if self.page.mode.local:
            known = "If empty, the login of this computer is used. " if get_token() else ""
            token = gr.Textbox(
                "",
                label="Hugging Face token",
                info=f"{known}It lets Presize upload to your account: [get one with write access]({TOKENS}). "
                "It is never stored.",
                type="password",
                elem_id="publish-token",
            )
        else:
            gr.LoginButton(logout_value="Signed in as {}: sign out", elem_id="publish-login")
        repo = gr.Textbox(
            "",
            label="Name",
            info="Your account and a name for the model, such as anna/my-pets",
            elem_id="publish-repo",
            max_lines=1,
        )
        if self.page.mode.local and not can_export():
            gr.Markdown("A Space needs `pip install -r core/publish/requirements-onnx.txt` first.")
        return [token, repo, *(_input(option) for option in _options())]

    def _waiting(self, project: Project) -> str:
        first = "Its page is tried on this computer first; if it fails here, nothing is pushed."
        return card(
            "On the Hub", empty("Not published", first if can_export() else "The model is pushed with its card.")
        )


def _options() -> tuple[Param, ...]:
    """The push options that are available here: without ONNX there are no Spaces."""
    hidden = (("untried",) if find_browser() else ()) if can_export() else OF_A_SPACE
    return tuple(option for option in PUSH_OPTIONS if option.name not in hidden)


def _input(option: Param) -> Any:
    shared: dict[str, Any] = {
        "label": LABELS.get(option.name, option.name.capitalize()),
        "info": option.help,
        "elem_id": f"publish-{option.name}",
    }
    if option.choices:
        shared["info"] = option.help.partition(".")[0]  # the prices stand in the choices
        return gr.Radio([(SPACES[name], name) for name in SPACES], value=option.default, **shared)
    if option.type is bool:
        return gr.Checkbox(option.default, **shared)
    return gr.Dropdown([(name or "not said", name) for name in LICENSES], value="", allow_custom_value=True, **shared)


def _run(project: Project) -> Run | None:
    try:
        return Run(Path(model_of(project)))
    except BadInput:
        return None


def _push(project: Project, login: str, token: str, repo: str, *values: Any) -> Generator[str, None, str]:
    from core.publish.hub import Hub  # takes seconds to import
    from core.publish.push import push

    if not repo.strip():
        token_too = "" if login or token.strip() or get_token() else " A token is needed, too."
        raise BadInput(f"The name is empty; give OWNER/NAME, such as anna/my-pets.{token_too}")
    if project.confined and not login:
        raise BadInput("Nobody is signed in; press Sign in with Hugging Face first.")
    run = Run(Path(model_of(project)))
    chosen: dict[str, Any] = dict(zip((option.name for option in _options()), values, strict=True))
    options = PushOptions(**({"space": "none"} | chosen))
    done = yield from push(run, repo.strip(), options, Hub(login or token.strip()))
    places = [("Model", done.model)] + ([("Space", done.space)] if done.space else [])
    link = Html('<p><b>{name}</b> <a href="{place}" target="_blank" rel="noopener">{place}</a></p>')
    links = joined(link.format(name=name, place=place) for name, place in places)
    return card("On the Hub", links + _rehearsed(done.rehearsal) + _use(repo.strip()))


def _page(project: Project) -> Generator[str, None, Any]:
    """The zip of a page, in a folder with an unguessable name, from which the app deletes old files."""
    from core.publish.make_page import make_page

    run = Run(Path(model_of(project)))
    if not onnx_is_current(run):
        yield "Turning the model into a file for browsers, which takes a minute or more"
        export_onnx(run)
    onnx = (run.folder / ONNX).read_bytes()
    files, _ = yield from make_page(run, onnx, TITLE, untried=find_browser() is None)
    file = Path(get_upload_folder(), secrets.token_hex(20), f"{run.name}-page.zip")
    file.parent.mkdir(parents=True)
    write_atomic(file, zipped(files, run.name))
    return gr.DownloadButton("Save", value=str(file), visible="hidden")


def _rehearsed(found: Any) -> str:
    if found is None:
        return ""
    cells = [
        ("Size", f"{found.megabytes:,.0f} MB", "installed, or to load"),
        ("Ready", f"{found.ready_seconds:.1f} s", "after its start"),
        ("Memory", f"{found.memory_mb:,.0f} MB", "while predicting"),
        ("A prediction", f"{found.median_ms:.0f} ms", f"the first {found.first_ms:.0f} ms"),
        ("Differs by", f"{found.largest_difference:.0e}", "at most, in probability, from the engine"),
    ]
    return figures(cells)


def _use(repo: str) -> str:
    line = f'load_learner("{repo}").predict("photo.jpg")'
    return notes(["Others can use it like this:"], "note") + Html("<pre><code>{}</code></pre>").format(line)
