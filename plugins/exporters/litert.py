"""Export to LiteRT, which was called TensorFlow Lite: phones and small boards run it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from core.publish.onnx import needed
from core.registry import exporters

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

REQUIREMENTS = "plugins/exporters/requirements-litert.txt"


@exporters.register("litert")
class LiteRTExporter:
    """Exports model.tflite, which takes one photo at a time; its packages take 1 GB, and it a minute."""

    format, file = "LiteRT", "model.tflite"

    def __init__(self) -> None:
        self.litert_torch = needed("litert_torch", REQUIREMENTS)
        self.interpreter = needed("ai_edge_litert.interpreter", REQUIREMENTS)

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The graph for one photo [1, 3, H, W]; the format has no place for `about`."""
        import torch

        model = predictor.architecture.model.to(memory_format=torch.contiguous_format)
        photo = torch.zeros(1, 3, *predictor.views[-1].size)
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):  # it prints what it does
            file = Path(folder, "model.tflite")
            self.litert_torch.convert(model, (photo,)).export(str(file))
            return file.read_bytes()

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """LiteRT's interpreter, one photo after another."""
        import torch

        run = self.interpreter.Interpreter(model_content=content).get_signature_runner()
        (image,), (logits,) = run.get_input_details(), run.get_output_details()
        return lambda images: torch.cat([torch.from_numpy(run(**{image: one[None].numpy()})[logits]) for one in images])
