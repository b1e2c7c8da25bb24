"""A plugin in one file, of each kind, lies in plugins/KIND/ and is in every place that the README promises."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from app import build
from core import discovery
from core.__main__ import main
from core.as_python import as_python
from core.model.folder import load_model
from core.recipe import Recipe
from core.registry import losses, metrics, registries, transforms
from core.runs.run import Run
from core.runs.train import train
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.form import chooser

WRITTEN = Path(__file__).parent
FILES = {file.stem: file.parent.name for file in sorted(WRITTEN.glob("*/*.py"))}
ARCHITECTURE = {"name": "dinov2", "pretrained": False, "blocks": 1}
CHOICES = {
    "architectures": ARCHITECTURE,
    "sources": {"name": "webcam", "newest": 21},
    "transforms": {"name": "resize_mix", "largest": 0.5},
    "metrics": {"name": "f_beta", "beta": 3},
    "losses": {"name": "poly", "epsilon": 2},
}


@pytest.fixture(scope="module", autouse=True)
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The files beside ours, in a folder of plugins that is not ours; afterwards they are forgotten."""
    folder = tmp_path_factory.mktemp("dropped") / "plugins"
    shutil.copytree(discovery.PLUGINS, folder, ignore=shutil.ignore_patterns("kit", "__pycache__"))
    for name, kind in FILES.items():
        shutil.copy(WRITTEN / kind / f"{name}.py", folder / kind)
    plugins = importlib.import_module("plugins")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "PLUGINS", folder)
        for kind in set(FILES.values()):
            package = importlib.import_module(f"plugins.{kind}")
            patch.setattr(package, "__path__", [*package.__path__, str(folder / kind)])
        patch.setattr(discovery, "_discover", discovery._discover.__wrapped__)  # not the remembered answer
        importlib.reload(plugins)
        yield
    for name, kind in FILES.items():
        registries[kind].discard(f"plugins.{kind}.{name}")
        sys.modules.pop(f"plugins.{kind}.{name}", None)
        delattr(sys.modules[f"plugins.{kind}"], name)
    for word in plugins.__all__:
        delattr(plugins, word)
    importlib.reload(plugins)


@pytest.fixture(scope="module")
def document(photos: Path, recipe_dict: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A recipe with a plugin of each kind, for the drawn photos."""
    augment = [{"name": "aug_transforms", "size": 28}, CHOICES["transforms"]]
    training = {"epochs": 2, "freeze_epochs": 0, "loss": CHOICES["losses"], "metrics": [CHOICES["metrics"]]}
    source = CHOICES["sources"] | {"path": str(photos)}
    return recipe_dict(training | {"best_by": "f_beta"}, source=source, batch_tfms=augment, architecture=ARCHITECTURE)


@pytest.fixture(scope="module")
def run(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """That recipe, trained."""
    made = Run.create(Recipe.from_dict(document), tmp_path_factory.mktemp("trained"))
    for _ in train(made):
        pass
    return made


def test_the_files_are_short() -> None:
    assert set(FILES.values()) == set(CHOICES)
    for name, kind in FILES.items():
        assert len((WRITTEN / kind / f"{name}.py").read_text().splitlines()) < 40


def test_they_are_listed_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    listed = capsys.readouterr().out
    assert "not loaded" not in listed
    for name, kind in FILES.items():
        entry = registries[kind][name]
        assert f"  {name:<22} {entry.help}  [plugins.{kind}.{name}]\n" in listed
        for param in entry.params:
            assert f"      {param.name}: " in listed and param.help in listed


@pytest.mark.parametrize("kind", ["architectures", "transforms", "metrics", "losses"])
def test_a_form_has_their_options(kind: str) -> None:
    choice = CHOICES[kind]
    drawn = str(chooser(registries[kind], choice, "here", "Label"))
    assert f'<option value="{choice["name"]}" selected>' in drawn
    for param in registries[kind][choice["name"]].params:
        assert f'name="here.{param.name}"' in drawn and param.help.replace("'", "&#39;") in drawn


def test_the_source_has_a_tab(tmp_path: Path) -> None:
    shown = [component["props"] for component in build(Mode("local", tmp_path)).config["components"]]
    assert "Webcam folder" in [props.get("label") for props in shown]
    fields = {props.get("elem_id"): props for props in shown}
    assert fields["data-webcam-newest"]["info"] == "Number of newest pictures to use; 0: all"
    assert "data-webcam-path" in fields and "a folder named webcam" in fields["data-path"]["label"]


def test_the_source_is_proposed(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(photos, tmp_path / "Webcam")
    assert main(["new", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == {"name": "webcam", "path": str(folder)}


def test_a_recipe_trains_with_them(run: Run, document: dict[str, Any]) -> None:
    events = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    epochs = [event for event in events if "f_beta" in (event.get("metrics") or {})]
    assert len(epochs) >= 2 and all(0 <= event["metrics"]["f_beta"] <= 1 for event in epochs)
    splits = json.loads((run.folder / "splits.json").read_text())
    assert json.loads((run.folder / "recipe.json").read_text())["training"]["loss"] == document["training"]["loss"]
    assert sum(len(splits[side]) for side in ("train", "valid")) == 21, "the newest"
    model = load_model(run.folder).architecture.model
    assert len(model.blocks) == 1 and model.patch_embed.img_size == (28, 28), "the size of the last transform"


def test_the_card_says_them_and_its_line_for_timm_works(run: Run) -> None:
    card = (run.folder / "README.md").read_text(encoding="utf-8")
    assert "`dinov2` (timm's `vit_small_patch14_dinov2`)" in card and "chosen by its f_beta" in card
    for choice in CHOICES.values():
        assert f'"name": "{choice["name"]}"' in card
    assert 'timm.create_model("local-dir:this_folder", pretrained=True)' in card
    theirs = timm.create_model(f"local-dir:{run.folder}", pretrained=True).eval()
    images = torch.rand(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = load_model(run.folder)
        torch.testing.assert_close(theirs(images), ours.logits(images) * ours.temperature)


def test_the_python_of_a_recipe_names_them_and_runs(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = as_python(Recipe.from_dict(document))
    for said in ("dinov2,", "blocks=1", "ResizeMix(largest=0.5)", "Poly(dls.class_counts, epsilon=2)", '"webcam"'):
        assert said in code
    assert "partial(f_beta, beta=3)" in code
    monkeypatch.chdir(tmp_path)
    words: dict[str, Any] = {}
    exec(code.rpartition("learn.fine_tune")[0], words)
    assert len(words["learn"].dls.train.items) + len(words["learn"].dls.valid.items) == 21
    assert len(words["learn"].task.architecture.model.blocks) == 1


def test_the_metric_is_that_of_scikit_learn() -> None:
    outputs = torch.eye(3)[[0, 2, 1, 0, 0, 1]]  # the example in the documentation of its fbeta_score
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    assert metrics.create("f_beta", outputs, targets, beta=0.5) == pytest.approx(5 / 21)
    random = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    for few in (torch.arange(50) % 3, torch.arange(50) % 2):  # of these classes some are guessed, but not there
        assert metrics.create("f_beta", random, few, beta=1) == pytest.approx(metrics.create("f1_macro", random, few))


def test_the_loss_without_its_term_is_torchs() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 1, 2, 2, 1, 0])
    torch.testing.assert_close(
        losses.create("poly", epsilon=0)(logits, targets), torch.nn.functional.cross_entropy(logits, targets)
    )


def test_the_mix_is_the_share_of_the_area() -> None:
    from random import Random

    images = torch.stack([torch.zeros(3, 20, 30), torch.ones(3, 20, 30)])
    mix, targets = transforms.create("resize_mix"), torch.eye(2)
    for seed in range(10):
        mixed, soft = mix.apply(images, targets, mix.draw(2, (20, 30), Random(seed)))
        torch.testing.assert_close(mixed.mean((1, 2, 3)), soft[:, 1])
