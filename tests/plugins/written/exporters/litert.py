"""LiteRT, which was called TensorFlow Lite: phones and small boards run it."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from core.errors import BadInput
from core.model.predictor import Predictor
from core.registry import exporters


@exporters.register("litert")
class LiteRTExporter:
    """One file model.tflite, which takes one photo at a time; needs the package litert-torch."""

    format, file = "LiteRT", "model.tflite"

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The graph for one photo [1, 3, H, W]; raises BadInput where the package is missing."""
        try:
            import litert_torch
        except ImportError:
            raise BadInput("The export to LiteRT needs a package; `pip install litert-torch`.") from None
        model = predictor.architecture.model.to(memory_format=torch.contiguous_format)
        with tempfile.TemporaryDirectory() as folder:
            litert_torch.convert(model, (torch.zeros(1, 3, *predictor.views[-1].size),)).export(f"{folder}/model")
            return Path(folder, "model").read_bytes()

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """LiteRT's interpreter, one photo after another."""
        from ai_edge_litert.interpreter import Interpreter

        run = Interpreter(model_content=content).get_signature_runner()
        (image,), (logits,) = run.get_input_details(), run.get_output_details()
        return lambda images: torch.cat([torch.from_numpy(run(**{image: one[None].numpy()})[logits]) for one in images])
