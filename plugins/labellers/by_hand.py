"""No labels but those that people give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.data.proposals import Proposal
from core.errors import BadInput
from core.registry import labellers


@labellers.register("by_hand")
class ByHandLabeller:
    """Leaves the labels to people, who give them in the app or with the command labels."""

    title = "People, one by one"

    def __call__(self, path: Path | str) -> str:
        raise BadInput("It has no label yet.")

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes itself for photos for which no other labeller finds labels."""
        yield Proposal({}, 0, "label them by hand", by_hand=True)
