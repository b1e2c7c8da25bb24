"""Export with `torch.export`: graph and weights, which torch runs without this project's code or timm."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from core.registry import exporters

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor


@exporters.register("torch_export")
class TorchExporter:
    """Exports model.pt2, which `torch.export.load` reads without this project or timm."""

    format, file = "torch.export", "model.pt2"

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The exported program as bytes, for any batch size, with the entries of `about` as extra files."""
        import torch

        images = torch.zeros(2, 3, *predictor.views[-1].size)  # a batch of 1 would fix N
        model = copy.deepcopy(predictor.architecture.model).to(memory_format=torch.contiguous_format)  # to save
        program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("N")},))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # contains paths of this machine
        stream = io.BytesIO()
        torch.export.save(program, stream, extra_files=dict(about))
        return stream.getvalue()

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """The function from images [N, 3, H, W] to logits [N, C] of an exported program."""
        import torch

        model = torch.export.load(io.BytesIO(content)).module()

        def logits(images: Tensor) -> Tensor:
            with torch.inference_mode():
                return model(images)  # type: ignore[no-any-return]

        return logits
