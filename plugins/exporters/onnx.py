"""ONNX, which most programs that run networks can read."""

from core.publish.onnx import Onnx
from core.registry import exporters


@exporters.register("onnx")
class OnnxExporter(Onnx):
    """One file model.onnx, which answers without torch; a Space runs on it."""
