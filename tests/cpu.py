"""How long something may compute, told alike on an idle and on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def takes_at_most(seconds: float) -> Iterator[None]:
    """Raises AssertionError where this process computed for longer; waiting does not count."""
    began = time.process_time()
    yield
    assert (taken := time.process_time() - began) < seconds, f"{taken:.1f} s"
