"""Photos as the model sees them: a training batch, one photo step by step, and one in several draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from inspect import isclass
from typing import Any

from core.data.check import Examined
from core.data.photo import BadPhoto
from core.data.split import Split
from core.data.transforms import BatchTransform
from core.errors import BadInput
from core.recipe import Recipe
from core.registry import transforms
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, acts, button, card, empty, joined, notes
from plugins.panels.kit.views.pictures import embedded, grid

BATCH, DRAWS = 8, 9  # photos of a batch, draws of one
DRAWN = 1_024  # pixels of a side, at most

Draw = Callable[[Split, Recipe, int, int], Html]


def not_seen(project: Project) -> Html:
    """What asks for the photos once a person sees it; it differs for each recipe, so that they are drawn anew."""
    if (recipe := project.recipe) is None or not project.ready:
        return empty("No photos yet", "Add some to see what presizing does to them.")
    of = recipe.source, recipe.splitter, recipe.item_tfms, recipe.batch_tfms, project.said
    return Html('<p class="note" data-ask data-of="{}">Drawing some photos</p>').format(hash(str(of)))


def _drawing(draw: Draw) -> Callable[[Project, Mapping[str, Any]], Html]:
    """A view of the training photos by the numbers of a draw and of a photo, which come from the page."""

    @wraps(draw)
    def answer(project: Project, data: Mapping[str, Any]) -> Html:
        found = project.examined
        if not isinstance(found, Examined) or not found.split.train:
            return empty("No photos yet", "Add some to see what presizing does to them.")
        try:
            epoch, number = (int(str(data.get(name) or 0)) for name in ("draw", "photo"))
        except ValueError:
            raise BadInput("A batch and a photo are chosen by their numbers; press Draw again.") from None
        recipe = project.require_recipe()
        largest = max((side for size in _sizes(recipe) for side in size), default=0)
        if largest > DRAWN:
            return notes([f"Photos of {largest:,} pixels take too long to draw here; up to {DRAWN:,} are shown."])
        return draw(found.split, recipe, epoch, number)

    return answer


@_drawing
def seen(split: Split, recipe: Recipe, draw: int, number: int) -> Html:
    """A training batch, and one photo step by step."""
    from plugins.panels.kit.presizing.walk import augmented, walk  # imports torch, which takes seconds

    files = [split.items[i] for i in split.train[:BATCH]]
    labels = {split.items[i]: split.labels[i] for i in split.train[:BATCH]}
    batch = grid((embedded(image), labels[file]) for file, image in augmented(files, recipe, draw))
    again, other = _buttons("seen", draw, number)
    file = split.items[split.train[number % len(split.train)]]
    try:
        steps = walk(file, recipe, draw)
    except BadPhoto as error:
        return batch + notes([f"{file.name} cannot be read: {error}."], "bad") + other
    item = Html('<li><img src="{src}" alt="{name}"><b>{name}</b><p>{sentence}</p></li>')
    shown = joined(item.format(src=embedded(s.image), name=s.name, sentence=s.sentence) for s in steps)
    return Html(
        '<p class="note">A training batch, as the network sees it.</p>{}{}'
        '<h2>One photo, step by step</h2>{}<ol class="walk">{}</ol>'
    ).format(batch, acts(again), acts(other), shown)


@_drawing
def draws(split: Split, recipe: Recipe, draw: int, number: int) -> Html:
    """One photo in several draws; where photos are mixed, several photos."""
    from plugins.panels.kit.presizing.walk import augmented  # imports torch, which takes seconds

    mixed, n = _mixes(recipe), len(split.train)
    files = [split.items[split.train[(number + i * mixed) % n]] for i in range(DRAWS)]
    tile = Html('<figure><img src="{}" alt="{}, draw {}"></figure>')
    images = enumerate(augmented(files, recipe, draw), 1)
    tiles = joined(tile.format(embedded(image), file.name, i) for i, (file, image) in images)
    shown = Html('<div class="tiles">{}</div>').format(tiles) if tiles else notes([f"{files[0].name} cannot be read."])
    title = "Photos of a batch, mixed" if mixed else "One photo in nine draws"
    note = "As training sees it with these options; each epoch draws anew."
    return card(title, shown + acts(*_buttons("draws", draw, number)), note)


def _buttons(do: str, draw: int, number: int) -> tuple[Html, Html]:
    again = button("Draw again", do, {"draw": draw + 1, "photo": number})
    return again, button("Another photo", do, {"draw": draw, "photo": number + 1})


def _mixes(recipe: Recipe) -> bool:
    """Whether a transform, such as MixUp, mixes the photos of a batch."""
    kinds = (transforms[choice["name"]].factory for choice in (*recipe.item_tfms, *recipe.batch_tfms))
    return any(isclass(kind) and issubclass(kind, BatchTransform) for kind in kinds)


def _sizes(recipe: Recipe) -> Iterator[tuple[int, ...]]:
    for choice in (*recipe.item_tfms, *recipe.batch_tfms):
        size = choice.get("size")
        yield (size,) if isinstance(size, int) else tuple(size or ())
