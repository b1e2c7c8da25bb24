"""Models saved as folders of safetensors and JSON, which are loaded without running code and checked for damage."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from core.atomic import disk_error, sha256, write_atomic
from core.data.photo import View
from core.data.split import LONGEST_LABEL
from core.data.transforms import MAX_AREA, MAX_SIDE
from core.device import choose
from core.discovery import discover
from core.errors import BadInput
from core.model.architecture import Architecture, build_architecture
from core.model.calibration import Calibration
from core.model.doubt import read_strangers, read_threshold
from core.model.file_names import CLASSES, CONFIG, HASHES, WEIGHTS, read_json
from core.model.hashes import check_hashes
from core.model.head import Classifier
from core.model.predictor import Predictor
from core.model.weights import check_size, damaged_weight, take_weights
from core.registry import architectures, check_options, params_of

MAX_VIEWS = 8
MAX_MEAN, MIN_STD, MAX_STD = 1e3, 1e-4, 1e3  # no network is trained with statistics beyond these
Statistics = tuple[float, float, float]


@dataclass(frozen=True)
class ModelConfig:
    """The content of config.json: the choice of architecture, the preprocessing, the classes, the calibration."""

    architecture: dict[str, Any]
    views: list[View]
    vocab: list[str]
    mean: Statistics
    std: Statistics
    calibration: Calibration = field(default_factory=Calibration)


def save_model(folder: Path, architecture: Architecture, config: ModelConfig) -> None:
    """Write weights, config, classes and their hashes to `folder`; raises BadInput, also if a weight is not finite."""
    if name := damaged_weight(architecture.model):
        raise BadInput(f"The model is not saved, as {name!r} is not finite; train with a lower learning rate.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    write_atomic(folder / WEIGHTS, save(weights_of(architecture), metadata={"format": "pt"}))
    write_atomic(folder / CONFIG, json.dumps(_timm_config(architecture, config), indent=2, default=str))
    write_atomic(folder / CLASSES, json.dumps(config.vocab, indent=2))
    write_atomic(folder / HASHES, json.dumps({n: sha256(folder / n) for n in (WEIGHTS, CONFIG, CLASSES)}, indent=2))


def load_model(folder: str | Path) -> Predictor:
    """Load a model folder; raises BadInput if a file is missing, damaged or inconsistent."""
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise BadInput(f"{str(folder)!r} is not a trained model: it has no {CONFIG}.")
    check_hashes(folder)
    config = read_config(folder)
    with _fitting(folder, config.architecture["name"]):
        with suppress(NotImplementedError), torch.device("meta"):  # a plugin may compute while it builds
            check_size(folder / WEIGHTS, _network(config).model)
        architecture = _network(config)
        _load_weights(folder, architecture)
    architecture.model.to(choose().torch, memory_format=torch.channels_last)
    temperature, strangers = config.calibration.temperature, read_strangers(folder)
    return Predictor(architecture, config.views, config.vocab, temperature, strangers, read_threshold(folder))


def load_weights(folder: Path, architecture: Architecture, name: str) -> None:
    """Load the weights of a model folder into a network, called `name` in the BadInput that is raised."""
    check_hashes(folder)
    with _fitting(folder, name):
        _load_weights(folder, architecture)


def _load_weights(folder: Path, architecture: Architecture) -> None:
    check_size(folder / WEIGHTS, architecture.model)
    take_weights(architecture.model, _own_names(architecture, load_file(folder / WEIGHTS)))


@contextmanager
def _fitting(folder: Path, name: str) -> Iterator[None]:
    """Raise BadInput where weights do not fit the network called `name`."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[:2][-1].strip(" \t.")[:150]  # torch's first line only names the class
        raise BadInput(f"The weights in {str(folder)!r} do not fit {name!r}: {reason}.") from None


def read_config(folder: Path) -> ModelConfig:
    """The content of `config.json`; raises BadInput if it does not describe a model of this program."""
    discover()  # the architecture may be a third-party plugin
    try:
        document = read_json(folder / CONFIG)
        own = document["presize"]
        views = [_view(view) for view in own["views"]]
        vocab = document["label_names"]
        names = isinstance(vocab, list) and all(isinstance(n, str) and len(n) <= LONGEST_LABEL for n in vocab)
        mean = _statistics(document["pretrained_cfg"]["mean"], -MAX_MEAN, MAX_MEAN)
        std = _statistics(document["pretrained_cfg"]["std"], MIN_STD, MAX_STD)
        if not 0 < len(views) <= MAX_VIEWS or not names or not len(vocab) == len(set(vocab)) > 0:
            raise ValueError("its views or its label_names are not valid")
        if math.prod(views[-1].size) > MAX_AREA:
            raise ValueError(f"a view of {views[-1].size} pixels, more than {MAX_AREA:,} in all")
        architectures.check(own["architecture"])
        calibration = Calibration.of(own.get("calibration"))
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"{str(folder / CONFIG)!r} does not describe a model of this program ({str(error)[:150]})."
        ) from None
    return ModelConfig(own["architecture"], views, vocab, mean, std, calibration)


def _statistics(values: Any, low: float, high: float) -> Statistics:
    red, green, blue = map(float, values)
    if not all(low <= value <= high for value in (red, green, blue)):  # also refuses NaN
        raise ValueError(f"a mean or std of {red:g}, {green:g} and {blue:g}")
    return red, green, blue


def _view(document: dict[str, Any]) -> View:
    check_options(params_of(View), document, "a view of this model")
    view = View(**{**document, "size": tuple(document["size"])})
    if not all(1 <= side <= MAX_SIDE for side in view.size) or not 0.01 <= view.crop_pct <= 1:
        raise ValueError(f"a view of size {view.size} and crop_pct {view.crop_pct}")
    return view


def _network(config: ModelConfig) -> Architecture:
    architecture = build_architecture(config.architecture, len(config.vocab), pretrained=False)
    architecture.mean, architecture.std = config.mean, config.std
    return architecture


def weights_of(architecture: Architecture) -> dict[str, Tensor]:
    """The state dict of the network under timm's names, with a head that timm does not have under `head.`."""
    state = architecture.model.state_dict()
    prefix = "body." if _wraps_timm(architecture) else ""
    return {name.removeprefix(prefix): value.detach().cpu().contiguous() for name, value in state.items()}


def _own_names(architecture: Architecture, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    if not _wraps_timm(architecture):
        return weights
    own = {f"head.{name}" for name in architecture.head.state_dict()}
    return {name if name in own else f"body.{name}": value for name, value in weights.items()}


def _wraps_timm(architecture: Architecture) -> bool:
    return architecture.timm is not None and isinstance(architecture.model, Classifier)


def _timm_config(architecture: Architecture, config: ModelConfig) -> dict[str, Any]:
    """config.json in timm's layout, with what timm has no keys for under `presize`."""
    last = config.views[-1]
    network = architecture.model.body if isinstance(architecture.model, Classifier) else architecture.model
    crop_mode = {"crop": "center", "pad": "border", "squish": "squash"}[config.views[0].method]
    options = _timm_options(network) if architecture.timm else {}
    return {
        "architecture": architecture.timm or config.architecture["name"],
        "num_classes": len(config.vocab),
        "label_names": config.vocab,
        "pretrained_cfg": {
            "input_size": [3, *last.size],
            "mean": list(config.mean),
            "std": list(config.std),
            "interpolation": "bilinear",
            "crop_pct": math.prod(view.crop_pct for view in config.views),
            "fixed_input_size": bool(getattr(network, "pretrained_cfg", {}).get("fixed_input_size")),
            "crop_mode": crop_mode,
            "num_classes": len(config.vocab),
        },
        **({"model_args": options} if options else {}),
        "presize": {
            "architecture": config.architecture,
            "views": [asdict(view) for view in config.views],
            **({"calibration": asdict(config.calibration)} if config.calibration.photos else {}),
        },
    }


def _timm_options(network: Any) -> dict[str, Any]:
    """The arguments that timm needs to build the same layers, except the number of classes and the size."""
    from timm.models import get_model_args

    left_out = ("num_classes", "in_chans", "global_pool", "img_size")
    return {name: value for name, value in get_model_args(network).items() if name not in left_out}
