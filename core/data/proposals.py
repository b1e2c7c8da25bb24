"""Proposals of plugins: how well each fits some photos, or a text that a user typed, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.recipe import Choice
from core.registry import Registry


@dataclass(frozen=True)
class Proposal:
    """Options of a plugin, how well they fit (0 to 1), and the reason, as part of a sentence.

    A proposal with score 0 cannot be used, and `reason` says why; one `by_hand` is used if there is no other, as
    people will give the labels.
    """

    options: dict[str, Any]
    score: float
    reason: str = ""
    by_hand: bool = False


def proposals(registry: Registry[Any], *given: Any) -> list[tuple[Choice, Proposal]]:
    """The proposals of every plugin in a registry that has `proposes`, best first.

    `given` is the text that a user typed for a source; the photos' names as labellers get them and the folder that
    they are listed from, for a labeller or a splitter.
    """
    found = [
        ({"name": entry.name, **proposal.options}, proposal)
        for entry in registry
        if (proposes := getattr(entry.factory, "proposes", None))
        for proposal in proposes(*given)
    ]
    return sorted(found, key=lambda one: -one[1].score)


def folders_of(name: Path, root: Path) -> tuple[str, ...]:
    """The folder names from `root` to a photo; names in a zip are relative already."""
    parts = name.parts
    top = root.parts
    return parts[len(top) : -1] if parts[: len(top)] == top else parts[:-1]
