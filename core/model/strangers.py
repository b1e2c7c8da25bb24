"""Strangers: how far a photo is from those a model was trained on, by the model's own features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor, tensor
from torch.nn.functional import normalize

MAX_BYTES = 1_000_000  # of vectors in a model folder


@dataclass(frozen=True)
class Strangers:
    """Features of some training photos, normalised [M, D], and the distance beyond which a photo is a stranger.

    The distance is the cosine distance to the `neighbours`-th nearest of them.
    """

    known: Tensor
    neighbours: int
    threshold: float

    def distances(self, features: Tensor) -> Tensor:
        """The distance [N] of photos with features [N, D], relative to the threshold: a stranger's is above 1."""
        known = self.known.to(features.device)
        near = (normalize(features.float(), dim=1) @ known.float().T).topk(self.neighbours, dim=1).values[:, -1]
        return (1 - near) / self.threshold

    def to_bytes(self) -> bytes:
        """The content of a safetensors file, half precision."""
        numbers = {"neighbours": tensor(self.neighbours), "threshold": tensor(self.threshold)}
        return save({"known": self.known.half().contiguous(), **numbers})

    @classmethod
    def from_file(cls, file: Path) -> Strangers:
        """The content of a file; raises OSError, or ValueError unless it is valid."""
        if file.stat().st_size > 2 * MAX_BYTES:
            raise ValueError(f"{file.name} is larger than {2 * MAX_BYTES / 1e6:.0f} MB")
        tensors = load(file.read_bytes())
        if set(tensors) != {"known", "neighbours", "threshold"} or tensors["known"].ndim != 2:
            raise ValueError(f"{file.name} has other tensors than it should have")
        known, neighbours, threshold = tensors["known"], tensors["neighbours"].item(), tensors["threshold"].item()
        if not (known.isfinite().all() and 1 <= neighbours <= len(known) and 0 < threshold < 3):
            raise ValueError(f"{file.name} has values that are out of range")
        return cls(known, int(neighbours), threshold)
