"""A run's model as one file of ONNX, which answers without torch; it is tried on the run's own photos first."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core.atomic import disk_error, sha256, write_atomic
from core.errors import BadInput
from core.model.file_names import HASHES, WEIGHTS, read_json
from core.runs.run import Run

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

ONNX = "model.onnx"
NEEDS = ("onnx", "onnxscript", "onnxruntime")
CLOSE = 1e-4  # the largest difference of a probability that is let pass
LARGEST = 1_900_000_000  # bytes; one file of ONNX cannot hold 2 GiB
BATCH = 16


def can_export() -> bool:
    """Whether what the export needs is installed."""
    return all(find_spec(package) for package in NEEDS)


@dataclass(frozen=True)
class Exported:
    """The file, on how many photos torch and onnxruntime were compared, and by how much a probability differed."""

    file: Path
    photos: int
    largest_difference: float
    seconds: float


def export_onnx(run: Run) -> Exported:
    """Write the run's model.onnx, float32 `images` [N, 3, H, W] to `logits` [N, C]; raises BadInput, leaving no file.

    It answers like torch on every validation photo that is still there, or it is not written.
    """
    from core.model.folder import load_model
    from core.runs.predictions import predictions_of

    began = time.perf_counter()
    run.must_have_model()
    for package in NEEDS:
        try:
            import_module(package)
        except ImportError:
            raise BadInput(
                f"The export needs the package {package!r}; `pip install -r core/publish/requirements-onnx.txt`."
            ) from None
    file = run.folder / ONNX
    try:
        file.unlink(missing_ok=True)  # from here on it is the one of this model or none
    except OSError as error:
        raise disk_error(file, error) from error
    items = [item for item in predictions_of(run).items if item.is_file()]
    digest = _digest(run)  # before the model: if that is changed meanwhile, the file is not taken for its own
    predictor = load_model(run.folder)
    predictor.architecture.model.to("cpu")
    content = _converted(run, predictor, digest)
    photos, difference = _compared(run, predictor, content, items)
    if not difference <= CLOSE:  # nor where it is no number
        raise BadInput(
            f"The exported model of {run.name!r} is not kept: a probability differs by {difference:.2g} from torch's, "
            f"which is more than {CLOSE}; use model.safetensors, or train another architecture."
        )
    write_atomic(file, content)
    hashes = read_json(run.folder / HASHES)
    if hashes[WEIGHTS] == digest:
        write_atomic(run.folder / HASHES, json.dumps(hashes | {ONNX: sha256(file)}, indent=2))
    return Exported(file, photos, difference, time.perf_counter() - began)


def onnx_is_current(run: Run) -> bool:
    """Whether there is a model.onnx, whole, made from the model that the run has now: a new one brings new hashes."""
    try:
        return bool(read_json(run.folder / HASHES)[ONNX] == sha256(run.folder / ONNX))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _converted(run: Run, predictor: Predictor, digest: str) -> bytes:
    """The model as the bytes of one file, which says of which weights it is and nothing of this machine."""
    import onnx_ir
    import torch
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    if (size := (run.folder / WEIGHTS).stat().st_size) > LARGEST:
        raise BadInput(f"{run.name!r} has {size / 1e9:.1f} GB of weights, and one file of ONNX holds 1.9 at most.")
    images = torch.zeros(2, 3, *predictor.views[-1].size)  # of 1 photo, the number of photos would be taken as fixed
    silence = io.StringIO()  # where it fails, the exporter also prints the model
    try:
        with redirect_stdout(silence), redirect_stderr(silence):
            program = torch.onnx.export(
                predictor.architecture.model,
                (images,),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("N")},),
                dynamo=True,
                verbose=False,
            )
    except RuntimeError as error:  # whatever stops the exporter, it raises one of these
        raise _refusal(run, error.__cause__ or error) from error
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # among them stack traces, with the paths of this machine
    program.model.metadata_props["model"] = digest
    return bytes(onnx_ir.to_proto(program.model).SerializeToString())


def _compared(run: Run, predictor: Predictor, content: bytes, items: list[Path]) -> tuple[int, float]:
    """On how many photos both were asked, and the largest difference of a probability."""
    import onnxruntime
    import torch

    def answer(batch: Tensor) -> Tensor:
        try:
            return torch.from_numpy(session.run(None, {"images": batch.numpy()})[0])
        except Exception as error:  # onnxruntime has a class for each of its codes, and none for all
            raise _refusal(run, error) from error

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _refusal(run, error) from error
    count, largest = 0, torch.zeros((), dtype=torch.float64)
    for batch in _batches(predictor, items):
        ours, theirs = predictor.logits(batch), answer(batch)
        if ours.shape != theirs.shape:
            raise _refusal(run, ValueError(f"{list(theirs.shape)} logits for {len(batch)} photos"))
        differences = (ours.double().softmax(1) - theirs.double().softmax(1)).abs()
        count, largest = count + len(batch), torch.maximum(largest, differences.max())
    if not count:
        raise BadInput(f"None of the validation photos of {run.name!r} is still there to try it on; put them back.")
    return count, float(largest)


def _refusal(run: Run, error: BaseException) -> BadInput:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:150].rstrip(" .")
    return BadInput(
        f"The architecture of {run.name!r} cannot be exported to ONNX ({reason}); use its model.safetensors."
    )


def _batches(predictor: Predictor, items: list[Path]) -> Iterator[Tensor]:
    """The photos that can still be read, prepared: [N, 3, H, W]."""
    import torch

    from core.data.photo import BadPhoto

    for start, end in ((0, 1), *((i, i + BATCH) for i in range(1, len(items), BATCH))):  # one alone is tried as well
        prepared = []
        for item in items[start:end]:
            try:
                prepared.append(predictor.prepare(item))
            except BadPhoto:
                continue
        if prepared:
            yield torch.stack(prepared)


def _digest(run: Run) -> str:
    """The SHA-256 of the weights that the run has now."""
    return str(read_json(run.folder / HASHES)[WEIGHTS])
