"""The random states of Python and NumPy as JSON; torch's are tensors."""

from __future__ import annotations

import random
from typing import Any

import numpy as np


def random_document() -> list[Any]:
    """The states, for JSON."""
    return [random.getstate(), _plain(np.random.get_state(legacy=False))]


def restore_random(document: list[Any]) -> None:
    """Restore `random_document()`."""
    python, numpy_state = document
    random.setstate((python[0], tuple(python[1]), python[2]))
    np.random.set_state(numpy_state)


def _plain(state: Any) -> Any:
    """NumPy's random state with lists instead of arrays."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state
