"""Pictures of presizing: a batch as the model sees it, and one photo step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data import photo
from core.data.draws import Array, Draws
from core.data.loaders import Loader
from core.data.photo import Size
from core.data.pictures import LINE, MARK, contact_sheet
from core.data.pipeline import Pipeline
from core.data.sampler import reductions
from core.data.transforms import Geometric, compose
from core.recipe import Recipe
from core.registry import transforms
from plugins.panels.kit.presizing.drawn import Drawn, as_image, rendered, repeatable, within
from plugins.panels.kit.presizing.outlines import MAX_SIDE, Outline, corners, outlined

GREEN = (5, 150, 105)
PANEL = 300  # pixels; two of them lie side by side on a page
METHODS = {"crop", "pad", "squish"}
FILLED = {"zeros": "black", "border": "its edge, repeated", "reflection": "its mirror image"}
ROUNDING = 2 / 255  # the largest difference that rounding alone makes


@dataclass(frozen=True)
class Step:
    """A picture of one step, with its name and a sentence on what it shows."""

    name: str
    sentence: str
    image: Image.Image


def augmented(files: Sequence[Path], recipe: Recipe, epoch: int) -> list[tuple[Path, Image.Image]]:
    """Each readable photo as the network sees it in `epoch`, with these files as the first training photos."""
    if not files:
        return []
    pipeline = Pipeline(*_built(recipe))
    loader = Loader(files, [0] * len(files), pipeline, len(files), True, seed=recipe.training.seed)
    if pipeline.on_photo:
        loader.workers = 1  # threads would share the global random states
    with repeatable(pipeline, recipe.training.seed, epoch):
        images, _, indices = next(loader.batches(epoch))
    return [(files[i], as_image(image)) for i, image in zip(indices, images, strict=True)]


def walk(file: Path, recipe: Recipe, draw: int) -> list[Step]:
    """The steps of presizing a photo, drawn as the first training photo of epoch `draw`; raises BadPhoto, BadInput."""
    pipeline = Pipeline(*_built(recipe))
    original = photo.decode(file)
    drawn = Drawn(pipeline, original, recipe.training.seed, draw)
    return [
        *_photo(original, drawn),
        *_presized(drawn),
        *_methods(recipe, drawn),
        *_outlined(drawn),
        *_results(drawn),
        _validation(original, drawn),
    ]


def _photo(original: Image.Image, drawn: Drawn) -> Iterator[Step]:
    pipeline, size = drawn.pipeline, (original.height, original.width)
    taken, name = corners(drawn.presized, drawn.sizes[drawn.first + 1]), _names([drawn.presizing])
    training = Outline(f"{name}, in this draw", taken, MARK)
    still = Outline("validation", corners(*_composed(pipeline.geometric, size, drawn.draws(), False)), LINE, True)
    pixels = f"{_shown(size)} pixels, upright."
    beyond = (taken < -0.5).any() or (taken > np.array(drawn.image.size) + 0.5).any()
    rest = f" Grey lies outside the photo and is filled with {FILLED[pipeline.pad_mode]}." if beyond else ""
    if not pipeline.on_photo:
        text = f"{pixels} {name} takes the region inside the red line, validation that inside the dashed one.{rest}"
        yield Step("The photo", text, outlined(original, [training, still]))
        return
    yield Step(
        "The photo", f"{pixels} Validation takes the region inside the dashed line.", outlined(original, [still])
    )
    first = _names(pipeline.on_photo)
    text = f"In training, {first} comes first; then {name} takes the region inside the red line.{rest}"
    yield Step("Changed first", text, outlined(drawn.image, [training]))


def _presized(drawn: Drawn) -> Iterator[Step]:
    if drawn.first == len(drawn.matrices) - 1:
        return
    size, end = drawn.sizes[drawn.first + 1], drawn.size
    matrix, shown = within(drawn.presized, size, MAX_SIDE)
    image = rendered(drawn.image, [matrix], shown, drawn.pipeline.pad_mode)
    text = f"That region at {_shown(size)}"
    if reductions(drawn.presized[None], size).max() < 1:
        text += ", enlarged"
    if size[0] > end[0] and size[1] > end[1]:
        text += f"; larger than the final {_shown(end)}, so there is room to rotate and crop"
    text += ". Only drawn here: training continues with the outline, not with these pixels."
    yield Step("Presized", text, image)


def _methods(recipe: Recipe, drawn: Drawn) -> Iterator[Step]:
    """Crop, pad and squish side by side, if the recipe's resizing transform has that option."""
    kind, view = type(drawn.presizing), drawn.presizing.view
    built = [(choice, transforms.build(choice)) for choice in (*recipe.item_tfms, *recipe.batch_tfms)]
    choice = next((choice for choice, t in built if type(t) is kind and t.view == view), {})
    option = next((p for p in transforms[choice["name"]].params if p.name == "method"), None) if choice else None
    if option is None or set(option.choices) != METHODS:
        return
    chosen, fill = choice.get("method", option.default), drawn.pipeline.pad_mode
    (h, w), images, captions = drawn.sizes[drawn.first], [], []
    for method in option.choices:
        way = transforms.build({**choice, "method": method})
        steps = [*drawn.pipeline.geometric[: drawn.first], way]
        matrix, size = _composed(steps, drawn.sizes[0], drawn.draws(), True)
        if method == "pad":
            fill = way.pad_mode
        small, shown = within(matrix, size, MAX_SIDE // 3)
        images.append(rendered(drawn.image, [small], shown, fill))
        captions.append(f"{method}, chosen" if method == chosen else method)
    wider = w / h * size[0] / size[1]
    rest = 1 - min(wider, 1 / wider)
    text = (
        f"Crop removes {_percent(rest)} of this photo; pad keeps all of it and fills {_percent(rest)} of the "
        f"picture with {FILLED[fill]}; squish makes everything {max(wider, 1 / wider):.2g} times too "
        f"{'narrow' if wider > 1 else 'wide'}."
    )
    if rest < 0.005:
        text = "This photo already has the right aspect ratio, so all three give the same result."
    yield Step("Three ways to fit", f"{text} The recipe uses {chosen}.", _sheet(images, captions, 3))


def _outlined(drawn: Drawn) -> Iterator[Step]:
    if not drawn.moving:
        return
    frame = Outline(_names([drawn.presizing]), corners(drawn.presized, drawn.sizes[drawn.first + 1]), MARK)
    seen = Outline("what the model will see", corners(drawn.total, drawn.size), GREEN)
    mirrored = ", mirrored" if np.linalg.det(drawn.total) < 0 else ""
    text = (
        f"{_names(drawn.moving)} only move the corners: the model will see the region inside the green line{mirrored}. "
        "That is one matrix; no pixel has been computed for it."
    )
    yield Step("One matrix", text, outlined(drawn.image, [seen, frame]))


def _results(drawn: Drawn) -> Iterator[Step]:
    pipeline = drawn.pipeline
    lit = [*pipeline.pixel, *pipeline.on_batch]
    then = f", then changed by {_names(lit)}" if lit else ""
    composed = drawn.composed()
    text = f"The model's input in this draw: sampled once from the photo, at {_shown(drawn.size)}{then}."
    yield Step("Composed", text, as_image(composed))
    other = drawn.one_by_one()
    if not drawn.moving or (composed - other).abs().max() <= ROUNDING:
        return
    here, there = drawn.covered()
    both = here & there
    lost = 1 - _detail(other, both) / max(_detail(composed, both), 1e-6)
    text = (
        f"The same draw the usual way: resized to {_shown(drawn.size)} first, then interpolated again for "
        f"{'each of ' * (len(drawn.moving) > 1)}{_names(drawn.moving)}. "
    )
    if lost >= 0.02:
        text += f"Neighbouring pixels differ {_percent(lost)} less: note how blurred hair, seams and letters are."
    else:
        text += "Hardly any detail is lost in this draw."
    gap, composed_gap = (1 - float(mask.float().mean()) for mask in (there, here))
    if gap - composed_gap >= 0.005:
        text += (
            f" Note the edges too: {_percent(gap)} had to be filled with {FILLED[pipeline.pad_mode]}, because the "
            f"resized region ends there; composed, only {_percent(composed_gap)}."
        )
    whole = [as_image(composed), as_image(other)]
    captions = ["composed, sampled once", "resized, then step by step", "its middle, enlarged", "its middle, enlarged"]
    yield Step("Beside the usual way", text, _sheet([*whole, *map(_middle, whole)], captions, 2))


def _validation(original: Image.Image, drawn: Drawn) -> Step:
    image = Image.fromarray(photo.fit(original, drawn.pipeline.views))
    text = (
        f"Nothing is random: the region inside the dashed line, at {_shown(drawn.size)}, the same each time. "
        "Predictions see photos in the same way."
    )
    return Step("Validation", text, image)


def _composed(steps: Sequence[Geometric], size: Size, draws: Draws, training: bool) -> tuple[Array, Size]:
    """The composed matrix [3, 3] for one photo of `size`, and the output size."""
    matrices, sizes = compose(steps, np.array([size], np.float64), draws, training)
    return matrices[0], (int(sizes[0, 0]), int(sizes[0, 1]))


def _built(recipe: Recipe) -> tuple[list[Any], list[Any]]:
    return [transforms.build(c) for c in recipe.item_tfms], [transforms.build(c) for c in recipe.batch_tfms]


def _detail(pixels: Tensor, mask: Tensor) -> float:
    """The summed absolute difference of neighbouring pixels where both are in `mask`, bool [H, W]."""
    across = (pixels.diff(dim=2).abs().mean(0) * (mask[:, 1:] & mask[:, :-1])).sum()
    down = (pixels.diff(dim=1).abs().mean(0) * (mask[1:] & mask[:-1])).sum()
    return float(across + down)


def _middle(image: Image.Image) -> Image.Image:
    width, height = (max(1, min(side // 2, PANEL // 2)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _sheet(images: Sequence[Image.Image], captions: Sequence[str], columns: int) -> Image.Image:
    """Arrange images with their captions in `columns`, at a size that fits the page."""
    longest = PANEL if columns == 2 else PANEL * 2 // columns
    panels = []
    for image in images:
        scale = longest / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        panels.append(image.resize(size, Image.Resampling.BICUBIC))
    width, height = (max(sides) for sides in zip(*(p.size for p in panels), strict=True))
    stack = np.full((len(panels), height, max(width, longest), 3), 255, np.uint8)
    for place, panel in zip(stack, panels, strict=True):
        place[: panel.height, : panel.width] = np.asarray(panel)
    return contact_sheet(torch.from_numpy(stack).permute(0, 3, 1, 2) / 255, captions, columns)


def _names(steps: Sequence[Any]) -> str:
    names = list(dict.fromkeys(getattr(s, "__name__", type(s).__name__) for s in steps))
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _shown(size: Size) -> str:
    """The size as width x height."""
    return f"{size[1]} x {size[0]}"
