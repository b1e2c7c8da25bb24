"""Restrictions on a visitor's recipe: permitted sources, paths inside the visitor's folder, and bounded sizes."""

from __future__ import annotations

import ntpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.errors import BadInput, quoted
from core.recipe import TRAINING, Training, path_options
from core.registry import Registry, architectures, labellers, sources, splitters, transforms

LARGEST_SIDE, LARGEST_BATCH = 512, 128  # pixels per side, photos per batch
LARGEST_INPUT = 64 * 224 * 224  # pixels of the photos in one forward pass
LONGEST_LIST = 20  # transforms or metrics
OWNERS = ("device", "compile", "resident")  # training options: which GPU, a C compiler, and how much memory
IN_THE_APP: dict[str, Registry[Any]] = {"labeller": labellers, "splitter": splitters}  # run in its own process
TRAINING_PLUGINS = [p.name for p in TRAINING if p.registry is not None]  # loss, optimizer, metrics


def check_confined(document: Mapping[str, Any], folder: Path) -> None:
    """Raise BadInput if a recipe's document, or a part of one, refers to paths outside the folder or is too large."""
    if "source" in document:
        name = document["source"].get("name")
        if not getattr(sources[name].factory, "for_visitors", False):
            raise BadInput(f"The source {name!r} is not open to visitors; upload photos or a zip.")
    _check_sizes(document)
    for name in OWNERS:
        only = getattr(Training, name)
        if (value := document.get("training", {}).get(name, only)) != only:
            raise BadInput(f"training.{name} {value!r} is for the owner of this computer; leave it at {only!r}.")
    for key, choice in _choices(document):
        _check_values(key, choice)
        paths = path_options(key, choice)
        for name, value in choice.items():
            for text in _texts(value):
                is_text = name not in paths
                outside = name != "pattern" and _leads_out(text) if is_text else not _is_inside(text, folder)
                if outside:
                    raise BadInput(f"{name} {quoted(text)} is outside your workspace; upload the file instead.")


def _check_values(key: str, choice: Mapping[str, Any]) -> None:
    """Raise BadInput unless visitors may give the options of a labeller or splitter these values."""
    if key not in IN_THE_APP:
        return
    entry = IN_THE_APP[key][choice["name"]]
    defaults = {p.name: p.default for p in entry.params}
    for option, allowed in getattr(entry.factory, "visitors_may", {}).items():
        if (value := choice.get(option, defaults[option])) not in allowed:
            raise BadInput(f"{option} {value!r} is not open to visitors; choose {' or '.join(allowed)}.")


def _choices(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The plugins of a document with their options, each with its key, and the other options of training."""
    for key, part in document.items():
        if key == "training":
            plugins = {name: value for name, value in part.items() if name in TRAINING_PLUGINS}
            yield from _choices(plugins)
            yield key, {name: value for name, value in part.items() if name not in plugins}
            continue
        for choice in part if isinstance(part, (list, tuple)) else [part]:
            if isinstance(choice, Mapping):
                yield key, choice


def _check_sizes(document: Mapping[str, Any]) -> None:
    training = document.get("training", {})
    for key, found in (("item_tfms", document), ("batch_tfms", document), ("metrics", training)):
        if (n := len(found.get(key, ()))) > LONGEST_LIST:
            raise BadInput(f"{n:,} {key} are too many here; choose at most {LONGEST_LIST}.")
    transformed = [*document.get("item_tfms", ()), *document.get("batch_tfms", ())]
    sizes = [*_sizes(transforms, transformed)]
    for size in (*sizes, *_sizes(architectures, [document["architecture"]] if "architecture" in document else [])):
        if (side := max(size)) > LARGEST_SIDE:
            raise BadInput(f"A size of {side} pixels is too large here; choose at most {LARGEST_SIDE}.")
    if (photos := training.get("batch_size", 0)) > LARGEST_BATCH:
        raise BadInput(f"A batch_size of {photos} is too large here; choose at most {LARGEST_BATCH}.")
    at_once = min(photos, training.get("micro_batch") or photos)
    height, width = sizes[-1] if sizes else (0, 0)
    if at_once * height * width > LARGEST_INPUT:
        raise BadInput(
            f"{at_once} photos of {height} x {width} pixels take too much memory here; "
            f"choose at most {LARGEST_INPUT // (height * width)} as batch_size or micro_batch."
        )


def _sizes(registry: Registry[Any], choices: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """The sizes (height, width) of plugins, also those that they have by default."""
    for choice in choices:
        options = {p.name: p.default for p in registry[choice["name"]].params if not p.required} | dict(choice)
        if size := options.get("size") or options.get("img_size"):
            yield (size, size) if isinstance(size, int) else (size[0], size[-1])


def _is_inside(path: str, folder: Path) -> bool:
    return Path(path).resolve().is_relative_to(folder.resolve())


def _leads_out(value: str) -> bool:
    """Whether a text, read as a path or URL, would point outside any folder; `km/h`, such as a column, does not."""
    path = value.replace("\\", "/")
    is_address = re.match(r"[\w+.-]+:.*/", path, re.DOTALL) or ntpath.splitdrive(value)[0]
    return bool(is_address) or path.startswith(("/", "~")) or ".." in path.split("/")


def _texts(value: Any) -> Iterator[str]:
    """Every string in the value of an option."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)
