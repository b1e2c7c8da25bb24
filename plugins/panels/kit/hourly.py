"""How much each address has taken in the last hour."""

from __future__ import annotations

import time
from collections import OrderedDict, deque

MINUTES = 60
REMEMBERED = 5_000  # addresses


class Hourly:
    """Bytes by address, minute by minute, of the last hour."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[str, deque[list[int]]] = OrderedDict()  # (minute, bytes in it)

    def add(self, address: str, size: int) -> None:
        """Count `size` more."""
        minute, known = int(time.monotonic() // 60), self._minutes.setdefault(address, deque(maxlen=MINUTES))
        if known and known[-1][0] == minute:
            known[-1][1] += size
        else:
            known.append([minute, size])
        self._minutes.move_to_end(address)
        while len(self._minutes) > REMEMBERED:
            self._minutes.popitem(last=False)

    def of(self, address: str) -> int:
        """Bytes of an address in the last hour."""
        oldest = time.monotonic() // 60 - MINUTES
        return sum(size for minute, size in self._minutes.get(address, ()) if minute > oldest)
