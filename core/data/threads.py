"""Threads that each prepare one photo at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Thread

import torch

_LOCK = Lock()


def photo_threads(number: int) -> ThreadPoolExecutor:
    """So many threads, in each of which torch works alone.

    By itself torch would divide each small step among threads of its own, which then wait where others work.
    """
    torch.get_num_threads()  # settles it for this thread
    return ThreadPoolExecutor(number, "photos", _work_alone)


def _work_alone() -> None:
    """Torch's number of threads belongs to the thread that sets it, but is also what later threads begin with.

    So another thread puts it back. One whose first use of torch falls between would go on alone too, only slower.
    """
    with _LOCK:
        others = torch.get_num_threads()
        torch.set_num_threads(1)
        restore = Thread(target=torch.set_num_threads, args=(others,))
        restore.start()
        restore.join()
