"""The format ONNX, which answers without torch: a Space runs on it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from core.atomic import sha256
from core.errors import BadInput
from core.model.file_names import HASHES, read_json
from core.publish.export import Exported, export
from core.runs.run import Run

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

ONNX = "model.onnx"
NEEDS = ("onnx", "onnxscript", "onnxruntime")
MAX_BYTES = 1_900_000_000  # one file of ONNX cannot hold 2 GiB


def can_export() -> bool:
    """Whether what the export needs is installed."""
    return all(find_spec(package) for package in NEEDS)


def export_onnx(run: Run) -> Exported:
    """Write the run's model.onnx, float32 `images` [N, 3, H, W] to `logits` [N, C]; raises BadInput as `export`."""
    return export(run, Onnx())


def onnx_is_current(run: Run) -> bool:
    """Whether there is a model.onnx, whole, made from the model that the run has now: a new one brings new hashes."""
    try:
        return bool(read_json(run.folder / HASHES)[ONNX] == sha256(run.folder / ONNX))
    except (OSError, ValueError, KeyError, TypeError):
        return False


class Onnx:
    """The exporter; raises BadInput where a package is missing."""

    format, file = "ONNX", ONNX

    def __init__(self) -> None:
        for package in NEEDS:
            try:
                import_module(package)
            except ImportError:
                raise BadInput(
                    f"The export needs the package {package!r}; `pip install -r core/publish/requirements-onnx.txt`."
                ) from None

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The bytes of one file, which says of which weights it is and nothing of this machine."""
        import onnx_ir
        import torch
        from onnx_ir.passes.common import ClearMetadataAndDocStringPass

        model = predictor.architecture.model
        if (size := sum(tensor.nbytes for tensor in model.state_dict().values())) > MAX_BYTES:
            raise BadInput(f"The model has {size / 1e9:.1f} GB of weights, and one file of ONNX holds 1.9 at most.")
        images = torch.zeros(2, 3, *predictor.views[-1].size)  # of 1 photo, N would be taken as fixed
        silence = io.StringIO()  # where it fails, torch's exporter also prints the model
        with redirect_stdout(silence), redirect_stderr(silence):
            program = torch.onnx.export(
                model,
                (images,),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("N")},),
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        ClearMetadataAndDocStringPass()(program.model)  # among them stack traces, with the paths of this machine
        program.model.metadata_props.update(about)
        return bytes(onnx_ir.to_proto(program.model).SerializeToString())

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """The file in onnxruntime, on the CPU."""
        import onnxruntime
        import torch

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
