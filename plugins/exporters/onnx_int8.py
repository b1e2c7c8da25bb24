"""Export to ONNX with 8-bit weights and activations: a quarter of the size, and faster on most CPUs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from core.errors import BadInput
from core.publish.onnx import Onnx
from core.registry import Range, exporters
from core.runs.history import training_photos

if TYPE_CHECKING:  # torch takes seconds to import
    from core.model.predictor import Predictor
    from core.runs.run import Run

BATCH = 8  # photos of the calibration at once


@exporters.register("onnx_int8")
class OnnxInt8Exporter(Onnx):
    """Exports model.int8.onnx, a quarter as large, quantized by the activations of some training photos."""

    format, file = "ONNX in int8", "model.int8.onnx"

    def __init__(
        self,
        photos: Annotated[int, "Training photos by which the activations are measured", Range(1, 10_000)] = 100,
        max_loss: Annotated[float, "Share of validation accuracy that rounding may cost", Range(0, 0.5)] = 0.02,
    ) -> None:
        super().__init__()
        self.photos, self.max_loss, self.observed = photos, max_loss, list[Any]()

    def observe(self, run: Run, predictor: Predictor) -> None:
        """Prepare evenly chosen training photos of the run; raises BadInput if none is left."""
        files = training_photos(run)
        chosen = files[:: max(1, len(files) // self.photos)][: self.photos]
        identity = predictor.predict_many(chosen, logits=lambda images: images)
        self.observed = [image.numpy() for _, image in identity if not isinstance(image, Exception)]
        if not self.observed:
            raise BadInput(f"None of the training photos of {run.name!r} is left to measure activations by.")

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The quantized graph of the ONNX export, with scales per channel."""
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Reader(CalibrationDataReader):  # type: ignore[misc]
            def __init__(self, photos: list[Any]) -> None:
                self.batches = _batches(photos)

            def get_next(self) -> dict[str, Any] | None:
                """A batch of photos, or None at the end."""
                return next(self.batches, None)

        with tempfile.TemporaryDirectory() as folder:
            whole, ready, small = (Path(folder, f"{name}.onnx") for name in ("whole", "ready", "small"))
            whole.write_bytes(super().convert(predictor, about))
            quant_pre_process(whole, ready, skip_symbolic_shape=True)
            quantize_static(ready, small, Reader(self.observed), quant_format=QuantFormat.QDQ, per_channel=True)
            model = onnx.load(small)
        onnx.helper.set_model_props(model, dict(about))
        return bytes(model.SerializeToString())


def _batches(photos: list[Any]) -> Iterator[dict[str, Any]]:
    import numpy as np

    for start in range(0, len(photos), BATCH):
        yield {"images": np.stack(photos[start : start + BATCH])}
