"""The app in every mode, started once for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from core.recipe import Recipe
from core.runs.run import Run
from core.runs.train import train
from tests.app.running import OTHER, PASSWORD, SPACE, USER, App, answers, begin, photos, tiny, zipped


def pytest_itemcollected(item: pytest.Item) -> None:
    """An app on a busy machine: what fails is tried twice more, and fails if it never goes."""
    item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a tiny network, one of whose labels is a piece of HTML; the owner's."""
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = tmp_path_factory.mktemp("owner")
    (folder / "photos.zip").write_bytes(zipped(photos()))
    source = {"name": "zip", "path": str(folder / "photos.zip")}
    run = Run.create(Recipe.from_dict(tiny(source, epochs=4)), folder / "workspace")
    for _ in train(run):
        pass
    return run


@pytest.fixture(scope="session")
def apps(model: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, App]]:
    """The app in every mode, all started at once."""
    folder = tmp_path_factory.mktemp("apps")
    space = {**SPACE, "SPACE_HOST": "someone-presize.hf.space,presize.example"}
    running = {
        "local": begin(model.workspace),
        "shared": begin(model.workspace, ["--auth", USER], {"PRESIZE_AUTH": PASSWORD}),
        "served": begin(folder / "served", ["--model", str(model.folder)], host=OTHER),
        "space": begin(folder / "space", (), space),
    }
    try:
        yield {mode: answers(app) for mode, app in running.items()}
    finally:
        for app in running.values():
            app.stop()
        for app in running.values():
            app.end()


@pytest.fixture(scope="session")
def local(apps: dict[str, App]) -> App:
    """For the owner of the computer; there is one trained run."""
    return apps["local"]


@pytest.fixture(scope="session")
def shared(apps: dict[str, App]) -> App:
    """For visitors with the password, on the same workspace."""
    return apps["shared"]


@pytest.fixture(scope="session")
def served(apps: dict[str, App]) -> App:
    """Predictions alone."""
    return apps["served"]


@pytest.fixture(scope="session")
def space(apps: dict[str, App]) -> App:
    """As on a Space."""
    return apps["space"]
