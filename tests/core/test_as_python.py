"""A recipe in Python: it runs, and makes what a run of the recipe makes."""

from __future__ import annotations

import ast
import csv
import inspect
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from core.as_python import as_python
from core.data.block import DataBlock
from core.data.check import examine
from core.data.content import digest
from core.data.files import get_image_files
from core.data.journal import Journal
from core.errors import BadInput
from core.events import drain
from core.model.folder import load_model
from core.recipe import TRAINING, Recipe, Training
from core.registry import (
    Param,
    Registry,
    architectures,
    labellers,
    losses,
    metrics,
    optimizers,
    registries,
    sources,
    splitters,
    transforms,
)
from core.runs.plan import learner_of
from core.runs.run import Run
from core.runs.train import train
from core.training.learner import Learner
from core.training.metrics import higher_is_better
from core.training.vision_learner import vision_learner
from tests.matrix import thinned

WORKSPACE = Path("workspace")
SMALL = {"name": "timm", "model": "test_resnet", "pretrained": False}
REGEX = {"name": "regex", "pattern": r"(.+)_\d+\.jpg$"}
RESIZE = {"name": "resize", "size": 40}
KINDS = {"source": sources, "labeller": labellers, "splitter": splitters, "architecture": architectures}
HOSTILE = [
    '"); import os; os.system("x")#',
    "'); import os; os.system('x')#",
    """both " and ' of them""",
    '"""',
    "a\nimport os\r\n\x0b\x0c\x1c\u2028\u2029\x85b",
    "ends in \\",
    'C:\\new\\"folder"',
    r"{x!r} %s \N{BULLET} \x41",
    "\ud800 \u202e \x00 \ufeff é 猫",
    " ",
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, draw_photos: Callable[..., Path]) -> Path:
    """Photos that suit every labeller and splitter, with a table and a list; and a zip of other names, made safe."""
    root = tmp_path_factory.mktemp("tree")
    for side, count in (("train", 3), ("valid", 2)):
        for colour in ("red", "blue"):
            draw_photos(root / "photos" / side / colour, count, seed=count, colours=(colour,))
    with zipfile.ZipFile(root / "zip.zip", "w") as archive, (root / "table.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(("photo", "colour"))
        for file in get_image_files(root / "photos"):
            name = file.relative_to(root / "photos").as_posix()
            archive.write(file, name.replace("red", "r:e?d"))
            rows.writerows({(name, file.parent.name), (name.replace("red", "r:e?d"), file.parent.name)})
    (root / "folder.txt").write_text("valid/red/red_1.jpg\nblue_2.jpg\n")
    (root / "zip.txt").write_text("valid/r:e?d/r:e?d_1.jpg\nblue_2.jpg\n")
    return root


@pytest.fixture
def recipe_of(tree: Path) -> Callable[..., Recipe]:
    """A small recipe on those photos; keywords replace its keys, `training` is merged."""

    def make(training: dict[str, Any] | None = None, **keys: Any) -> Recipe:
        document = {
            "version": 3,
            "source": {"name": "folder", "path": str(tree / "photos")},
            "labeller": REGEX,
            "splitter": {"name": "stratified", "seed": 42},
            "item_tfms": [RESIZE],
            "batch_tfms": [{"name": "aug_transforms", "size": 32, "min_scale": 0.75}],
            "architecture": SMALL,
        }
        quick = {"epochs": 0, "freeze_epochs": 0, "batch_size": 5}
        return Recipe.from_dict(document | keys | {"training": quick | (training or {})})

    return make


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own, since the code works in ./workspace."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def executed(recipe: Recipe, corrected: bool = False) -> dict[str, Any]:
    words: dict[str, Any] = {}
    exec(compile(as_python(recipe, corrected), "notebook", "exec"), words)
    return words


def of_a_run(recipe: Recipe) -> Learner:
    return learner_of(recipe, drain(examine(recipe, WORKSPACE)).split)


def described(tfms: Sequence[Any]) -> list[Any]:
    return [(type(t), vars(t)) for t in tfms]


def plain_values(module: torch.nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if isinstance(value, (str, float))}


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, its = one.state_dict(), other.state_dict()
    return mine.keys() == its.keys() and all(torch.equal(mine[key], its[key]) for key in mine)


def assert_as_in_a_run(recipe: Recipe, corrected: bool = False) -> Learner:
    """Run the code, which trains no epoch, and compare what it leaves with what a run begins with."""
    made, run = executed(recipe, corrected)["learn"], of_a_run(recipe)
    assert isinstance(made, Learner) and made.dls.vocab == run.dls.vocab
    for mine, its in ((made.dls.train, run.dls.train), (made.dls.valid, run.dls.valid)):
        assert (mine.items, mine.targets) == (its.items, its.targets)
        assert (mine.seed, mine.batch_size) == (its.seed, its.batch_size)
        assert (mine.pipeline.size, mine.pipeline.views) == (its.pipeline.size, its.pipeline.views)
        assert described(mine.pipeline.geometric) == described(its.pipeline.geometric)
        assert described(mine.pipeline.pixel) == described(its.pipeline.pixel)
        assert described(mine.pipeline.with_targets) == described(its.pipeline.with_targets)
        for one, other in zip(next(mine.batches(0)), next(its.batches(0)), strict=True):
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    assert equal(made.model, run.model) and equal(made.task.loss, run.task.loss)
    assert type(made.task.loss) is type(run.task.loss)
    assert plain_values(made.task.loss) == plain_values(run.task.loss)
    for option in ("train_bn", "micro_batch", "ema", "weight_decay"):
        assert getattr(made.task, option) == getattr(run.task, option), option
    for option in ("metrics", "opt_func"):
        assert repr(getattr(made.task, option)) == repr(getattr(run.task, option)), option
    assert made.choice == {"pretrained": True, **run.choice}
    return made


def test_it_reads_like_the_book() -> None:
    document = {
        "version": 3,
        "source": {"name": "folder", "path": "/photos"},
        "labeller": REGEX | {"pattern": r"^(.+)_\d+\.jpg$", "part": "name"},
        "splitter": {"name": "random", "valid_pct": 0.25, "seed": 42},
        "item_tfms": [{"name": "resize", "size": 256, "method": "crop"}],
        "batch_tfms": [{"name": "aug_transforms", "size": [192, 128], "min_scale": 0.75, "mult": 1}],
        "architecture": {"name": "efficientnet_lite0", "pretrained": True},
        "training": {"epochs": 10, "freeze_epochs": 8, "batch_size": 16, "base_lr": 0.002, "metrics": ["error_rate"]},
    }
    assert (
        as_python(Recipe.from_dict(document))
        == r"""import torch

from core import *
from plugins import *

block = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_items=get_image_files,
    splitter=RandomSplitter(valid_pct=0.25, seed=42),
    get_y=RegexLabeller(pattern=r"^(.+)_\d+\.jpg$"),
    item_tfms=[Resize(size=256)],
    batch_tfms=aug_transforms(size=[192, 128], min_scale=0.75),
)
dls = block.dataloaders("/photos", bs=16)
torch.manual_seed(0)  # the same initial weights of the head as in a run
learn = vision_learner(dls, efficientnet_lite0, metrics=[error_rate])
learn.fine_tune(10, base_lr=0.002, freeze_epochs=8)
"""
    )


def with_defaults(registry: Registry[Any], given: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A choice of each plugin that needs no option but those given."""
    choices = [{"name": e.name, **given.get(e.name, {})} for e in registry if e.name != "pets"]  # which downloads
    return [c for c in choices if not [p for p in registry[c["name"]].params if p.required and p.name not in c]]


LABELLERS = [
    choice
    for choice in with_defaults(labellers, {"csv": {"path": "TREE/table.csv"}})
    if choice["name"] != "by_hand"  # whose labels are not in the recipe
]
SPLITTERS = with_defaults(
    splitters, {"random": {"seed": 1}, "stratified": {"seed": 1}, "file": {"path": "TREE/SOURCE.txt"}}
)
SOURCES = with_defaults(
    sources, {"folder": {"path": "TREE/photos"}, "zip": {"path": "TREE/zip.zip"}, "sample": {"count": 2, "seed": 3}}
)


def named(choice: Any) -> str:
    return choice["name"] if isinstance(choice, dict) else str(choice)


@pytest.mark.parametrize("source", [s for s in SOURCES if s["name"] in ("folder", "zip")], ids=named)
@pytest.mark.parametrize("labeller", [REGEX, {"name": "by_hand"}], ids=named)
def test_what_people_said_is_read_from_the_journal(
    recipe_of: Callable[..., Recipe], tree: Path, source: dict[str, Any], labeller: dict[str, Any]
) -> None:
    path = source["path"].replace("TREE", str(tree))
    said, photos = Journal(WORKSPACE), get_image_files(tree / "photos")
    said.label(map(digest, photos[::2]), "green")
    said.label(map(digest, photos[1:8:2]), "pink")
    said.rename("green", "leaf")
    said.leave_out([digest(photos[0])])
    learn = assert_as_in_a_run(recipe_of(source=source | {"path": path}, labeller=labeller), corrected=True)
    assert {"leaf", "pink"} <= set(learn.dls.vocab)


@pytest.mark.parametrize("source", [s for s in SOURCES if s["name"] in ("folder", "zip")], ids=named)
@pytest.mark.parametrize("plugin", [*LABELLERS, *SPLITTERS], ids=named)
def test_each_labeller_and_splitter(
    recipe_of: Callable[..., Recipe], tree: Path, source: dict[str, Any], plugin: dict[str, Any]
) -> None:
    def placed(choice: dict[str, Any]) -> dict[str, Any]:
        texts = {k: v.replace("TREE", str(tree)) for k, v in choice.items() if isinstance(v, str)}
        return choice | {k: v.replace("SOURCE", source["name"]) for k, v in texts.items()}

    learn = assert_as_in_a_run(
        recipe_of(source=placed(source), **{"labeller" if plugin in LABELLERS else "splitter": placed(plugin)})
    )
    if (source["name"], plugin["name"]) == ("zip", "folder"):
        assert learn.dls.vocab == ["blue", "r:e?d"], "as in the zip, not as unpacked"


@pytest.mark.parametrize("source", [s for s in SOURCES if s["name"] not in ("folder", "zip")], ids=named)
def test_each_other_source(recipe_of: Callable[..., Recipe], source: dict[str, Any]) -> None:
    assert_as_in_a_run(recipe_of(source=source))


@pytest.mark.parametrize("choice", with_defaults(transforms, {}), ids=named)
def test_each_transform(recipe_of: Callable[..., Recipe], choice: dict[str, Any]) -> None:
    assert_as_in_a_run(recipe_of(item_tfms=[RESIZE, choice], batch_tfms=[]))
    assert_as_in_a_run(recipe_of(batch_tfms=[choice]))


@pytest.mark.parametrize(
    "choice", [SMALL, SMALL | {"head": "concat"}, {"name": "efficientnet_lite0", "pretrained": False}], ids=named
)
def test_an_architecture_begins_with_the_same_weights(recipe_of: Callable[..., Recipe], choice: dict[str, Any]) -> None:
    assert_as_in_a_run(recipe_of({"seed": 7}, architecture=choice))


@pytest.mark.parametrize("entry", list(architectures), ids=lambda e: e.name)
def test_each_architecture_is_called_with_its_options(recipe_of: Callable[..., Recipe], entry: Any) -> None:
    choice = {"name": entry.name} | {p.name: "test_resnet" for p in entry.params if p.required}
    (call,) = calls(as_python(recipe_of(architecture=choice | {"pretrained": False})), "vision_learner")
    assert ast.unparse(call.args[1]) == entry.factory.__name__
    written = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg in {p.name for p in entry.params}}
    assert written == {k: v for k, v in choice.items() if k != "name"} | {"pretrained": False}


def calls(text: str, function: str) -> list[ast.Call]:
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [call for call in found if ast.unparse(call.func) == function]


OTHER: dict[str, Any] = {
    "epochs": 2, "freeze_epochs": 3, "base_lr": 0.02, "lr_mult": 10, "batch_size": 3, "micro_batch": 2,
    "optimizer": {"name": "sgd", "weight_decay": 0.1}, "ema": 0, "train_bn": True,
    "loss": {"name": "cross_entropy", "label_smoothing": 0.1, "class_weights": "balanced"},
    "metrics": ["accuracy", {"name": "top_k_accuracy", "k": 3}],
    "best_by": "last", "patience": 4, "bad_photos": "stop", "seed": 5,
    "device": "cpu", "precision": "bf16", "compile": True, "resident": 0.5, "frozen_stages": 2,
    "features": False,
}  # fmt: skip


def test_all_options_of_training_together(recipe_of: Callable[..., Recipe]) -> None:
    made = assert_as_in_a_run(recipe_of(OTHER | {"epochs": 0, "freeze_epochs": 0}))
    assert list(made.task.metrics) == ["accuracy", "top_k_accuracy"]
    assert_as_in_a_run(recipe_of({"loss": {"name": "cross_entropy", "label_smoothing": 0.2}, "metrics": []}))


@pytest.mark.parametrize("kind", ["loss", "optimizer", "metrics"])
def test_each_loss_optimizer_and_metric(recipe_of: Callable[..., Recipe], kind: str) -> None:
    """By name and with an option that is not its default."""
    registry = {"loss": losses, "optimizer": optimizers, "metrics": metrics}[kind]
    for entry in registry:
        number = next((p for p in entry.params if p.range is not None), None)
        choices = [{"name": entry.name}, *([{"name": entry.name, number.name: number.range.high}] if number else [])]
        for choice in choices:
            assert_as_in_a_run(recipe_of({kind: [choice] if kind == "metrics" else choice}))


@pytest.mark.parametrize("option", TRAINING, ids=lambda p: p.name)
def test_each_option_of_training_shows(recipe_of: Callable[..., Recipe], option: Param) -> None:
    usual = recipe_of({"epochs": 3, "freeze_epochs": 1, "batch_size": 64})
    text = as_python(Recipe.from_dict(usual.to_dict() | {"training": {option.name: OTHER[option.name]}}))
    assert usual.training == Training() and text != as_python(usual)


def test_what_runs_alone_do_is_a_comment(recipe_of: Callable[..., Recipe]) -> None:
    comments = [line for line in as_python(recipe_of(OTHER)).splitlines() if line.startswith("#")]
    options = 'best_by="last", patience=4, bad_photos="stop"'
    assert comments == [f"# Only runs have {options}; this learner keeps the model of the last step."]
    assert "\n#" not in as_python(recipe_of())


def test_it_trains_to_the_weights_of_a_run(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of({"epochs": 1, "freeze_epochs": 1, "base_lr": 0.02, "best_by": "last", "seed": 3})
    run = Run.create(recipe, WORKSPACE)
    for _ in train(run):
        pass
    trained = executed(recipe)["learn"]
    assert len(trained.recorder.epochs) == 2
    assert equal(load_model(run.folder).architecture.model, trained.model)


def test_defaults_of_the_calls_are_those_of_the_recipe() -> None:
    for function, names in (
        (DataBlock.dataloaders, {"bs": "batch_size", "seed": "seed"}),
        (vision_learner, {n: n for n in ("train_bn", "micro_batch", "ema", "precision", "compile")}),
        (Learner.fine_tune, {n: n for n in ("epochs", "base_lr", "freeze_epochs", "lr_mult", "features")}),
    ):
        for name, option in names.items():
            assert inspect.signature(function).parameters[name].default == getattr(Training, option)


def texts(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def shape(text: str) -> str:
    """The code, with every text in it blank."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


TEXTS = [
    (key, entry.name, p.name)
    for key, registry in KINDS.items()
    for entry in registry
    for p in entry.params
    if p.type is str
]
ALWAYS = {(place, HOSTILE[2]) for place in TEXTS} | {(("labeller", "regex", "pattern"), text) for text in HOSTILE}


@pytest.mark.parametrize(
    ("place", "text"),
    thinned(product(TEXTS, HOSTILE), ALWAYS.__contains__, lambda case: f"{'-'.join(case[0])}-{HOSTILE.index(case[1])}"),
)
def test_a_text_stays_a_text(recipe_of: Callable[..., Recipe], place: tuple[str, str, str], text: str) -> None:
    key, name, option = place
    required = {p.name: "x" for p in KINDS[key][name].params if p.required}
    if (key, name) == ("source", "folder") and not text.strip():
        pytest.skip("is refused")
    harmless, hostile = (
        as_python(recipe_of(**{key: {"name": name} | required | {option: t}})) for t in ("harmless", text)
    )
    assert shape(hostile) == shape(harmless)
    assert texts(ast.parse(hostile)) == [text if t == "harmless" else t for t in texts(ast.parse(harmless))]
    assert hostile.replace("\n", "").isprintable(), "nothing that a reader cannot see"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_neither_training_nor_a_name_becomes_code(recipe_of: Callable[..., Recipe], text: str) -> None:
    unchecked = recipe_of()
    object.__setattr__(unchecked.training, "best_by", text)  # as if nobody had checked it
    assert shape(as_python(unchecked)) == shape(as_python(recipe_of()))
    for option in ("loss", "optimizer", "metrics"):
        for choice in ({"name": text}, {"name": "accuracy", text: 1}):
            unchecked = recipe_of()
            object.__setattr__(unchecked.training, option, [choice] if option == "metrics" else choice)
            with pytest.raises(BadInput):
                as_python(unchecked)
    for key in KINDS:
        for choice in ({"name": text}, getattr(recipe_of(), key) | {text: 1}):
            recipe = recipe_of()
            object.__setattr__(recipe, key, choice)
            with pytest.raises(BadInput):
                as_python(recipe)


@pytest.mark.parametrize("word", ["exit", "Learner", "learn"])
def test_a_word_that_is_no_metric_is_refused(recipe_of: Callable[..., Recipe], word: str) -> None:
    unchecked = recipe_of()
    object.__setattr__(unchecked.training, "metrics", (word,))
    with pytest.raises(BadInput, match=f"There is no '{word}' among the metrics"):
        as_python(unchecked)


class Elsewhere:
    """A source whose photos had other names; that the object alone knows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.original = lambda p: p.with_name(p.name.replace("red", "RED"))

    def __call__(self) -> list[Path]:
        return get_image_files(self.root)


class Stranger:
    def __init__(self, any: Any = ()) -> None:
        pass

    def __call__(self, path: Path) -> str:
        return path.name[:3]


class EveryThird:
    def __call__(self, items: Sequence[Path]) -> tuple[list[int], list[int]]:
        order = sorted(range(len(items)), key=lambda i: (items[i].name, i))
        return [i for n, i in enumerate(order) if n % 3], order[::3]


@pytest.fixture
def strangers() -> Iterator[None]:
    """Plugins that `from plugins import *` has no words for."""

    def elsewhere(workspace: Path, /, path: str) -> Elsewhere:
        return Elsewhere(Path(path))

    def small(classes: int, /, pretrained: bool = False) -> Any:
        return architectures.create("timm", classes, model="test_resnet", pretrained=pretrained)

    sources.register("stranger")(elsewhere)
    labellers.register("stranger")(Stranger)
    splitters.register("stranger")(EveryThird)
    architectures.register("stranger")(small)
    losses.register("stranger")(
        lambda class_counts, /, scale=1.0: torch.nn.CrossEntropyLoss(label_smoothing=scale / 10)
    )
    metrics.register("stranger")(higher_is_better(lambda outputs, targets, /: 1.0))
    optimizers.register("stranger")(lambda groups, /, rho=0.9: torch.optim.Adadelta(groups, rho=rho))
    yield
    for registry in registries.values():
        registry.discard(__name__)


def test_plugins_without_a_word_are_created_by_name(
    recipe_of: Callable[..., Recipe], tree: Path, strangers: None
) -> None:
    stranger = {"name": "stranger"}
    source = stranger | {"path": str(tree / "photos")}
    learn = assert_as_in_a_run(
        recipe_of(
            {"loss": stranger, "optimizer": stranger, "metrics": [stranger]},
            source=source,
            labeller=stranger,
            splitter=stranger,
            architecture=stranger | {"pretrained": False},
        )
    )
    assert learn.dls.vocab == ["RED", "blu"]
    text = as_python(recipe_of(architecture=stranger))
    assert 'vision_learner(dls, "stranger", pretrained=False' in text, "its own default, which vision_learner has not"


def test_a_number_that_is_none_stays_one(recipe_of: Callable[..., Recipe], strangers: None) -> None:
    values = [float("nan"), [float("-inf"), 1e-7], True, None, {"a": "x\\"}]
    (call,) = calls(as_python(recipe_of(labeller={"name": "stranger", "any": values})), "labellers.create")
    assert repr(eval(ast.unparse(call.keywords[0].value))) == repr(values)


def test_a_folder_below_home_is_found_as_in_a_run(
    recipe_of: Callable[..., Recipe], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tree))
    assert_as_in_a_run(recipe_of(source={"name": "folder", "path": "~/photos"}))
