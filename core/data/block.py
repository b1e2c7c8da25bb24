"""DataBlock: a description of a data set, which builds DataLoaders from a source."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.data.cache import Cache, decoded
from core.data.datasets import Datasets, datasets_of
from core.data.draws import Draws
from core.data.files import Files
from core.data.loaders import DataLoaders, Loader
from core.data.pipeline import Pipeline
from core.data.split import Split, divide
from core.data.table import Rows
from core.device import AUTO, choose
from core.errors import BadInput
from core.registry import splitters

OPTIONS = frozenset(("workers", "share", "mixes", "resident"))  # fields of `Loader` that a caller may set


class ImageBlock:
    """The input is a photo."""


class CategoryBlock:
    """The target is one label; `vocab` lists the classes, which are made unique, and sorted if `sort` is true."""

    def __init__(self, vocab: Sequence[Any] | None = None, sort: bool = True) -> None:
        labels = [*dict.fromkeys(map(_plain, () if vocab is None else vocab))]
        numbers = all(isinstance(label, int) for label in labels)
        names = sorted(labels, key=None if numbers else str) if sort else labels
        self.vocab = [str(name) for name in names]


def using_attr(f: Callable[[Any], Any], attr: str) -> Callable[[Any], Any]:
    """`f` applied to an attribute of the item: `using_attr(RegexLabeller(...), "name")`."""
    return lambda item: f(getattr(item, attr))


class DataBlock:
    """How to get items, labels and a split from a source, and which transforms to apply."""

    def __init__(
        self,
        blocks: Sequence[Any] = (ImageBlock, CategoryBlock),
        get_items: Callable[[Any], Sequence[Any]] | None = None,
        splitter: Callable[..., tuple[Sequence[int], Sequence[int]]] | None = None,
        get_y: Callable[[Any], str | int] | None = None,
        get_x: Callable[[Any], Any] | None = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
    ) -> None:
        names = [b if inspect.isclass(b) else type(b) for b in blocks]
        if names != [ImageBlock, CategoryBlock]:
            shown = ", ".join(b.__name__ for b in names)
            raise BadInput(f"blocks must be (ImageBlock, CategoryBlock), not ({shown}): a photo and a single label.")
        if get_y is None:
            raise BadInput("get_y is missing; give a function that labels an item, such as RegexLabeller(...).")
        category = blocks[1]
        self.vocab: Sequence[str] = category.vocab if isinstance(category, CategoryBlock) else ()
        self.get_items, self.get_x, self.get_y = get_items, get_x, get_y
        self.splitter = splitter or splitters.build(splitters.defaults("splitter")[0])
        self.item_tfms, self.batch_tfms = item_tfms, batch_tfms

    def new(self, item_tfms: Any = None, batch_tfms: Any = None) -> DataBlock:
        """A copy with these transforms instead of its own."""
        block = copy.copy(self)
        block.item_tfms, block.batch_tfms = item_tfms, batch_tfms
        return block

    def split(self, source: Any) -> Split:
        """List, label and split; raises BadInput with the first item that has no label."""
        if self.get_items is None and isinstance(source, (str, Path)):
            raise BadInput(
                f"get_items is missing; give a function that lists photos in {str(source)!r}, such as get_image_files."
            )
        items = self.get_items(source) if self.get_items else source
        if hasattr(items, "iloc"):  # iterating over a DataFrame would give its columns
            items = Rows(items)
        if isinstance(items, Rows) and self.get_x is None:
            raise BadInput(
                "get_x is missing; give a function that finds a row's photo, such as ColReader(0, pref=path)."
            )
        if not isinstance(items, Sequence):
            items = list(items)
        if not items:
            raise BadInput(f"No photos were found in {str(source)!r}.")
        shared: dict[str | int, str] = {}  # one str per class, not per photo
        labels = [shared.get(label) or shared.setdefault(label, str(label)) for label in map(self._label, items)]
        split = divide(self.splitter, items, labels, map(self.get_x, items) if self.get_x else None)
        return replace(split, classes=self._classes(split, shared))

    def datasets(self, source: Any) -> Datasets:
        """The photos and their labels before any transform; raises BadInput."""
        return datasets_of(self.split(source))

    def dataloaders(
        self, source: Any, bs: int = 64, seed: int = 0, device: str | torch.device | None = None, **options: Any
    ) -> DataLoaders:
        """Training and validation loaders with batches of `bs` photos; checks every label first. Raises BadInput.

        `options` are those of `loaders_of`, such as `cache`, a folder for presized photos.
        """
        return loaders_of(self.split(source), self.item_tfms, self.batch_tfms, bs, seed, device, **options)

    def summary(self, source: Any) -> str:
        """Run one photo through every step; prints and returns the result of each, or which one failed."""
        lines = []

        def step(name: str, do: Callable[[], Any], show: Callable[[Any], str] = str) -> Any:
            try:
                value = do()
            except Exception as error:
                lines.append(f"{name}: FAILED: {error}")
                raise
            lines.append(f"{name}: {show(value)}")
            return value

        try:
            split = step("items, labels, split", lambda: self.split(source), _counted)
            pipeline = step("transforms", lambda: Pipeline(self.item_tfms, self.batch_tfms), _described)
            first = split.items[split.train[0]]
            step("first photo", lambda: first)
            step("its label", lambda: split.labels[split.train[0]], repr)
            pixels = step("decoded", lambda: pipeline.read(first, True), lambda p: f"uint8 {list(p.shape)}")
            step(
                "random crop and augmentation drawn as one matrix, interpolated once, lighting applied",
                lambda: pipeline.apply_batch_tfms(pipeline.images([pixels], Draws(0, 0, [0])), True),
                lambda b: f"float {list(b.shape)} in {b.min():.3f}..{b.max():.3f}",
            )
        finally:
            print("\n".join(lines))
        return "\n".join(lines)

    def _label(self, item: Any) -> str | int:
        label = self.get_y(item)
        if type(label) is str and label:  # the fast path: there may be a million
            return label
        label = _plain(label)
        if not isinstance(label, (str, int)) or label == "":
            raise BadInput(f"{str(item)[-200:]!r} got the label {label!r}; a label is a text or a whole number.")
        return label

    def _classes(self, split: Split, names: dict[str | int, str]) -> Sequence[str]:
        """The given vocab, or whole-number labels in numerical order, or nothing. Raises BadInput."""
        present = set(split.vocab)
        if self.vocab:
            for strange in sorted(present - set(self.vocab)):
                raise BadInput(f"The label {strange!r} is not in the vocab: {', '.join(self.vocab)}; add it there.")
            return self.vocab
        numbers = [label for label in names if isinstance(label, int)]
        return [names[n] for n in sorted(numbers) if names[n] in present] if len(numbers) == len(names) else ()


def _plain(label: Any) -> Any:
    """The Python value of a NumPy scalar, which tables hold; other labels unchanged."""
    return label.item() if isinstance(label, np.generic) else label


def loaders_of(
    split: Split,
    item_tfms: Any,
    batch_tfms: Any,
    bs: int = 64,
    seed: int = 0,
    device: str | torch.device | None = None,
    cache: str | Path | None = None,
    **options: Any,
) -> DataLoaders:
    """The DataLoaders of a split, by default on the best device; `options` such as `workers` apply to both loaders.

    Presized photos are kept in the folder `cache`, so that later epochs need not decode them. Raises BadInput.
    """
    if strange := sorted(options.keys() - OPTIONS):
        known = ", ".join(sorted({"bs", "seed", "device", "cache"} | OPTIONS))
        raise BadInput(f"DataLoaders have no option {strange[0]!r}; the options are: {known}.")
    pipeline = Pipeline(item_tfms, batch_tfms)
    prepared = Cache(Path(cache)).pixels if cache else decoded
    on = choose(device or AUTO).torch
    index = {name: i for i, name in enumerate(split.vocab)}

    def loader(chosen: list[int], training: bool) -> Loader:
        size = bs if training else bs * choose(on).validation
        items, targets = Files.of(split.items).take(chosen), [index[split.labels[i]] for i in chosen]
        fixed = (pipeline, size, training, training, seed, on)
        return Loader(items, targets, *fixed, prepared=prepared, vocab=split.vocab, **options)

    return DataLoaders(loader(split.train, True), loader(split.valid, False), split.vocab)


def _counted(split: Split) -> str:
    common = ", ".join(f"{name} {n}" for name, n in Counter(split.labels).most_common(5))
    return (
        f"{len(split.items)} photos, {len(split.vocab)} classes ({common} ...), "
        f"{len(split.train)} for training, {len(split.valid)} for validation"
    )


def _described(pipeline: Pipeline) -> str:
    steps = [
        type(t).__name__
        for t in (*pipeline.on_photo, *pipeline.geometric, *pipeline.pixel, *pipeline.on_batch, *pipeline.with_targets)
    ]
    return f"{' -> '.join(steps)} gives {pipeline.size[0]} x {pipeline.size[1]}"
