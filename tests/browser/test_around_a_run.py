"""Before a run: what it will take, which network, augmentation; after it: how that was met, and more epochs."""

from __future__ import annotations

from typing import Any

from core.events import EpochEnded, RunEnded, StageStarted, to_line
from core.runs.events_file import EVENTS
from core.runs.longer import parent_of
from core.runs.run import Run
from plugins.panels.kit.views.seen import DRAWS
from tests.browser.conftest import App, Prepare, Serve, Shoot, Visit
from tests.browser.steps import TRAINS, edit, expect, faults, titled, until


def test_what_it_will_take_and_how_that_was_met(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(freeze_epochs=1, epochs=1)
    page = visit(serve(project.folder), page="train")
    said = page.locator("#train-presets")
    expect(said).to_contain_text("measured on a few steps", timeout=1000 * TRAINS)
    expect(said.locator(".choice i").first).to_contain_text("about")
    assert not faults(page)
    page.locator("#train-start").click()
    titled(page, "train", "Trained", TRAINS)
    expect(page.locator("#train-run")).to_contain_text("were expected")
    expect(said).to_contain_text("by the speed of")


def test_nothing_is_timed_before_somebody_looks(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared()
    page = visit(serve(project.folder))
    expect(page.locator("#data-train")).to_be_enabled()
    assert page.locator("#train-presets [data-ask]").count() == 1
    assert not (project.folder / "speed").exists()


def test_augmentation_beside_its_preview(prepared: Prepare, serve: Serve, visit: Visit, shoot: Shoot) -> None:
    project = prepared()
    page = visit(serve(project.folder), page="train")
    page.locator("#train-augmentation").get_by_role("button").first.click()
    page.locator("#train-draws").scroll_into_view_if_needed()
    expect(page.locator("#train-draws img")).to_have_count(DRAWS)
    shoot(page, "augmentation-light")
    assert not faults(page)
    before = drawn(page)
    assert len(set(before)) == DRAWS, "each draw is another"

    field = page.locator('[data-path="batch_tfms.0.max_rotate"]')
    field.scroll_into_view_if_needed()
    option, preview = field.bounding_box(), page.locator("#train-draws .tiles").bounding_box()
    assert preview["x"] > option["x"] + option["width"]
    assert 0 <= preview["y"] <= page.viewport_size["height"] - preview["height"], "it is seen while one edits"
    edit(page, "batch_tfms.0.max_rotate", 90)
    until(lambda: len(turned := drawn(page)) == DRAWS and turned != before)
    turned = drawn(page)
    page.locator("#train-draws").get_by_role("button", name="Draw again").click()
    until(lambda: len(again := drawn(page)) == DRAWS and again != turned)
    assert project.require_recipe().batch_tfms[0]["max_rotate"] == 90


def drawn(page: Any) -> list[str]:
    """The pictures of the preview."""
    return list(page.locator("#train-draws img").evaluate_all("images => images.map(image => image.src)"))


def test_networks_are_compared_again(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared()
    page = visit(serve(project.folder), page="train")
    which = page.locator("#train-which")
    which.get_by_role("button", name="Which model?").click()
    expect(which.locator("tbody tr")).to_have_count(3, timeout=1000 * TRAINS)
    assert not faults(page)
    expect(which).not_to_contain_text("compare again.")
    page.locator("#train-augmentation").get_by_role("button").first.click()
    edit(page, "batch_tfms.0.size", 48)
    expect(which).to_contain_text("compare again.")
    which.get_by_role("textbox", name="More networks").fill("resnet35")
    which.get_by_role("button", name="Compare again").click()
    expect(page.locator("#message .said")).to_contain_text("resnet35")
    which.get_by_role("textbox", name="More networks").fill("")
    which.get_by_role("button", name="Compare again").click()
    expect(which).to_contain_text("Comparing networks")
    expect(which.locator("tbody tr")).to_have_count(3, timeout=1000 * TRAINS)
    expect(which).not_to_contain_text("compare again.")


def test_more_epochs_from_results(trained: App, visit: Visit) -> None:
    page = visit(trained, page="results")
    (before,) = trained.project.runs
    page.locator("#page-results").get_by_label("More epochs from this model").fill("1")
    page.locator("#results-longer").click()
    expect(page.locator("#page-train")).to_be_visible()
    titled(page, "train", "Trained", TRAINS)
    run = trained.project.run
    assert run and run != before and parent_of(run) == before
    assert (run.recipe.training.freeze_epochs, run.recipe.training.epochs) == (0, 1)


def test_of_many_epochs_only_those_in_sight_are_laid_out(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared()
    run = Run.create(project.require_recipe(), project.folder)
    epochs = [EpochEnded(i, 1.0, 1.0, {"accuracy": 0.5}, 1.0, i == 0) for i in range(300)]
    events = [StageStarted("frozen", 300, 300, [0.1]), *epochs, RunEnded("completed")]
    (run.folder / EVENTS).write_text("".join(f"{to_line(event)}\n" for event in events))
    page = visit(serve(project.folder), "phone", page="train")
    rows = page.locator(".epochs tbody tr")
    expect(rows).to_have_count(300)
    page.locator(".epochs").scroll_into_view_if_needed()
    until(lambda: [rows.nth(i).evaluate(LAID_OUT) for i in (0, 299)] == [True, False])
    assert rows.first.evaluate(LEFTS) == page.locator(".epochs thead tr").evaluate(LEFTS)
    rows.last.scroll_into_view_if_needed()
    expect(rows.last).to_contain_text("50.0%")


def test_only_what_differs_is_drawn_anew(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    page = visit(serve(prepared().folder))
    for before, after, kept in (
        ("<p>1</p><p>2</p>", "<p>1</p><p>3</p><p>4</p>", 2),
        ("<p>1</p><p>2</p>", "<p>2</p>", 1),
        ('<p class="a" id="b">1</p>', '<p class="c" title="d">1<b>2</b></p>', 1),
        ("<ul><li>1</li></ul>", "<ol><li>1</li></ol>", 0),
        ("1<!--2-->", "3<!--4--><i>5</i>", 2),
        ('<svg viewBox="0 0 1 1"><g></g></svg>', '<svg viewBox="0 0 2 2"><path d="M0 0"></path></svg>', 1),
    ):
        assert page.evaluate(DRAWN, [before, after]) == [after, kept]
    value = "const box = document.createElement('p'); box.innerHTML = '<input>'; box.firstChild.value = 'typed';"
    shown = "presize.draw(box, html); return box.firstChild.value;"
    assert page.evaluate(f"html => {{ {value} {shown} }}", '<input><b title="x"></b>') == "typed"
    assert page.evaluate(f"html => {{ {value} {shown} }}", '<input value="given">') == "given"


LAID_OUT = "row => row.cells[0].checkVisibility({contentVisibilityAuto: true})"
LEFTS = "row => [...row.cells].map(cell => Math.round(cell.getBoundingClientRect().left))"
DRAWN = """([before, after]) => {
  const box = document.createElement('div');
  box.innerHTML = before;
  const nodes = [...box.childNodes];
  presize.draw(box, after);
  return [box.innerHTML, nodes.filter(node => box.contains(node)).length];
}"""
