"""Training outlives the page, the browser and the app; every page shows how it really stands."""

from __future__ import annotations

import psutil
import pytest

from tests.browser.conftest import Prepare, Serve, Visit
from tests.browser.steps import TRAINS, epochs, expect, figure, go, log_size, titled, until

LONG = {"freeze_epochs": 900, "epochs": 0}  # of a third of a second; ends when the test wants it to
MIDDLE = {"freeze_epochs": 100, "epochs": 0}  # a tenth of them is trained yet when it is asked to finish early


def test_reload_and_other_browsers(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(**LONG)
    page = visit(app := serve(project.folder), page="train")
    page.locator("#train-start").click()
    titled(page, "train", "Training")
    until(lambda: epochs(page) >= 2, TRAINS)

    other, seen = visit(app, page="train"), epochs(page)  # a browser of its own
    titled(other, "train", "Training")
    until(lambda: epochs(other) > seen)

    page.watch.cut_off = True
    page.reload()
    expect(page.locator("#page-train")).to_be_visible()
    titled(page, "train", "Training")
    page.watch.cut_off = False
    until(lambda: epochs(page) > seen)
    expect(page.locator("#train-start")).to_be_hidden()

    tab = visit(app, page="train", context=page.context)
    until(lambda: epochs(tab) > seen)
    name = project.run.name if project.run else ""
    for view in (page, other, tab):
        expect(view.locator("#train-runs tbody tr")).to_have_count(1)
        expect(view.locator(f'#train-runs [data-run="{name}"]').first).to_be_attached()

    events: list[str] = []
    other.on("request", lambda r: events.append(r.url) if "/queue/join" in r.url else None)
    seen = epochs(other)
    until(lambda: epochs(other) > seen + 1)
    assert not events, "news come with the clock's answer, as an event of gradio is costly"

    other.locator("#train-pause").click()
    for view in (page, other, tab):
        titled(view, "train", "Paused")
    until(lambda: len({epochs(view) for view in (page, other, tab)}) == 1)
    until(lambda: {figure(view, "Accuracy", "#train-run") for view in (page, other, tab)} != {"–"})


def test_the_app_is_killed_and_started_again(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(**MIDDLE)
    page = visit(app := serve(project.folder), page="train")
    page.locator("#train-start").click()
    until(lambda: epochs(page) >= 2, TRAINS)
    run = project.run
    assert run and run.process
    process = run.process

    page.watch.cut_off = True
    app.kill()
    seen, size = epochs(page), log_size(run)
    until(lambda: log_size(run) > size, what="the run writes on without the app")
    assert run.process == process and psutil.pid_exists(process)

    app.start()
    page.reload(wait_until="commit")
    titled(page, "train", "Training")
    page.watch.cut_off = False
    until(lambda: epochs(page) > seen)
    assert run.process == process
    page.locator("#train-finish").click()
    titled(page, "train", "Trained", TRAINS)
    until(lambda: run.status == "completed")
    assert (run.folder / "model.safetensors").is_file()


def test_pause_resume_and_complete(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(freeze_epochs=50, epochs=1)  # longer than the page takes to hear of it
    page = visit(serve(project.folder), page="train")
    page.locator("#train-start").click()
    until(lambda: epochs(page) >= 1, TRAINS)
    page.locator("#train-pause").click()
    titled(page, "train", "Paused")
    expect(page.locator("#train-pause")).to_be_hidden()
    paused = epochs(page)
    assert 1 <= paused < 51

    page.locator("#train-resume").click()
    titled(page, "train", "Trained", TRAINS)
    until(lambda: epochs(page) == 51)
    assert len(project.runs) == 1
    expect(page.locator("#train-resume")).to_be_hidden()


@pytest.mark.slow
def test_stop_and_keep_best(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(**LONG)
    page = visit(serve(project.folder), page="train")
    page.locator("#train-start").click()
    until(lambda: epochs(page) >= 2, TRAINS)
    page.locator("#train-keep").click()
    expect(page.locator("#page-results")).to_be_visible()
    expect(page.locator("#results-body .matrix")).to_be_visible()
    assert figure(page, "Accuracy", "#results-body").endswith("%")
    go(page, "train")
    titled(page, "train", "Trained")
    expect(page.locator("#train-head")).to_contain_text("ended early")
    expect(page.locator("#train-resume")).to_be_hidden()
    expect(page.locator("#train-longer")).to_be_visible()
    assert project.run and project.run.status == "completed"
    assert (project.run.folder / "model.safetensors").is_file()
    expect(page.locator("#results-try")).to_be_enabled()


@pytest.mark.slow
def test_finish_early(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(**MIDDLE)
    page = visit(serve(project.folder), page="train")
    page.locator("#train-start").click()
    until(lambda: epochs(page) >= 1, TRAINS)
    page.locator("#train-finish").click()
    titled(page, "train", "Trained", TRAINS)
    assert epochs(page) < MIDDLE["freeze_epochs"]
    until(lambda: project.run and project.run.status == "completed")
