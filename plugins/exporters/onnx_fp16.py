"""Export to ONNX with half-precision weights: half the size."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from core.publish.onnx import Onnx, needed
from core.registry import Range, exporters

if TYPE_CHECKING:  # torch takes seconds to import
    from core.model.predictor import Predictor


@exporters.register("onnx_fp16")
class OnnxFp16Exporter(Onnx):
    """Exports model.fp16.onnx, half as large; its inputs and outputs stay float32."""

    format, file = "ONNX in fp16", "model.fp16.onnx"

    def __init__(
        self, max_loss: Annotated[float, "Share of validation accuracy that rounding may cost", Range(0, 0.5)] = 0.01
    ) -> None:
        super().__init__()
        self.max_loss = max_loss

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The graph of the ONNX export with float16 weights and operations."""
        import onnx

        float16 = needed("onnxconverter_common.float16")
        model = onnx.load_from_string(super().convert(predictor, about))
        with warnings.catch_warnings():  # one for each tiny weight that becomes 0
            warnings.simplefilter("ignore")
            halved = float16.convert_float_to_float16(model, keep_io_types=True)
        return bytes(halved.SerializeToString())
