"""Fills the presized cache while the check decodes every photo."""

from __future__ import annotations

from pathlib import Path

from core.data.cache import Cache
from core.data.pipeline import Pipeline
from core.data.split import Split
from core.recipe import Recipe
from core.registry import transforms

TRAINING, VALIDATION = 1, 2


class Presizing:
    """Fills the cache in `folder` with the pixels that the loaders of a recipe will read, photo by photo."""

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
        """Decode and cache the photo at `index`; returns False if its pixels cannot be cached. Raises BadPhoto."""
        kept = self._kept.get(self._sides[index])
        if kept:
            self._cache.add(content, digest, *kept)
        return kept is not None
