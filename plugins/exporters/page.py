"""Export to a page that predicts in the visitor's browser: a folder for any web server, and the same as a zip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from core.atomic import write_atomic
from core.events import drain
from core.publish.make_page import make_page
from core.publish.onnx import ONNX, Onnx
from core.publish.page import TITLE, zipped
from core.registry import exporters
from core.runs.run import Run


@exporters.register("page")
class PageExporter(Onnx):
    """Exports page/, which any web server shows and which predicts without one, and the same as page.zip."""

    file = f"page/{ONNX}"

    def __init__(
        self,
        title: Annotated[str, "What the page is called"] = TITLE,
        examples: Annotated[bool, "Show some of your validation photos, without their names"] = False,
        runtime: Annotated[str, "A `node_modules` with what the page needs; fetched by npm if empty"] = "",
        untried: Annotated[bool, "Do not try the page in a browser of this machine first"] = False,
    ) -> None:
        super().__init__()
        self.title, self.examples, self.untried = title, examples, untried
        self.runtime = Path(runtime).expanduser() if runtime else None

    def finish(self, run: Run, file: Path) -> str:
        """Put the page around the model in `file`; raises BadInput if a browser shows other answers."""
        making = make_page(run, file.read_bytes(), self.title, self.examples, self.untried, self.runtime)
        files, rehearsal = drain(making)
        for name, content in files.items():
            (file.parent / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file.parent / name, content)
        archive = file.parent.with_suffix(".zip")
        write_atomic(archive, zipped(files, file.parent.name))
        tried = str(rehearsal) if rehearsal else "It was not tried in a browser."
        return f"{archive}: {archive.stat().st_size / 1e6:.1f} MB. {tried}"
