"""Photos for a DataBlock, with the labels and the split that a run would use after what people said about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from core.data.labelled import read_labels
from core.data.split import Splitter
from core.events import drain


class CorrectedPhotos(Sequence[Path]):
    """The labelled photos that nobody left out, by the labeller and the journal of a workspace.

    It is the source of a DataBlock, whose `get_y` and `splitter` are methods of it. `original` gives the path by which
    labeller and splitter know a photo, if it has another. Raises BadInput.
    """

    def __init__(
        self,
        items: Iterable[Path],
        labeller: Callable[[Path], str],
        splitter: Splitter,
        workspace: str | Path,
        original: Callable[[Path], Path] | None = None,
    ) -> None:
        photos = drain(read_labels(items, labeller, Path(workspace), original))
        self.split = photos.split(splitter, photos.wanted)
        self._labels = dict(zip(self.split.items, self.split.labels, strict=True))

    def __len__(self) -> int:
        return len(self.split.items)

    def __getitem__(self, index: Any) -> Any:
        return self.split.items[index]

    def get_y(self, item: Path) -> str:
        """The label of one of the photos."""
        return self._labels[item]

    def splitter(self, items: Sequence[Path]) -> tuple[list[int], list[int]]:
        """The indices of the photos for training and for validation."""
        return self.split.train, self.split.valid
