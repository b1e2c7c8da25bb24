"""The pictures of presizing show what the pipeline does, for any recipe and any photo."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from core.data import photo
from core.data.draws import Draws
from core.data.loaders import Loader
from core.data.photo import BadPhoto
from core.data.pictures import LINE, MARK
from core.data.pipeline import Pipeline
from core.data.transforms import Geometric, Pixel, box_matrices
from core.errors import BadInput
from core.recipe import Recipe
from core.registry import transforms
from plugins.panels.kit.presizing.drawn import Drawn
from plugins.panels.kit.presizing.outlines import MAX_SIDE, OUTSIDE, Outline, corners, outlined
from plugins.panels.kit.presizing.walk import Step, augmented, walk

RESIZE, AUGMENT = {"name": "resize", "size": 60}, {"name": "aug_transforms", "size": 40, "min_scale": 0.5}
MODULE = "tests.strangers"


def recipe(*items: dict[str, Any], then: tuple[dict[str, Any], ...] = (), seed: int = 5) -> Recipe:
    return Recipe.from_dict(
        {
            "version": 1,
            "source": {"name": "folder", "path": "."},
            "labeller": {"name": "folder"},
            "splitter": {"name": "random"},
            "item_tfms": list(items),
            "batch_tfms": list(then),
            "architecture": {"name": "efficientnet_lite0"},
            "training": {"seed": seed},
        }
    )


PRESIZING = recipe(RESIZE, then=(AUGMENT,))


def pipeline_of(plan: Recipe) -> Pipeline:
    return Pipeline(*([transforms.build(c) for c in choices] for choices in (plan.item_tfms, plan.batch_tfms)))


def drawn_of(file: Path, plan: Recipe, draw: int) -> Drawn:
    return Drawn(pipeline_of(plan), photo.decode(file), plan.training.seed, draw)


def named(steps: list[Step]) -> dict[str, Step]:
    assert len({s.name for s in steps}) == len(steps)
    return {s.name: s for s in steps}


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image).astype(int)


def piped(file: Path, plan: Recipe, draw: int, training: bool = True) -> np.ndarray[Any, Any]:
    """What the pipeline makes of a file, rounded: [H, W, 3]."""
    pipeline = pipeline_of(plan)
    draws = Draws(plan.training.seed, draw, [0]) if training else None
    batch = pipeline.apply_batch_tfms(pipeline.images([pipeline.read(file, training)], draws), training)
    return (batch[0] * 255).round().int().permute(1, 2, 0).numpy()


@pytest.fixture
def draw_photo(tmp_path: Path) -> Callable[..., Path]:
    """Noise on slow waves, so that there is both detail and form."""

    def draw(width: int = 150, height: int = 100, name: str = "photo.png", **options: Any) -> Path:
        y, x = np.mgrid[:height, :width]
        waves = np.stack([np.sin(x / 9 + c) * np.cos(y / 7 - c) for c in range(3)], -1) * 60 + 127
        noise = np.random.default_rng(width).normal(0, 20, (height, width, 3))
        Image.fromarray((waves + noise).clip(0, 255).astype(np.uint8)).save(tmp_path / name, **options)
        return tmp_path / name

    return draw


@pytest.fixture
def strangers() -> Iterator[None]:
    """Transforms that are neither Geometric nor Pixel, and draw from global states."""

    class Halved:
        def __call__(self, image: Image.Image) -> Image.Image:
            image = image.resize((image.width // 2, image.height // 2))
            return image.rotate(random.choice([0, 90, 180]), expand=True)

    def noisy(images: Tensor) -> Tensor:
        return (images + torch.rand_like(images) * 0.5 + float(np.random.rand()) * 0.1).clamp(0, 1)

    Halved.__module__ = MODULE
    halved, noise = (lambda: Halved()), (lambda: noisy)
    halved.__module__ = noise.__module__ = MODULE
    transforms.register("halved")(halved)
    transforms.register("noisy")(noise)
    yield
    transforms.discard(MODULE)


RECIPES = {
    "presizing": PRESIZING,
    "pad": recipe(RESIZE | {"method": "pad", "pad_mode": "zeros"}, then=(AUGMENT,)),
    "squish": recipe(RESIZE | {"method": "squish"}, then=(AUGMENT,)),
    "not square": recipe(RESIZE | {"size": [40, 70]}, then=(AUGMENT | {"size": [50, 30], "flip_vert": True},)),
    "resize alone": recipe(RESIZE),
    "crop alone": recipe({"name": "random_resized_crop", "size": 40}),
    "flip first": recipe({"name": "flip", "p": 1.0}, RESIZE, then=(AUGMENT,)),
    "light alone": recipe(RESIZE, then=({"name": "lighting"},)),
    "away": recipe(RESIZE, then=({"name": "zoom", "min_zoom": 0.1, "max_zoom": 0.1, "p": 1.0},)),
}


@pytest.mark.parametrize("plan", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("draw", [0, 3])
def test_composed_and_validation_are_what_the_pipeline_makes(
    plan: Recipe, draw: int, draw_photo: Callable[..., Path]
) -> None:
    file = draw_photo()
    steps = named(walk(file, plan, draw))
    assert np.array_equal(pixels(steps["Composed"].image), piped(file, plan, draw))
    assert np.array_equal(pixels(steps["Validation"].image), piped(file, plan, draw, training=False))
    assert np.array_equal(
        pixels(steps["Validation"].image), photo.fit(photo.decode(file), pipeline_of(plan).views).astype(int)
    )


def test_the_same_number_gives_the_same_pictures_and_another_number_others(draw_photo: Callable[..., Path]) -> None:
    file = draw_photo()
    state, torch_state = random.getstate(), torch.get_rng_state()
    first, again, other = walk(file, PRESIZING, 1), walk(file, PRESIZING, 1), walk(file, PRESIZING, 2)
    assert first == again and first != other
    assert walk(file, recipe(RESIZE, then=(AUGMENT,), seed=6), 1) != first
    assert random.getstate() == state and torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("method", ["crop", "pad", "squish"])
def test_the_red_box_is_what_resize_draws(method: str, draw_photo: Callable[..., Path]) -> None:
    file, plan = draw_photo(300, 200), recipe(RESIZE | {"method": method}, then=(AUGMENT,))
    for draw in range(3):
        drawn = drawn_of(file, plan, draw)
        boxes = pipeline_of(plan).geometric[0].draw(np.array([[200.0, 300.0]]), Draws(5, draw, [0]), True)
        left, top, right, bottom = boxes[0]
        at = corners(drawn.presized, (60, 60))
        np.testing.assert_allclose(at, [(left, top), (right, top), (right, bottom), (left, bottom)], atol=1e-9)
        step = named(walk(file, plan, draw))["The photo"]
        expected = outlined(
            photo.decode(file),
            [
                Outline("Resize, in this draw", at, MARK),
                Outline("validation", corners(*plan_box(plan, (200, 300))), LINE, True),
            ],
        )
        assert step.image == expected and ("mirror image" in step.sentence) == (method == "pad")


def plan_box(plan: Recipe, size: tuple[int, int]) -> tuple[np.ndarray[Any, Any], tuple[int, int]]:
    """What validation shows, where `aug_transforms` keeps all of what Resize shows."""
    view = pipeline_of(plan).views[0]
    return box_matrices(np.array([view.box(size)]), view.size)[0], view.size


def test_an_outline_is_drawn_where_it_lies() -> None:
    image = Image.new("RGB", (400, 300), (10, 10, 10))
    box = np.array([(100.0, 50), (300, 50), (300, 250), (100, 250)])
    drawn = np.asarray(outlined(image, [Outline("here", box, MARK)]))
    assert drawn.shape[:2] == (300 + 28, 400)
    red = (drawn[:300] == MARK).all(-1)
    ys, xs = np.nonzero(red)
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == pytest.approx((100, 300, 50, 250), abs=2)
    assert (drawn[150, 200] == 10).all() and (drawn[20, 20] > 100).all()  # veiled outside


def test_grey_shows_what_lies_outside_a_photo() -> None:
    image = Image.new("RGB", (400, 200), (10, 10, 10))
    box = np.array([(0.0, -100), (400, -100), (400, 300), (0, 300)])
    drawn = np.asarray(outlined(image, [Outline("all", box, MARK)]))
    assert (drawn[50, 200] == OUTSIDE).all() and (drawn[200, 200] == 10).all() and (drawn[350, 200] == OUTSIDE).all()


def test_one_by_one_has_the_same_geometry_and_less_detail(draw_photo: Callable[..., Path]) -> None:
    file = draw_photo(450, 300)
    for draw in range(4):
        drawn = drawn_of(file, RECIPES["not square"], draw)
        total = np.linalg.multi_dot([*drawn.chain, np.eye(3)]) if len(drawn.chain) > 1 else drawn.chain[0]
        np.testing.assert_allclose(total, drawn.total, atol=1e-9)
        one, other = drawn.composed(), drawn.one_by_one()
        assert other.diff(dim=2).abs().mean() < one.diff(dim=2).abs().mean()


def test_one_by_one_of_slow_waves_is_nearly_the_composed(tmp_path: Path) -> None:
    y, x = np.mgrid[:300, :400]
    waves = np.stack([np.sin(x / 60 + c) * np.cos(y / 50 - c) for c in range(3)], -1) * 100 + 127
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "waves.png")
    for draw in range(4):
        drawn = drawn_of(tmp_path / "waves.png", PRESIZING, draw)
        here, there = drawn.covered()
        difference = (drawn.composed() - drawn.one_by_one()).abs().amax(0)[here & there]
        assert difference.quantile(0.9) < 0.04


def test_what_is_covered_is_what_lies_inside(draw_photo: Callable[..., Path]) -> None:
    drawn = drawn_of(draw_photo(), RECIPES["away"], 0)
    here, there = drawn.covered()
    assert 0 < there.float().mean() < here.float().mean() < 0.1
    turned = recipe(RESIZE, then=({"name": "rotate", "max_deg": 180.0, "p": 1.0},))
    beside = [named(walk(draw_photo(300, 100), turned, draw))["Beside the usual way"] for draw in range(3)]
    assert all("had to be filled with its mirror image" in step.sentence for step in beside)


def test_steps_that_do_not_apply_are_left_out(draw_photo: Callable[..., Path]) -> None:
    file = draw_photo()
    everything = ["The photo", "Presized", "Three ways to fit", "One matrix", "Composed", "Beside the usual way"]
    assert [s.name for s in walk(file, PRESIZING, 0)] == [*everything, "Validation"]
    for name in ("resize alone", "light alone"):
        left = ["The photo", "Three ways to fit", "Composed", "Validation"]
        assert [s.name for s in walk(file, RECIPES[name], 0)] == left
    assert [s.name for s in walk(file, RECIPES["crop alone"], 0)] == ["The photo", "Composed", "Validation"]
    mirror = recipe(RESIZE, then=({"name": "flip", "p": 1.0},))  # exact, however it is done
    names = [s.name for s in walk(file, mirror, 0)]
    assert "One matrix" in names and "Beside the usual way" not in names


def test_sentences_say_what_this_photo_and_this_recipe_are(draw_photo: Callable[..., Path]) -> None:
    steps = named(walk(draw_photo(200, 100), RECIPES["pad"], 0))
    assert steps["The photo"].sentence.startswith("200 x 100 pixels")
    text = steps["Three ways to fit"].sentence
    assert "removes 50 %" in text and "2 times too narrow" in text and text.endswith("The recipe uses pad.")
    assert "with black" in text and "Lighting" in steps["Composed"].sentence
    assert "same result" in named(walk(draw_photo(90, 90), PRESIZING, 0))["Three ways to fit"].sentence
    tall = named(walk(draw_photo(100, 200), PRESIZING, 0))["Three ways to fit"].sentence
    assert "2 times too wide" in tall and tall.endswith("crop.")


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1500, 9), (9, 1500), (2000, 1500)], ids=str)
@pytest.mark.parametrize("name", ["presizing", "pad", "away", "crop alone"])
def test_tiny_huge_and_narrow_photos(size: tuple[int, int], name: str, draw_photo: Callable[..., Path]) -> None:
    for step in walk(draw_photo(*size), RECIPES[name], 0):
        assert max(step.image.size) <= MAX_SIDE + 60 and step.sentence.endswith(".")


def test_a_photo_lying_on_its_side_is_walked_upright(draw_photo: Callable[..., Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    steps = named(walk(draw_photo(120, 60, "side.jpg", exif=exif), PRESIZING, 0))
    assert steps["The photo"].sentence.startswith("60 x 120 pixels")


@pytest.mark.parametrize("entry", [pytest.param(e, id=e.name) for e in transforms])
def test_every_transform_with_its_defaults(entry: Any, draw_photo: Callable[..., Path]) -> None:
    choice, file = {"name": entry.name}, draw_photo()
    built = transforms.build(choice)
    known = all(isinstance(t, (Geometric, Pixel)) for t in (built if isinstance(built, list) else [built]))
    plans = [recipe(RESIZE, then=(choice,))] + [recipe(choice, RESIZE, then=(AUGMENT,))] * known
    for plan in plans:
        steps = walk(file, plan, 1)
        assert steps == walk(file, plan, 1)
        assert augmented([file], plan, 1)[0][1] == named(steps)["Composed"].image


def test_transforms_of_others_are_named_and_repeatable(strangers: None, draw_photo: Callable[..., Path]) -> None:
    file, plan = draw_photo(), recipe({"name": "halved"}, RESIZE, then=(AUGMENT, {"name": "noisy"}))
    states = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first = walk(file, plan, 4)
    seen = augmented([file] * 5, plan, 4)
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[1])
    assert np.array_equal(np.random.get_state()[1], states[2])  # type: ignore[arg-type]
    torch.rand(3), random.random()
    assert walk(file, plan, 4) == first and augmented([file] * 5, plan, 4) == seen
    steps = named(first)
    assert "Halved comes first" in steps["Changed first"].sentence and "noisy" in steps["Composed"].sentence
    assert np.array_equal(pixels(steps["Validation"].image), piped(file, plan, 4, training=False))


def test_augmented_is_what_the_loader_gives(draw_photo: Callable[..., Path], tmp_path: Path) -> None:
    files = [draw_photo(90 + i, 70, f"{i}.png") for i in range(4)]
    (tmp_path / "broken.png").write_bytes(b"no photo")
    files.insert(2, tmp_path / "broken.png")
    loader = Loader(files, range(5), pipeline_of(PRESIZING), 2, True, True, 5, workers=1)
    given = {i: image for images, _, indices in loader.batches(3) for i, image in zip(indices, images, strict=True)}
    seen = augmented(files, PRESIZING, 3)
    assert [file for file, _ in seen] == [file for file in files if file.stem != "broken"]
    for file, image in seen:
        expected = (given[files.index(file)] * 255).round().int().permute(1, 2, 0).numpy()
        assert np.array_equal(pixels(image), expected)
    assert augmented([], PRESIZING, 0) == [] == augmented([tmp_path / "broken.png"], PRESIZING, 0)
    assert seen[0][1] == named(walk(files[0], PRESIZING, 3))["Composed"].image


def test_what_cannot_be_walked_says_so(draw_photo: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(BadPhoto, match="not an image"):
        walk(tmp_path / "broken.jpg", PRESIZING, 0)
    with pytest.raises(BadInput, match="one size"):
        walk(draw_photo(), recipe({"name": "flip"}), 0)
