"""The card says what is true of its model, its front matter is the Hub's, and its lines of code do what they say."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import EvalResult, ModelCard
from markdown_it import MarkdownIt
from PIL import Image, ImageCms

from core.atomic import write_atomic
from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.events import EpochEnded, RunEnded
from core.model.calibration import Calibration
from core.model.folder import load_model
from core.publish.hub import Hub
from core.publish.model_files import model_files
from core.recipe import Recipe
from core.registry import registries, transforms
from core.runs.card import Trained, card, hub_card
from core.runs.run import Run
from core.runs.train import train
from core.runs.without_paths import without_paths
from core.training.best import Best
from core.training.interpretation import ClassificationInterpretation
from core.training.learner import Learner
from core.training.validate import Outputs, predict
from core.training.vision_learner import vision_learner
from tests.core.data.test_colours import P3

MakeRecipe = Callable[..., dict[str, Any]]
MakeLoaders = Callable[..., DataLoaders]
MakeCard = Callable[..., dict[str, Any]]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
CONCAT = TINY | {"head": "concat"}
STRANGE = [
    "a|b", "c\nd: *e*", "<img src=x>", "`tick` [x](y)", "_one_ two_three __f", '"quoted": - #', "猫 &amp; ~~co~~",
    "\\n", "caf\udce9",
]  # fmt: skip
EPOCHS = [EpochEnded(n, 1 / (n + 1), 2 / (n + 1), {"error_rate": 0.5 / (n + 1)}, 1.0) for n in range(3)]


def text_of(run: Run) -> str:
    return (run.folder / "README.md").read_text(encoding="utf-8")


def run_all(document: dict[str, Any], workspace: Path) -> Run:
    run = Run.create(Recipe.from_dict(document), workspace)
    for _ in train(run):
        pass
    return run


def executed(text: str, photo: Path, folder: Path | None = None) -> list[dict[str, Any]]:
    """The names that each block of Python in a card leaves, run as it stands but for the folder and the photo."""
    found = []
    for code in re.findall(r"```python\n(.+?)```", text, re.DOTALL):
        assert code.count('"photo.jpg"') == 1 and ("this_folder" in code) == (folder is not None)
        names: dict[str, Any] = {}
        exec(code.replace("this_folder", str(folder)).replace("photo.jpg", str(photo)), names)
        found.append(names)
    return found


@pytest.fixture(scope="module")
def concat(recipe_dict: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with fastai's head."""
    return run_all(recipe_dict(architecture=CONCAT), tmp_path_factory.mktemp("concat"))


@pytest.fixture
def make_card(recipe_dict: MakeRecipe, make_loaders: MakeLoaders) -> MakeCard:
    """The files of a card: two of every ten photos of a class are taken for the class before it."""
    learner = vision_learner(make_loaders(), "timm", pretrained=False, model="test_resnet")

    def make(
        vocab: list[str],
        epochs: list[EpochEnded] = EPOCHS,
        pretrained: bool = False,
        timm: str | None = "test_resnet",
        **keys: Any,
    ) -> dict[str, Any]:
        targets = torch.arange(len(vocab)).repeat(10)
        predicted = torch.where(torch.arange(len(targets)) < 2 * len(vocab), (targets - 1) % len(vocab), targets)
        logits = torch.nn.functional.one_hot(predicted, len(vocab)).float()
        results = ClassificationInterpretation(logits, targets, [Path("x.jpg")] * len(targets), vocab)
        best = Best("unfrozen", 2, 0.2, 0.5, {}, Outputs(logits, targets, list(range(len(targets)))))
        learner.task.architecture.pretrained, learner.task.architecture.timm = pretrained, timm
        recipe = Recipe.from_dict(recipe_dict(**keys))
        return card(Trained(recipe, learner, best, epochs, results, Calibration()))

    return make


def test_the_front_matter_is_the_hubs(trained: Run) -> None:
    end = trained.last_event
    assert isinstance(end, RunEnded)
    data = ModelCard.load(trained.folder / "README.md").data
    assert data.eval_results == [
        EvalResult(
            "image-classification", "image-folder", "own photos", "accuracy",
            round(end.metrics["accuracy"], 4), dataset_split="validation",
        )
    ]  # fmt: skip
    known = data.to_dict()
    assert known.pop("model-index")[0]["name"] == "efficientnet_lite0"
    assert known == {
        "library_name": "timm",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "timm", "presize"],
        "metrics": ["accuracy"],
    }  # no license, and no base model: the weights are those of a pip package


@pytest.mark.parametrize(
    ("architecture", "pretrained", "base"),
    [
        (TINY, True, "timm/test_resnet.r160_in1k"),  # as if its weights had been downloaded
        (TINY, False, None),
        ({"name": "resnet18"}, True, None),  # torchvision's
    ],
)
def test_a_base_model_is_named_where_it_is_known(
    make_card: MakeCard, architecture: dict[str, Any], pretrained: bool, base: str | None
) -> None:
    text = make_card(["a", "b"], pretrained=pretrained, architecture=architecture)["README.md"]
    data = ModelCard(text).data.to_dict()
    assert data.get("base_model") == base
    assert data.get("base_model_relation") == ("finetune" if base else None)
    assert ("random weights" in text) == (not pretrained)


def test_the_tag_of_the_weights_is_told(make_card: MakeCard) -> None:
    name = "test_resnet.r160_in1k"
    text = make_card(["a", "b"], pretrained=True, timm=name, architecture=TINY | {"model": name})["README.md"]
    assert f"Network: `{name}`" in text and ModelCard(text).data.to_dict()["base_model"] == f"timm/{name}"


def test_only_what_timm_loads_is_called_timms(make_card: MakeCard, concat: Run) -> None:
    """The Hub shows under a model how the library that it names would load it in one line."""
    own = make_card(["a", "b"], timm=None)["README.md"]
    assert own.count("```python") == 1 and "It cannot be used without Presize" in own
    assert ModelCard(own).data.to_dict()["tags"] == ["image-classification", "presize"]
    assert ModelCard(own).data.to_dict()["library_name"] == "presize"
    assert ModelCard(text_of(concat)).data.to_dict()["library_name"] == "presize"


def test_it_says_how_good_the_model_is_and_on_what(trained: Run) -> None:
    end, text = trained.last_event, text_of(trained)
    assert isinstance(end, RunEnded)
    accuracy, low, high = (end.metrics[name] for name in ("accuracy", "low", "high"))
    assert f"**{accuracy:.3f} (95 % interval {low:.3f} to {high:.3f})**" in text
    assert "20 photos for training and 4 others for validation" in text
    assert "splitter was `random`, seed `42`: Uses a random share of all photos" in text
    assert "none was given, so nobody may assume one" in text
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| (blue|green|red) ", line)]
    splits = json.loads((trained.folder / "splits.json").read_text())
    for (cell, training, validation, *_), colour in zip(rows, ("blue", "green", "red"), strict=True):
        assert cell == f"| {colour}"
        counts = [sum(name.startswith(colour) for name in splits[side]) for side in ("train", "valid")]
        assert [int(training), int(validation)] == counts


def test_names_of_any_kind_are_shown_as_they_are(make_card: MakeCard, tmp_path: Path) -> None:
    files = make_card(STRANGE)
    text = files["README.md"]
    shown = [" ".join(name.split()) for name in STRANGE]
    tokens = MarkdownIt("commonmark").enable("table").parse(ModelCard(text).text)
    cells = [tokens[i + 1] for i, token in enumerate(tokens) if token.type == "td_open"]
    first = [cell.children for cell in cells[::6]]
    assert all(len(children) == 1 and children[0].type == "text" for children in first)
    assert [children[0].content for children in first] == shown
    confused = [token.content for token in tokens if token.type == "inline" and " taken for " in token.content]
    assert len(confused) == 5 and r"2 of c d: \*e\* taken for a\|b" in confused
    write_atomic(tmp_path / "README.md", text)  # a name need not be UTF-8
    assert ModelCard.load(tmp_path / "README.md").data.to_dict() == ModelCard(text).data.to_dict()
    Image.open(io.BytesIO(files["confusion.png"])).verify()


def test_the_labellers_pattern_is_shown_as_it_is(make_card: MakeCard) -> None:
    pattern = r"``(.+)`_\d+ <b>\.jpg"
    text = make_card(["a", "b"], labeller={"name": "regex", "pattern": pattern})["README.md"]
    codes = [
        child.content
        for token in MarkdownIt().parse(text)
        for child in token.children or ()
        if child.type == "code_inline"
    ]
    assert pattern in codes


def test_a_license_is_only_what_was_given(trained: Run) -> None:
    text = text_of(trained)
    none, mit = (ModelCard(hub_card(text, "anna/my-pets", license)) for license in (None, "mit"))
    assert "license" not in none.data.to_dict() and "nobody may assume one" in none.text
    assert mit.data.to_dict()["license"] == "mit" and "License: `mit`." in mit.text
    assert "assume" not in mit.text
    for made in (none, mit):
        assert made.data.eval_results == ModelCard(text).data.eval_results
        assert made.data.to_dict()["model-index"][0]["name"] == "my-pets"
        assert re.findall("^# .*", made.text, re.MULTILINE) == ["# my-pets"]
        assert "this_folder" not in made.text and 'load_learner("anna/my-pets")' in made.text


@pytest.mark.parametrize("top", ["---\nlicense: [\n---\n", "---\n- a\n---\n", "---\nmodel-index: 3\n---\n"])
def test_a_front_matter_that_somebody_broke(top: str) -> None:
    with pytest.raises(BadInput, match=r"README\.md are not valid metadata"):
        hub_card(f"{top}# x\n", "anna/pets", "mit")


def test_a_card_without_front_matter_gets_one() -> None:
    assert ModelCard(hub_card("# x\n", "anna/pets", "mit")).data.to_dict() == {"license": "mit"}


@pytest.mark.parametrize("name", ["trained", "concat"])
def test_the_lines_for_a_folder_answer_as_the_engine(name: str, photos: Path, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(name)
    predictor = load_model(run.folder)
    for photo in sorted(photos.iterdir())[::5]:
        label, index, expected = predictor.predict(photo)
        own, plain = executed(text_of(run), photo, run.folder)
        assert (own["label"], own["index"], plain["label"]) == (label, index, label)
        assert torch.allclose(own["probabilities"], expected, atol=1e-6)
        assert torch.allclose(plain["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["trained", "concat"])
def test_the_lines_for_the_hub_answer_as_the_engine(
    name: str, photos: Path, signed_in: Any, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(name)
    Hub().push("anna/pets", model_files(run, "anna/pets", "mit"))
    label, _, expected = load_model(run.folder).predict(photos / "red_1.jpg")
    blocks = executed(str(ModelCard.load("anna/pets")), photos / "red_1.jpg")
    assert len(blocks) == 2
    for names in blocks:
        assert names["label"] == label and torch.allclose(names["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize("model", ["test_convnext", "test_efficientnet", "test_nfnet"])
def test_the_lines_for_other_bodies(
    model: str, make_loaders: MakeLoaders, recipe_dict: MakeRecipe, photos: Path, tmp_path: Path
) -> None:
    """timm's own heads have parts, as a norm, that remain in the body."""
    learner = vision_learner(make_loaders(), "timm", pretrained=False, model=model, head="concat")
    text = card_of(learner, recipe_dict(architecture=CONCAT | {"model": model}))
    learner.save(tmp_path)
    names = executed(text, photos / "red_1.jpg", tmp_path)[1]
    assert torch.allclose(names["probabilities"], load_model(tmp_path).predict(photos / "red_1.jpg")[2], atol=1e-5)


def card_of(learner: Learner, recipe: dict[str, Any]) -> str:
    """The card of a learner as it is."""
    found = predict(learner.task, learner.dls.valid)
    results = learner.interpretation(found, learner.dls.valid)
    best = Best("frozen", 0, 0, 0, {}, found)
    return str(card(Trained(Recipe.from_dict(recipe), learner, best, EPOCHS, results, Calibration()))["README.md"])


ZOOM = {"name": "aug_transforms", "size": 32, "min_scale": 0.75}


@pytest.mark.parametrize(
    ("resize", "batch_tfms", "words", "least", "most"),
    [
        ({"size": 40}, ZOOM, "Its probabilities are those of Presize", 0, 1e-6),
        ({"size": [40, 60]}, ZOOM | {"size": [32, 48]}, "Its probabilities are those of Presize", 0, 1e-6),
        ({"size": 40, "method": "squish"}, ZOOM, "Its probabilities are those of Presize", 0, 1e-6),
        ({"size": 40}, {"name": "random_resized_crop", "size": 32}, "are close to those of Presize", 1e-3, 0.03),
        ({"size": 40, "method": "pad"}, ZOOM, "differ from those of Presize", 0.1, 9),
        ({"size": [40, 60]}, ZOOM, "differ from those of Presize", 0.1, 9),
    ],
)  # fmt: skip
def test_what_it_says_of_timms_way_to_fit_a_photo(
    resize: dict[str, Any], batch_tfms: dict[str, Any], words: str, least: float, most: float,
    make_loaders: MakeLoaders, recipe_dict: MakeRecipe, tmp_path: Path,
) -> None:  # fmt: skip
    item_tfms = {"name": "resize", **resize}
    dls = make_loaders(transforms.build(item_tfms), transforms.build(batch_tfms))
    learner = vision_learner(dls, "timm", pretrained=False, model="test_resnet")
    text = card_of(learner, recipe_dict(item_tfms=[item_tfms], batch_tfms=[batch_tfms], architecture=TINY))
    assert words in text
    model = load_model(learner.save(tmp_path / "model"))
    differences = []
    for number, size in enumerate([(89, 60), (52, 71), (64, 64)]):
        photo = tmp_path / f"{number}.png"
        ramp = Image.linear_gradient("L").resize(size)
        exif = Image.Exif()
        exif[0x0112] = 6  # it lies on its side
        Image.merge("RGB", (ramp, Image.linear_gradient("L").rotate(90).resize(size), ramp)).save(photo, exif=exif)
        names = executed(text, photo, tmp_path / "model")[1]
        differences.append((names["prepare"](names["photo"]) - model.prepare(photo)).abs().mean().item())
    assert least <= sum(differences) / len(differences) <= most


def of_8_bits() -> Image.Image:
    """A photo with every colour and no symmetry."""
    ramp = Image.linear_gradient("L").resize((89, 60))
    return Image.merge("RGB", (ramp, Image.linear_gradient("L").rotate(90).resize((89, 60)), ramp.point(lambda v: 99)))


def deep(dtype: Any, factor: float) -> Image.Image:
    return Image.fromarray((np.asarray(of_8_bits().convert("L"), float) * factor).astype(dtype))


@pytest.mark.parametrize(
    ("photo", "kind", "saving", "same"),
    [
        *((of_8_bits().convert(mode), kind, {}, True) for kind in ("JPEG", "TIFF") for mode in ("RGB", "L", "CMYK")),
        (of_8_bits(), "WEBP", {}, True),
        (of_8_bits(), "PNG", {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}, True),
        (of_8_bits(), "PNG", {"icc_profile": P3}, False),
        (of_8_bits(), "PNG", {"transparency": of_8_bits().getpixel((40, 30))}, False),
        (deep(np.uint16, 200), "PNG", {}, False),
        (deep(np.float32, 2), "TIFF", {}, False),
    ],
)
def test_of_which_photos_the_probabilities_are_the_same(
    photo: Image.Image, kind: str, saving: dict[str, Any], same: bool,
    make_loaders: MakeLoaders, recipe_dict: MakeRecipe, tmp_path: Path,
) -> None:  # fmt: skip
    item_tfms = {"name": "resize", "size": 40}
    dls = make_loaders(transforms.build(item_tfms), transforms.build(ZOOM))
    learner = vision_learner(dls, "timm", pretrained=False, model="test_resnet")
    text = card_of(learner, recipe_dict(item_tfms=[item_tfms], batch_tfms=[ZOOM], architecture=TINY))
    for word in ("8 bits per channel", "sRGB", "16 bits and floats", "colour profiles", "transparent"):
        assert word in text
    model = load_model(learner.save(tmp_path / "model"))
    photo.save(tmp_path / "photo", kind, **saving)
    names = executed(text, tmp_path / "photo", tmp_path / "model")[1]
    assert torch.allclose(names["prepare"](names["photo"]), model.prepare(tmp_path / "photo"), atol=1e-5) == same


@pytest.mark.slow
def test_on_real_photos_timm_is_as_near_as_it_says(recipe_dict: MakeRecipe, data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "tiny_pets"
    run = run_all(
        recipe_dict(
            {"freeze_epochs": 0, "base_lr": 4e-3},
            source={"name": "folder", "path": str(folder)},
            item_tfms=transforms.defaults("item_tfms"),
            batch_tfms=transforms.defaults("batch_tfms"),
        ),
        tmp_path,
    )
    model = load_model(run.folder)
    photos = sorted(folder.glob("*.jpg"))[::3]
    expected = torch.stack([model.predict(photo)[2] for photo in photos])
    text = text_of(run)
    assert torch.allclose(_by_timm(text, photos, run.folder), expected, atol=1e-4)
    (line,) = re.findall(r"photo = ImageOps.fit.*\n", text)
    apart = (_by_timm(text.replace(line, ""), photos, run.folder) - expected).abs().amax(1)
    assert 1e-4 < apart.max() < 0.1 and apart.quantile(0.9) < 0.02 and apart.mean() < 0.01


def _by_timm(text: str, photos: list[Path], folder: Path) -> torch.Tensor:
    return torch.stack([executed(text, photo, folder)[1]["probabilities"] for photo in photos])


def test_nothing_says_where_the_photos_are(trained: Run, photos: Path) -> None:
    text = text_of(trained)
    assert str(photos) in (trained.folder / "recipe.json").read_text()
    for place in (photos, photos.parent, trained.folder, trained.workspace):
        assert str(place) not in text
    assert '"path"' not in text and photos.name not in text and trained.name not in text


@pytest.mark.parametrize(
    ("pattern", "stays"),
    [
        (r"/home/anna/pets/(.+)_\d", False),
        (r"\/home\/anna\/pets\/(.+)_\d", False),
        (r"^.*home/anna/(.+)/", False),
        (r".*home\/anna\/my\-pets\/(.+)/", False),
        (r"C:\\Users\\anna\\(.+)_", False),
        (r"~/pets/(.+)_", False),
        (r"(.+)_\d+\.\w+$", True),
        (r"/(\w+)/[^/]+$", True),
        (r"\w\d/(.+)_", True),
        (r"(?:train|valid)/(.+)/", True),
    ],
)
def test_a_pattern_may_hold_a_path(pattern: str, stays: bool) -> None:
    document = {
        "source": {"name": "zip", "path": "/home/anna/my-pets/all.zip"},
        "labeller": {"name": "regex", "pattern": pattern, "part": "path"},
        "splitter": {"name": "file", "path": "/home/anna/valid.txt"},
        "item_tfms": [{"name": "resize", "size": 40}],
    }
    assert without_paths(document) == {
        "source": {"name": "zip"},
        "labeller": {"name": "regex", "pattern": pattern if stays else "(a path, left out)", "part": "path"},
        "splitter": {"name": "file"},
        "item_tfms": [{"name": "resize", "size": 40}],
    }


def test_a_short_path_hides_no_words() -> None:
    document = {"source": {"name": "folder", "path": "/re/gex"}, "labeller": {"name": "regex", "part": "name"}}
    assert without_paths(document) == {"source": {"name": "folder"}, "labeller": {"name": "regex", "part": "name"}}


def test_every_option_that_holds_a_path_is_called_path() -> None:
    """A new plugin whose option is one by its words has to be looked at here."""
    found = {
        f"{kind} {entry.name}.{option.name}"
        for kind in ("sources", "labellers", "splitters")
        for entry in registries[kind]
        for option in entry.params
        if option.name != "path" and re.search(r"\b(file|path|zip|table|list)\b", option.help, re.IGNORECASE)
    }
    names = {"labellers csv.folder", "labellers csv.name_column", "labellers csv.tables", "splitters table.name_column"}
    encodings = {"labellers csv.encoding", "sources zip.encoding", "splitters table.encoding"}
    groups = {f"splitters group.{name}" for name in ("by", "name_column", "group_column", "pattern")}
    assert found == {"labellers regex.part", "splitters table.split_column", *names, *encodings, *groups}


def test_its_pictures(trained: Run, make_card: MakeCard) -> None:
    for name in re.findall(r"!\[.+?\]\((.+?)\)", text_of(trained)):
        Image.open(trained.folder / name).verify()
    assert {"confusion.png", "curves.png"} <= {file.name for file in trained.folder.iterdir()}
    few = make_card([f"class {n}" for n in range(101)], EPOCHS[:1])
    assert set(few) == {"README.md"} and "![" not in few["README.md"]  # too many classes, and no line
    long = make_card(["x" * 5000, "y"], EPOCHS)["confusion.png"]
    assert max(Image.open(io.BytesIO(long)).size) < 1000
    diverged = [*EPOCHS, EpochEnded(3, float("nan"), float("nan"), {"error_rate": float("nan")}, 1.0)]
    assert "curves.png" in make_card(["a", "b"], diverged)


def test_after_a_stop_the_curves_have_all_epochs(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    document = recipe_dict({"epochs": 3}, architecture=TINY)
    whole = run_all(document, tmp_path / "whole")
    run = Run.create(Recipe.from_dict(document), tmp_path)
    for stops in (1, 2):  # before the end, in two lives
        events = train(run)
        done = 0
        for event in events:
            done += isinstance(event, EpochEnded)
            if done == stops:
                break
        events.close()  # type: ignore[attr-defined]
    assert "Epochs trained: 3." in text_of(run)
    for _ in train(run):
        pass
    assert "1 frozen and 3 unfrozen. Epochs trained: 4." in text_of(run)
    for name in ("curves.png", "confusion.png", "README.md"):
        assert (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()
