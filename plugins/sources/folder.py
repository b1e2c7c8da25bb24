"""Photos that already lie in a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from core.data.files import get_image_files
from core.data.proposals import Proposal
from core.errors import BadInput
from core.registry import sources


@sources.register("folder")
class FolderSource:
    """The photos in a folder of this machine, its sub-folders included; nothing in it is changed."""

    for_visitors = True  # in a folder of their own
    title, looks_like = "", "a folder of this computer"
    get_items = staticmethod(get_image_files)

    def __init__(self, workspace: Path, /, path: Annotated[str, "The folder that holds the photos"]) -> None:
        if not str(path).strip():  # Path("") is the current folder, which nobody means
            raise BadInput("The folder's path is empty; give the folder that holds the photos.")
        self.workspace, self.root = workspace, Path(os.path.expanduser(path))

    def __call__(self) -> Sequence[Path]:
        return self.get_items(self.root, workspace=self.workspace)

    @classmethod
    def proposes(cls, text: str) -> Iterator[Proposal]:
        """For what no other source knows: any text can be a path."""
        yield Proposal({"path": text}, 0.1)
