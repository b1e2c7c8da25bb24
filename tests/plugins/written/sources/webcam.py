"""The pictures that a webcam's program leaves in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from core.data.files import get_image_files
from core.data.proposals import Proposal
from core.registry import Range, sources


@sources.register("webcam")
class WebcamSource:
    """The newest pictures of a webcam's folder, its sub-folders included."""

    title, looks_like = "Webcam folder", "a folder named webcam"

    def __init__(
        self,
        workspace: Path,
        /,
        path: Annotated[str, "The folder that the webcam's program writes to"],
        newest: Annotated[int, "Number of newest pictures to use; 0: all", Range(0, 100_000)] = 0,
    ) -> None:
        self.workspace, self.root, self.newest = workspace, Path(path).expanduser(), newest

    def __call__(self) -> Sequence[Path]:
        pictures = get_image_files(self.root, workspace=self.workspace)
        return sorted(pictures, key=lambda picture: picture.stat().st_mtime)[-self.newest :]

    @classmethod
    def proposes(cls, text: str) -> Iterator[Proposal]:
        """For a folder of that name."""
        if "webcam" in Path(text).name.lower():
            yield Proposal({"path": text}, 0.5, f"{text} is named after a webcam")
