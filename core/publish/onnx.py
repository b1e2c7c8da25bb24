"""Export to ONNX, which Spaces run without torch."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
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
MAX_ONNX_BYTES = 1_900_000_000  # one ONNX file is limited to 2 GiB


def can_export() -> bool:
    """Whether the packages that the export needs are installed."""
    return all(find_spec(package) for package in NEEDS)


def export_onnx(run: Run) -> Exported:
    """Export the run's model.onnx, float32 `images` [N, 3, H, W] to `logits` [N, C]; raises BadInput as `export`.

    A model that knows strangers also has `features` [N, D].
    """
    return export(run, Onnx())


def onnx_is_current(run: Run) -> bool:
    """Whether the run has an undamaged model.onnx of its current model, by its hashes."""
    try:
        return bool(read_json(run.folder / HASHES)[ONNX] == sha256(run.folder / ONNX))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def needed(module: str, requirements: str = "core/publish/requirements-onnx.txt") -> ModuleType:
    """A module that an export needs; raises BadInput, naming the file of its requirements, if it is missing."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise BadInput(f"The export needs the package {package!r}; `pip install -r {requirements}`.") from None


class Onnx:
    """The ONNX exporter; raises BadInput if a package is missing."""

    format, file = "ONNX", ONNX

    def __init__(self) -> None:
        for package in NEEDS:
            needed(package)

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The bytes of the ONNX file, with `about` as metadata and no paths of this machine."""
        import onnx_ir
        import torch
        from onnx_ir.passes.common import ClearMetadataAndDocStringPass

        from core.model.head import WithFeatures

        model, outputs = predictor.architecture.model, ["logits"]
        if predictor.strangers:
            model, outputs = WithFeatures(model, 1.0).eval(), ["logits", "features"]
        if (size := sum(tensor.nbytes for tensor in model.state_dict().values())) > MAX_ONNX_BYTES:
            raise BadInput(
                f"The model has {size / 1e9:.1f} GB of weights, but an ONNX file holds 1.9; train a smaller model."
            )
        images = torch.zeros(2, 3, *predictor.views[-1].size)  # with 1 photo, N would become a constant
        silence = io.StringIO()  # torch's exporter prints the model when it fails
        with redirect_stdout(silence), redirect_stderr(silence):
            program = torch.onnx.export(
                model,
                (images,),
                input_names=["images"],
                output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim("N")},),
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        ClearMetadataAndDocStringPass()(program.model)  # it contains stack traces with paths of this machine
        program.model.metadata_props.update(about)
        return bytes(onnx_ir.to_proto(program.model).SerializeToString())

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """The model in onnxruntime on the CPU."""
        import onnxruntime
        import torch

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
