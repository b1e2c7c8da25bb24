"""Export to OpenVINO, which is fast on Intel's processors, graphics and NPUs."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.publish.onnx import needed
from core.registry import exporters

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

GRAPH, WEIGHTS = "model.xml", "model.bin"


@exporters.register("openvino")
class OpenVinoExporter:
    """Exports model.openvino.zip, with the model.xml and model.bin that `openvino.Core().read_model` reads."""

    format, file = "OpenVINO", "model.openvino.zip"

    def __init__(self) -> None:
        self.openvino = needed("openvino", "plugins/exporters/requirements-openvino.txt")

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The zip of the graph and its weights in float32, for any batch size; `about` is in its runtime info."""
        import torch

        images = torch.zeros(2, 3, *predictor.views[-1].size)  # a batch of 1 would fix N
        model = predictor.architecture.model.to(memory_format=torch.contiguous_format)
        program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("N")},))
        graph = self.openvino.convert_model(program, input=[(-1, *images.shape[1:])])
        graph.inputs[0].set_names({"images"})
        graph.outputs[0].set_names({"logits"})
        for name, value in about.items():
            graph.set_rt_info(value, ["presize", name])
        with tempfile.TemporaryDirectory() as folder, io.BytesIO() as stream:
            self.openvino.save_model(graph, Path(folder, GRAPH), compress_to_fp16=False)
            with zipfile.ZipFile(stream, "w") as archive:
                for name in (GRAPH, WEIGHTS):
                    archive.write(Path(folder, name), name)
            return stream.getvalue()

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """The model on the CPU, calculating in float32 also where the processor has shorter numbers."""
        import torch

        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            graph = self.openvino.Core().read_model(archive.read(GRAPH), archive.read(WEIGHTS))
        model = self.openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda images: torch.from_numpy(model(images.numpy())["logits"].copy())
