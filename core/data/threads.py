"""Thread pools for decoding and preparing photos."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Thread

import torch

_LOCK = Lock()


def photo_threads(number: int) -> ThreadPoolExecutor:
    """A pool of `number` threads, in each of which torch uses a single thread.

    By default torch would split each small operation among its own threads, which would compete with these.
    """
    torch.get_num_threads()  # fixes the number for this thread
    return ThreadPoolExecutor(number, "photos", _work_alone)


def _work_alone() -> None:
    """Set torch's number of threads to 1 in this thread, and restore the default for new threads from another one.

    A thread that first uses torch in between also gets a single thread, which only makes it slower.
    """
    with _LOCK:
        others = torch.get_num_threads()
        torch.set_num_threads(1)
        restore = Thread(target=torch.set_num_threads, args=(others,))
        restore.start()
        restore.join()
