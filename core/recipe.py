"""The recipe: a whole experiment as one document of names and their options, never code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from core.errors import BadInput, quoted
from core.registry import (
    NameOf,
    Range,
    Registry,
    Title,
    architectures,
    as_choice,
    check_options,
    labellers,
    losses,
    metrics,
    optimizers,
    params_of,
    sources,
    splitters,
    transforms,
)
from core.settings import parse_setting, set_option

VERSION = 3
Choice = dict[str, Any]  # {"name": ..., **options}
LAST, VALID_LOSS = "last", "valid_loss"  # values of `best_by` that are not metrics
MOVED = {  # options that belonged to training in version 1
    "label_smoothing": "loss",
    "class_weights": "loss",
    "weight_decay": "optimizer",
}


_TRAINED_BY = {"loss": losses, "optimizer": optimizers}


@dataclass(frozen=True)
class Training:
    """The options of fine-tuning; these defaults hold in Python, on the command line and in the browser."""

    epochs: Annotated[
        int, "Unfrozen epochs, of the head and the backbone", Range(0, 1000), Title("Epochs, head and backbone")
    ] = 3
    frozen_stages: Annotated[
        int | None,
        "How many of the backbone's first stages stay frozen even then, which is faster; empty: half of them, if "
        "pretrained",
        Range(0, 100),
        Title("Frozen stages"),
    ] = None
    freeze_epochs: Annotated[int, "Frozen epochs before that, of the head", Range(0, 1000), Title("Epochs, head")] = 1
    features: Annotated[
        bool,
        "In the frozen epochs, compute the backbone's features of each photo once and train the head on them several "
        "times; if off, the backbone sees each photo once per epoch, with new augmentation",
    ] = True
    base_lr: Annotated[
        float,
        "Its peak: too high diverges, too low learns slowly. A quarter of it is used on features, half when unfrozen",
        Range(1e-7, 10),
        Title("Learning rate"),
    ] = 4e-3
    lr_mult: Annotated[
        float,
        "The first layers' learning rate is the head's divided by this when unfrozen",
        Range(1, 10_000),
        Title("First layers learn slower by"),
    ] = 100.0
    batch_size: Annotated[int, "Photos per optimizer step", Range(1, 4096)] = 64
    micro_batch: Annotated[
        int, "Photos per forward pass, with gradients accumulated over the batch; 0 is automatic", Range(0, 4096)
    ] = 0
    loss: Annotated[str | Choice, "The loss function; its own options are set as training.loss.NAME", losses] = (
        "cross_entropy"
    )
    optimizer: Annotated[
        str | Choice, "The optimizer; its own options are set as training.optimizer.NAME", optimizers
    ] = "adamw"
    ema: Annotated[
        float,
        "Decay of the exponential moving average of the weights, which is the model; 0 is off",
        Range(0, 0.9999),
        Title("Averaging of the weights"),
    ] = 0.95
    train_bn: Annotated[bool, "Also train the norm layers of the body, as fastai does (slower)"] = False
    metrics: Annotated[tuple[str | Choice, ...], "Metrics to report after each epoch", metrics] = ("error_rate",)
    best_by: Annotated[
        str,
        "Which epoch's model is kept: the best by valid_loss, by a metric (by accuracy or error_rate, the lower loss "
        "decides unless one epoch gets significantly more photos right), or the last",
        NameOf(metrics, (VALID_LOSS, LAST)),
        Title("Epoch to keep"),
    ] = "error_rate"
    patience: Annotated[
        int, "End a stage after this many epochs in a row without improvement; 0 is never", Range(0, 1000)
    ] = 0
    bad_photos: Annotated[Literal["skip", "stop"], "What to do with files that have no label or cannot be read"] = (
        "skip"
    )
    seed: Annotated[int, "Seed of the photo order, the augmentation and the new layers", Range(0, 2**32 - 1)] = 0
    device: Annotated[
        str, "Where to train: cpu, cuda, cuda:1, mps, or auto for the best there is; PRESIZE_DEVICE goes before it"
    ] = "auto"
    precision: Annotated[
        Literal["auto", "bf16", "fp16", "fp32"],
        "What training computes in; auto is bf16 or fp16 where the hardware is faster with it, else fp32. Validation "
        "is in fp32, as predictions are",
    ] = "auto"
    resident: Annotated[
        float,
        "Share of a GPU's free memory, and of the machine's, in which presized photos stay between epochs; 0 is none",
        Range(0, 0.9),
    ] = 0.25
    compile: Annotated[bool, "Compile the unfrozen network with torch.compile, which first takes a minute"] = False

    def __post_init__(self) -> None:
        """Convert the names of plugins to `{"name": ...}`."""
        for name in _TRAINED_BY:
            object.__setattr__(self, name, as_choice(getattr(self, name)))
        object.__setattr__(self, "metrics", tuple(map(as_choice, self.metrics)))


TRAINING = params_of(Training)
_SINGLE = {"source": sources, "labeller": labellers, "splitter": splitters, "architecture": architectures}
_LISTS = ("item_tfms", "batch_tfms")
_REGISTRIES = _SINGLE | _TRAINED_BY | {"metrics": metrics, "item_tfms": transforms, "batch_tfms": transforms}


@dataclass(frozen=True)
class Recipe:
    """The source, labeller, splitter, transforms, architecture and training options of an experiment."""

    source: Choice
    labeller: Choice
    splitter: Choice
    item_tfms: list[Choice]
    batch_tfms: list[Choice]
    architecture: Choice
    training: Training = field(default_factory=Training)

    @classmethod
    def from_dict(cls, document: Any) -> Recipe:
        """The recipe of a document, checked against the registries' signatures; raises BadInput naming the key."""
        if not isinstance(document, dict):
            raise BadInput(f"A recipe is a JSON object, not {type(document).__name__}.")
        if document.get("version") == 1:
            document = _from_version_1(document)
        if document.get("version") == 2:
            document = _from_version_2(document)
        if document.get("version") != VERSION:
            raise BadInput(
                f"This recipe has version {quoted(document.get('version'))}; "
                f"this program reads versions 1 to {VERSION}."
            )
        keys = {f.name for f in fields(cls)}
        for key in document.keys() - keys - {"version"}:
            raise BadInput(f"A recipe has no key {quoted(key)}; it has: {', '.join(sorted(keys))}.")
        for key in sorted(keys - document.keys() - {"training"}):
            raise BadInput(f"This recipe has no {key!r}; `python -m core new` writes a complete one.")
        for key, registry in _SINGLE.items():
            registry.check(_choice(key, document[key]))
        for key in _LISTS:
            if not isinstance(document[key], list):
                raise BadInput(f"{key} must be a list of transforms, not {quoted(document[key])}.")
            for choice in document[key]:
                transforms.check(_choice(key, choice))
        training = document.get("training", {})
        if not isinstance(training, dict):
            raise BadInput(f"training must be an object of options, not {quoted(training)}.")
        check_options(TRAINING, training, "training")
        chosen = {key: document[key] for key in (*_SINGLE, *_LISTS)}
        return cls(**chosen, training=Training(**training))

    @classmethod
    def from_json(cls, content: str | bytes) -> Recipe:
        """Parse and check JSON; bytes may be UTF-8, or UTF-16 as `>` writes it in PowerShell. Raises BadInput."""
        try:
            return cls.from_dict(json.loads(content))
        except (ValueError, RecursionError) as error:  # RecursionError: 1,000 nested brackets
            raise BadInput(f"This recipe is not JSON: {error}.") from None

    def to_dict(self) -> dict[str, Any]:
        """The recipe as a JSON document, with every training option written out."""
        return {"version": VERSION, **asdict(self)}

    def to_json(self) -> str:
        """The recipe as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, default=str)  # `str` of a Path

    def absolute(self, *folders: Path) -> Recipe:
        """A copy with absolute paths: a relative path is resolved in the first of `folders` where it exists.

        If it exists in none it is resolved in the last; without `folders`, in the current folder.
        """

        def found(path: str) -> str:
            places = [os.path.abspath(folder / os.path.expanduser(path)) for folder in folders or (Path(),)]
            return next(filter(os.path.exists, places), places[-1])

        return self.with_paths(found)

    def relative_to(self, folder: Path, name: str = "") -> Recipe:
        """A copy whose paths inside `folder` are relative to it, prefixed with `name`, so that it can be moved."""
        base = Path(os.path.abspath(folder))

        def shortened(path: str) -> str:
            return Path(name, Path(path).relative_to(base)).as_posix() if base in Path(path).parents else path

        return self.with_paths(shortened)

    def with_paths(self, change: Callable[[str], str]) -> Recipe:
        """A copy with each path changed, that of the source first."""

        def changed(key: str, choice: Choice) -> Choice:
            return choice | {name: _map_texts(choice[name], change) for name in path_options(key, choice)}

        parts: dict[str, Any] = {key: changed(key, getattr(self, key)) for key in _SINGLE}
        parts |= {key: [changed(key, choice) for choice in getattr(self, key)] for key in _LISTS}
        trained: dict[str, Any] = {key: changed(key, getattr(self.training, key)) for key in _TRAINED_BY}
        trained["metrics"] = tuple(changed("metrics", as_choice(choice)) for choice in self.training.metrics)
        return replace(self, **parts, training=replace(self.training, **trained))

    def with_settings(self, settings: Iterable[str]) -> Recipe:
        """A copy changed by settings such as `training.epochs=3`, with values as JSON or else text; raises BadInput."""
        document = json.loads(self.to_json())
        for setting in settings:
            path, value = parse_setting(setting)
            section, _, option = path.partition(".")
            if section == "training" and option in MOVED:
                path = f"training.{MOVED[option]}.{option}"
            if section == "training" and option in _TRAINED_BY and isinstance(value, str):
                value = as_choice(value)
            set_option(document, path, value)
        for keys, before, after in (
            (_SINGLE, self, document),
            (_TRAINED_BY, self.training, document["training"]),
        ):
            for key in keys.keys() & after if isinstance(after, dict) else ():
                after[key] = _without_old_options(keys[key], getattr(before, key), after[key])
        return Recipe.from_dict(document)


def path_options(key: str, choice: Any) -> list[str]:
    """The names of a choice's given options that hold paths; `key` is the recipe's key of the choice."""
    known = _REGISTRIES[key][choice["name"]].params if key in _REGISTRIES else ()
    return [p.name for p in known if choice.get(p.name) is not None and (p.name == "path" or _mentions_path(p.type))]


def _without_old_options(registry: Registry[Any], before: Choice, now: Any) -> Any:
    """The choice `now` without options of the plugin `before` that its own plugin does not have."""
    if not isinstance(now, dict) or now.get("name") == before["name"] or now.get("name") not in registry:
        return now
    known = {p.name for p in registry[now["name"]].params}
    return {k: v for k, v in now.items() if k in known or k not in before or k == "name"}


def _from_version_1(document: Choice) -> Choice:
    """Convert a document of version 1, in which the options of loss and optimizer belonged to training."""
    training = document.get("training")
    if not isinstance(training, dict):
        return document | {"version": 2}
    kept = {name: value for name, value in training.items() if name not in MOVED}
    for name in (name for name in MOVED if name in training):
        plugin = kept.get(MOVED[name], getattr(Training, MOVED[name]))
        kept[MOVED[name]] = as_choice(plugin) | {name: training[name]}
    return document | {"version": 2, "training": kept}


def _from_version_2(document: Choice) -> Choice:
    """Convert a document of version 2, whose unfrozen epochs trained all stages unless it said otherwise."""
    training = document.get("training", {})
    if not isinstance(training, dict):
        return document | {"version": VERSION}
    return document | {"version": VERSION, "training": {"frozen_stages": 0, **training}}


def _mentions_path(hint: Any) -> bool:
    return hint is Path or any(map(_mentions_path, get_args(hint)))


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value) if value.strip() else value  # the option's owner refuses an empty path later
    if isinstance(value, Mapping):
        return {name: _map_texts(inner, change) for name, inner in value.items()}
    return [_map_texts(inner, change) for inner in value] if isinstance(value, (list, tuple)) else value


def _choice(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise BadInput(f'{key} must look like {{"name": ...}} with its options beside the name, not {value!r}.')
    return value
