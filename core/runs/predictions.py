"""The calibrated predictions of a run's model on its validation photos, stored so that no page predicts again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from core.atomic import write_atomic
from core.errors import BadInput
from core.model.file_names import HASHES, WEIGHTS, read_json
from core.runs.run import ALIVE, Run
from core.training.interpretation import ClassificationInterpretation

PREDICTIONS = "predictions.safetensors"
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError)


def keep_predictions(
    run: Run, results: ClassificationInterpretation, root: Path, name: str = PREDICTIONS, **more: Any
) -> None:
    """Write calibrated logits [N, C] and targets [N] with the names of their photos in `root`, and `more` about them.

    Raises BadInput on a full disk. They are written after the model and carry its hash, so that a kill between the two
    leaves nothing misleading.
    """
    tensors = {"logits": results.logits.float().contiguous(), "targets": results.targets.long().contiguous()}
    about = json.dumps(  # JSON in ASCII, as a file name need not be UTF-8
        {
            "model": _model_of(run),
            "root": (root.relative_to(run.workspace) if root.is_relative_to(run.workspace) else root).as_posix(),
            "names": [item.relative_to(root).as_posix() for item in results.items],
            "vocab": results.vocab,
            **more,
        }
    )
    content = save(tensors, metadata={"about": about, "sha256": _digest(about, tensors)})
    write_atomic(run.folder / name, content)


def predictions_of(run: Run) -> ClassificationInterpretation:
    """The predictions of a run's model on its validation photos, without a loader; raises BadInput if it has none.

    The paths of the photos are those at the time of saving, and may no longer exist.
    """
    return kept_predictions(run)[0]


def named_predictions(run: Run) -> tuple[ClassificationInterpretation, list[str]]:
    """As `predictions_of`, with the paths of the photos relative to their folder."""
    results, about = kept_predictions(run)
    return results, about["names"]


def kept_predictions(run: Run, name: str = PREDICTIONS) -> tuple[ClassificationInterpretation, dict[str, Any]]:
    """The predictions that `keep_predictions` wrote under that name, with all that it wrote about them."""
    model, file = _model_of(run), run.folder / name
    try:
        content = file.read_bytes()  # not mapped: Windows cannot replace an open file, and a mapped one may change
        tensors, about = _opened(content)
        root = run.workspace / about["root"]
        items = [root / name for name in about["names"]]
    except FileNotFoundError:
        raise BadInput(f"{run.name!r} has a model without its predictions; {_remedy(run)}.") from None
    except DAMAGED as error:
        raise BadInput(f"{str(file)!r} cannot be used ({error}); {_remedy(run)}.") from None
    if about["model"] != model:
        raise BadInput(f"{str(file)!r} belongs to another model than the one in this folder; {_remedy(run)}.")
    results = ClassificationInterpretation(tensors["logits"], tensors["targets"], items, about["vocab"])
    return results, about


def _opened(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the document in a file's content; raises one of DAMAGED unless they are consistent."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])  # load() drops the metadata
    if set(header) != {"__metadata__", "logits", "targets"}:  # a million of them would take minutes
        raise ValueError(f"it has {len(header) - 1} tensors instead of 2")
    tensors = load(content)
    text = header["__metadata__"]["about"]
    if _digest(text, tensors) != header["__metadata__"]["sha256"]:
        raise ValueError("its SHA-256 is not that of its content")
    about: dict[str, Any] = json.loads(text)
    logits, targets = tensors["logits"], tensors["targets"]
    n, c = len(about["names"]), len(about["vocab"])
    if (logits.dtype, targets.dtype) != (torch.float32, torch.int64):
        raise ValueError(f"its numbers are {logits.dtype} and {targets.dtype}")
    if not n or logits.shape != (n, c) or targets.shape != (n,) or not 0 <= targets.min() <= targets.max() < c:
        shapes = f"{list(logits.shape)} and {list(targets.shape)}"
        raise ValueError(f"{shapes} numbers do not fit {n} photos of {c} classes")
    if not logits.isfinite().all():
        raise ValueError("its logits are not all finite")
    return tensors, about


def _digest(about: str, tensors: dict[str, Tensor]) -> str:
    numbers = (tensors[name].numpy().tobytes() for name in ("logits", "targets"))
    return hashlib.sha256(b"".join((about.encode(), *numbers))).hexdigest()


def _model_of(run: Run) -> str:
    """The SHA-256 of the model in the run's folder; raises BadInput if there is none."""
    try:
        return str(read_json(run.folder / HASHES)[WEIGHTS])
    except FileNotFoundError:
        when = "both are saved when it ends or is stopped after its first epoch"
        raise BadInput(f"{run.name!r} has no model yet, and so no predictions; {when}.") from None
    except DAMAGED as error:
        raise BadInput(f"{str(run.folder / HASHES)!r} cannot be used ({error}); {_remedy(run)}.") from None


def _remedy(run: Run) -> str:
    status = run.status
    if status in ALIVE:
        return "they are saved when the run ends"
    if status == "completed":  # `resume` refuses it
        return "train its recipe.json in a new run"
    return f"`python -m core resume {run.folder}` writes them"
