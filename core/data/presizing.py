"""The check decodes every photo anyway, so it keeps what training will begin with."""

from __future__ import annotations

from pathlib import Path

from core.data.cache import Cache
from core.data.pipeline import Pipeline
from core.data.split import Split
from core.recipe import Recipe
from core.registry import transforms

TRAINING, VALIDATION = 1, 2


class Presizing:
    """Fills the cache in `folder` with what the loaders of a recipe will ask it for, photo by photo of a split."""

    def __init__(self, recipe: Recipe, split: Split, folder: Path) -> None:
        item_tfms, batch_tfms = ([transforms.build(t) for t in part] for part in (recipe.item_tfms, recipe.batch_tfms))
        pipeline = Pipeline(item_tfms, batch_tfms)
        self._kept = {TRAINING: pipeline.kept(True), VALIDATION: pipeline.kept(False)}
        self._sides = bytearray(len(split.items))
        for side, indices in ((TRAINING, split.train), (VALIDATION, split.valid)):
            for i in indices:
                self._sides[i] = side
        self._cache = Cache(folder)

    def decode(self, index: int, content: bytes, digest: str) -> bool:
        """Decode the photo at `index` for its side of the split; False where nothing of it is kept. Raises BadPhoto."""
        kept = self._kept.get(self._sides[index])
        if kept:
            self._cache.add(content, digest, *kept)
        return kept is not None
