"""Photos from a local folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from core.data.files import get_image_files
from core.data.proposals import Proposal
from core.errors import BadInput, quoted
from core.registry import sources


@sources.register("folder")
class FolderSource:
    """Reads photos from a local folder and its sub-folders, without changing anything in them."""

    for_visitors = True  # only in a visitor's own folder
    title, looks_like = "", "a folder of this computer"
    get_items = staticmethod(get_image_files)

    def __init__(self, workspace: Path, /, path: Annotated[str, "The folder that holds the photos"]) -> None:
        if not str(path).strip():  # Path("") is the current folder
            raise BadInput("The folder's path is empty; give the folder that holds the photos.")
        self.workspace, self.root = workspace, Path(os.path.expanduser(path))

    def __call__(self) -> Sequence[Path]:
        return self.get_items(self.root, workspace=self.workspace)

    @classmethod
    def proposes(cls, text: str) -> Iterator[Proposal]:
        """Proposes any text as a path, with a low score."""
        yield Proposal({"path": text}, 0.1, f"photos from the folder {quoted(text)}")
