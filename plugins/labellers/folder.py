"""The label is the folder's name: `cats/1.jpg` is one of `cats`."""

from __future__ import annotations

from pathlib import Path

from core.errors import BadInput, quoted
from core.registry import labellers

__all__ = ["FolderLabeller", "parent_label"]


def parent_label(o: Path | str) -> str:
    """The name of the folder that `o` lies in."""
    return (Path(o) if isinstance(o, str) else o).parent.name


@labellers.register("folder")
class FolderLabeller:
    """The name of the folder that the photo lies in."""

    def __call__(self, path: Path | str) -> str:
        if label := parent_label(path):
            return label
        raise BadInput(f"{quoted(str(path))} lies in no folder that could name it; put each class into its own.")

    def span(self, path: Path | str) -> tuple[str, int, int]:
        """The folder and the file's name, and where the label begins and ends in it; raises BadInput."""
        label = self(path)
        return f"{label}/{Path(path).name}", 0, len(label)
