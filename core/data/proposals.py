"""What a plugin says of itself: how well it fits some photos, or what a person typed, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.recipe import Choice
from core.registry import Registry


@dataclass(frozen=True)
class Proposal:
    """Options of a plugin, how well they fit (0 to 1), and the reason, as a part of a sentence.

    One of score 0 cannot be used, and its reason is why.
    """

    options: dict[str, Any]
    score: float
    reason: str = ""


def proposals(registry: Registry[Any], *given: Any) -> list[tuple[Choice, Proposal]]:
    """What every plugin of a kind with a `proposes` says of itself for what is given, the best first.

    A source is given the text that a person typed; a labeller or a splitter the photos' names as labellers see them,
    and the folder that they are listed from.
    """
    found = [
        ({"name": entry.name, **proposal.options}, proposal)
        for entry in registry
        if (proposes := getattr(entry.factory, "proposes", None))
        for proposal in proposes(*given)
    ]
    return sorted(found, key=lambda one: -one[1].score)


def folders_of(name: Path, root: Path) -> tuple[str, ...]:
    """The folders from `root` to a photo; names in a zip start in it, wherever it was unpacked."""
    parts = name.parts
    top = root.parts
    return parts[len(top) : -1] if parts[: len(top)] == top else parts[:-1]
