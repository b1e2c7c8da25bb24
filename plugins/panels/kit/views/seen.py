"""Photos as the model sees them: a training batch, and one photo step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from core.data.check import Examined
from core.data.photo import BadPhoto
from core.errors import BadInput
from core.recipe import Recipe
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, acts, button, empty, joined, notes
from plugins.panels.kit.views.pictures import embedded, grid

BATCH = 8  # photos
DRAWN = 1_024  # pixels of a side, at most


def not_seen(project: Project) -> str:
    """A button that shows the photos; it differs for each recipe, so that photos of an earlier one disappear."""
    recipe = project.recipe
    of = recipe and (recipe.source, recipe.splitter, recipe.item_tfms, recipe.batch_tfms)
    return Html('<p class="acts" data-of="{}">{}</p>').format(hash(str(of)), button("Show", "seen")) if recipe else ""


def seen(project: Project, data: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A training batch (number `draw`), and one photo (number `photo`) step by step."""
    from plugins.panels.kit.presizing.walk import augmented, walk  # imports torch, which takes seconds

    found = project.examined
    if not isinstance(found, Examined) or not found.split.train:
        return empty("No photos yet", "Add some to see what presizing does to them.")
    try:
        draw, number = (int(str(data.get(name) or 0)) for name in ("draw", "photo"))
    except ValueError:
        raise BadInput("A batch and a photo are chosen by their numbers; press Draw again.") from None
    split, recipe = found.split, project.require_recipe()
    largest = max((side for size in _sizes(recipe) for side in size), default=0)
    if largest > DRAWN:
        return notes([f"Photos of {largest:,} pixels take too long to draw here; up to {DRAWN:,} pixels are shown."])
    files = [split.items[i] for i in split.train]
    labels = {split.items[i]: split.labels[i] for i in split.train}
    batch = grid((embedded(image), labels[file]) for file, image in augmented(files[:BATCH], recipe, draw))
    again = button("Draw again", "seen", {"draw": draw + 1, "photo": number})
    other = button("Another photo", "seen", {"draw": draw, "photo": number + 1})
    try:
        steps = walk(files[number % len(files)], recipe, draw)
    except BadPhoto as error:
        return batch + notes([f"{files[number % len(files)].name} cannot be read: {error}."], "bad") + other
    item = Html('<li><img src="{src}" alt="{name}"><b>{name}</b><p>{sentence}</p></li>')
    shown = joined(item.format(src=embedded(s.image), name=s.name, sentence=s.sentence) for s in steps)
    return Html(
        '<p class="note">A training batch, as the network sees it.</p>{}{}'
        '<h2>One photo, step by step</h2>{}<ol class="walk">{}</ol>'
    ).format(batch, acts(again), acts(other), shown)


def _sizes(recipe: Recipe) -> Iterator[tuple[int, ...]]:
    for choice in (*recipe.item_tfms, *recipe.batch_tfms):
        size = choice.get("size")
        yield (size,) if isinstance(size, int) else tuple(size or ())
