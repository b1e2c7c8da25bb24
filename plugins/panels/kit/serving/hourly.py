"""A quota of bytes per address and hour."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from threading import Lock

MINUTES = 60
REMEMBERED = 5_000  # addresses


class Hourly:
    """The bytes that each address has used in the last hour, counted by minute."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[str, deque[list[int]]] = OrderedDict()  # (minute, bytes in it)
        self._lock = Lock()

    def take(self, address: str, size: int, limit: int | None) -> bool:
        """Add `size` bytes and return True, or return False if that would exceed `limit`."""
        minute = int(time.monotonic() // 60)
        with self._lock:
            known = self._minutes.setdefault(address, deque(maxlen=MINUTES))
            if limit is not None and sum(n for then, n in known if then > minute - MINUTES) + size > limit:
                return False
            if known and known[-1][0] == minute:
                known[-1][1] += size
            else:
                known.append([minute, size])
            self._minutes.move_to_end(address)
            while len(self._minutes) > REMEMBERED:
                self._minutes.popitem(last=False)
        return True
