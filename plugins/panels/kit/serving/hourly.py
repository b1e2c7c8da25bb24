"""How much each address has taken in the last hour."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from threading import Lock

MINUTES = 60
REMEMBERED = 5_000  # addresses


class Hourly:
    """Bytes by address, minute by minute, of the last hour."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[str, deque[list[int]]] = OrderedDict()  # (minute, bytes in it)
        self._lock = Lock()

    def take(self, address: str, size: int, limit: int | None) -> bool:
        """Count `size` more, unless it would be more than `limit` then."""
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
