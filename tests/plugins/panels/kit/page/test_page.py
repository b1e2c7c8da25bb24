"""The page is drawn from the project alone: two browsers, refused values, panels that break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from core.data.check import Examined, examine
from core.discovery import discover
from core.errors import BadInput
from core.registry import panels
from plugins.panels.kit.page.frame import frame
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project import checked
from plugins.panels.kit.project.labels import photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.html import Html, view
from tests.plugins.panels.markup import HOSTILE
from tests.plugins.panels.markup import Page as Markup

discover(panels=True)
SKIP = gr.skip()


class Small:
    """A panel with a form, a sentence and two buttons."""

    title, place, serves_models = "Small", 1, False

    def __init__(self, page: Page, /) -> None:
        self.page = page
        self.form, self.line = view("form"), view("line")
        self.set, self.fail, self.ask = gr.Button(), gr.Button(), gr.Button()
        page.shows(self.form, lambda project: Html("<b>{}</b>").format(_epochs(project)), "load")
        page.shows(self.line, lambda project: Html("<i>{}</i>").format(_epochs(project)), "change")
        page.does(self.set.click, lambda project: project.edit("training.epochs", 9))
        page.does(self.fail.click, lambda project: project.edit("training.epochs", -1))

    def status(self, project: Project) -> tuple[str, str]:
        """Nothing."""
        return "todo", ""


def _epochs(project: Project) -> int:
    return project.recipe.training.epochs if project.recipe else 0


@pytest.fixture
def page(tmp_path: Path, photos: Path) -> Page:
    page = Page(Mode("local", tmp_path))
    with gr.Blocks() as demo:
        page.panel = Small(page)  # type: ignore[attr-defined]
        page.wire(demo)
    project = Project(tmp_path)
    project.open({"name": "folder", "path": str(photos)})
    project.edit("training.epochs", 3)
    list(project.examine())
    return page


def browser(name: str) -> Any:
    return SimpleNamespace(session_hash=name, cookies={})


def sent(page: Page, updates: Iterator[list[Any]]) -> dict[str, Any]:
    """What a browser has been sent at the end of an event, by the component's id; what was left out is not in it."""
    names = [getattr(c, "elem_id", None) for c in page._outputs("load")]
    found: dict[str, Any] = {}
    for update in updates:
        assert len(update) == len(names)
        found |= {name: value for name, value in zip(names, update, strict=True) if name and value != SKIP}
    return found


def press(page: Page, number: int, who: Any) -> dict[str, Any]:
    """The event of a button, in the order in which they were told to the page."""
    done = page._handlers[number]
    return sent(page, page._safely(done.redraw, who, lambda project: page._act(done, project, who, ())))


def test_a_browser_is_sent_what_it_does_not_show(page: Page) -> None:
    anna = browser("anna")
    first = sent(page, page._loaded(anna))
    assert first["form"] == "<b>3</b>" and first["line"] == "<i>3</i>"
    assert {"form", "line"}.isdisjoint(sent(page, page._ticked(anna)))
    second = press(page, 0, anna)
    assert second["line"] == "<i>9</i>" and "form" not in second, "a form that is being filled in is left alone"
    assert {"form", "line"}.isdisjoint(sent(page, page._ticked(anna))), "its own change is no news"
    assert sent(page, page._loaded(anna))["form"] == "<b>9</b>", "after a reload all is there"


def test_another_browser_sees_it_at_its_next_look(page: Page) -> None:
    anna, otto = browser("anna"), browser("otto")
    for who in (anna, otto):
        sent(page, page._loaded(who))
    press(page, 0, anna)
    news = sent(page, page._ticked(otto))
    assert news["form"] == "<b>9</b>" and news["line"] == "<i>9</i>"
    assert {"form", "line"}.isdisjoint(sent(page, page._ticked(otto)))


def test_photos_that_one_browser_brought_are_checked_for_the_other(page: Page, tmp_path: Path) -> None:
    otto = browser("otto")
    sent(page, page._loaded(otto))
    Project(tmp_path).edit("labeller.pattern", r"([a-z]+)_\d+")
    assert Project(tmp_path).examined is None
    assert "Reading photos" in "".join(str(u) for u in page._ticked(otto)) or Project(tmp_path).examined
    assert Project(tmp_path).examined


def test_a_label_given_during_a_check_is_counted_at_the_next_look(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, project, checks = browser("anna"), Project(tmp_path), []
    sent(page, page._loaded(anna))
    contents = photos_of(project).contents

    def check(*given: Any) -> Iterator[Any]:
        found = yield from examine(*given)
        if not checks:
            project.journal.label(contents[:1], "late")
        checks.append(found)
        return found

    monkeypatch.setattr(checked, "examine", check)
    project.journal.label(contents[1:2], "early")
    press(page, 0, anna)
    assert project.examined is None, "what was checked is not what is said now"
    sent(page, page._ticked(anna))
    assert isinstance(found := project.examined, Examined) and {"early", "late"} <= found.report.counts.keys()
    sent(page, page._ticked(anna))
    assert len(checks) == 2


def test_photos_are_checked_by_one_browser_at_a_time(page: Page, tmp_path: Path) -> None:
    anna, otto, project = browser("anna"), browser("otto"), Project(tmp_path)
    sent(page, page._loaded(otto))
    project.forget()
    check = project.examine()
    next(check)
    assert not project.may_examine
    sent(page, page._ticked(otto))
    sent(page, page._loaded(anna))
    assert project.examined is None, "they wait for it"
    check.close()  # the browser that had begun it is gone
    sent(page, page._ticked(otto))
    assert project.examined


def test_a_check_of_photos_that_changed_meanwhile_is_done_again(page: Page, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.forget()
    check = project.examine()
    next(check)
    project.forget()  # as photos are added
    list(check)
    assert project.examined is None and project.may_examine


def test_a_refused_value_is_told_and_taken_back(page: Page) -> None:
    anna = browser("anna")
    sent(page, page._loaded(anna))
    answer = press(page, 1, anna)
    assert "epochs is -1, but must lie between 0 and 1000" in answer["message"]
    again = press(page, 1, anna)
    assert "<b>3</b>" in answer["form"] and "<b>3</b>" in again["form"]
    assert len({"<b>3</b>", answer["form"], again["form"]}) == 3, "else the browser sees nothing new"


def test_a_sentence_stays_until_somebody_does_something(page: Page) -> None:
    anna, otto = browser("anna"), browser("otto")
    assert "message" not in sent(page, page._loaded(anna)), "also where the page is not yet whole"
    assert press(page, 1, anna)["message"]
    sent(page, page._loaded(otto))
    press(page, 0, otto)
    assert "message" not in sent(page, page._ticked(anna)), "what another browser does is no answer to it"
    assert press(page, 0, anna)["message"] == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadInput("A <b>sentence</b>."), "A &lt;b&gt;sentence&lt;/b&gt;."),
        (OSError(28, "No space left on device", "x.jpg"), "The disk is full"),
        (PermissionError(13, "Permission denied", "x.jpg"), "could not be written: Permission denied"),
        (ZeroDivisionError("secret"), "Something went wrong (ZeroDivisionError)"),
    ],
)
def test_whatever_goes_wrong_is_a_sentence(
    page: Page, error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(project: Project) -> Iterator[list[Any]]:
        raise error
        yield []

    update, _ = page._safely("change", browser("anna"), act)
    assert said in update[-1] and "secret" not in update[-1] and 'role="alert"' in update[-1]


def test_a_panel_that_breaks_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        """Cannot be built."""

        def __init__(self, page: Page, /) -> None:
            raise RuntimeError("oops")

    class Silent(Small):
        """Cannot say how it stands."""

        def status(self, project: Project) -> tuple[str, str]:
            raise RuntimeError("oops")

    page = Page(Mode("local", tmp_path))
    make: dict[str, Callable[..., Any]] = {"broken": Broken, "silent": Silent, "data": panels["data"].factory}
    with gr.Blocks() as demo:
        frame(page, make)
        page.wire(demo)
    everything = "".join(str(value) for value in sent(page, page._loaded(browser("anna"))).values())
    assert 'data-go="data"' in everything and 'data-go="silent"' in everything
    assert "oops" not in everything and "oops" in capsys.readouterr().err


@pytest.mark.parametrize("when", ["tick", "change", "load"])
def test_what_is_no_html_by_its_type_is_shown_as_a_text(tmp_path: Path, when: Any) -> None:
    page, browser = Page(Mode("local", tmp_path)), SimpleNamespace(session_hash="anna", cookies={})
    with gr.Blocks() as demo:
        page.shows(view("plain"), lambda project: HOSTILE, when)
        page.shows(view("html"), lambda project: Html("<b>{}</b>").format(HOSTILE), when)
        button = gr.Button()
        page.answers(button.click, lambda project: HOSTILE, [], view("answer"))
        page.wire(demo)
    plain, html = next(iter(page._loaded(browser)))[:2]
    (answered,) = page._answered
    answer = next(page._safely(answered.redraw, browser, lambda p: page._act(answered, p, browser, ())))[0]
    for shown in plain, html, answer:
        assert Markup(shown).texts == [HOSTILE] and not Markup(shown).all("img")
