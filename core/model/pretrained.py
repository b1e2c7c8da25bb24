"""The weights that a network starts with: their license, and whether they have to be downloaded first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from core.registry import architectures

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Weights:
    """Weights with their license, "" if it is not said.

    `comes` is "installed" if a package brings them, else what the download takes, such as "45 MB to download".
    """

    license: str = ""
    comes: str = "installed"
    here: bool = True


def downloads(license: str, size: str, here: bool) -> Weights:
    """Weights that are downloaded when they are first used."""
    return Weights(license, "downloaded already" if here else f"{size} to download", here)


def starts_from(tell: Callable[[Mapping[str, Any]], Weights | None]) -> Callable[[F], F]:
    """Decorator of an architecture: `tell` says for a recipe's choice of it which pretrained weights it takes."""

    def decorate(factory: F) -> F:
        factory.weights = tell  # type: ignore[attr-defined]
        return factory

    return decorate


def pretrained_of(choice: Mapping[str, Any]) -> Weights | None:
    """The pretrained weights of a recipe's choice; None for random ones, or if its plugin says nothing."""
    tell = getattr(architectures[choice["name"]].factory, "weights", None)
    return tell(choice) if tell and choice.get("pretrained", True) else None
