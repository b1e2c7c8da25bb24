"""Export to ONNX, which most inference runtimes read."""

from core.publish.onnx import Onnx
from core.registry import exporters


@exporters.register("onnx")
class OnnxExporter(Onnx):
    """Exports model.onnx, which runs without torch; a Space uses it."""
