"""Children: forked processes that carry out a run, with a fault in them. POSIX alone."""

from __future__ import annotations

import faulthandler
import io
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch

from core.__main__ import main
from core.errors import BadInput
from core.events import Event, StepEnded
from core.runs import checkpoint
from core.runs.record import Log
from core.runs.run import CREATED, Run

Watch = Callable[[Event], None]


@dataclass
class Ended:
    """How a child ended: the signal that killed it, or its exit code; and what it wrote to stderr."""

    signal: int
    code: int
    said: str

    @property
    def sentence(self) -> bool:
        """Whether it failed as a command should: code 2, and one sentence."""
        return self.code == 2 and self.said.count("\n") == 0 and self.said.endswith(".")


class Child:
    """A fork of this process, which has torch already, so that a child begins in milliseconds."""

    def __init__(self, body: Callable[[], int]) -> None:
        self._said, told = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._said)
            _live(body, told)
        os.close(told)

    def ended_within(self, seconds: float) -> bool:
        """Whether it has ended after `seconds`."""
        time.sleep(seconds)
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self) -> Ended:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> Ended:
        """How it ended, once it has."""
        with os.fdopen(self._said, "rb") as pipe:
            said = pipe.read().decode(errors="replace")
        status = os.waitpid(self.pid, 0)[1]
        killed = os.WIFSIGNALED(status)
        return Ended(os.WTERMSIG(status) if killed else 0, 0 if killed else os.WEXITSTATUS(status), said)


def _live(body: Callable[[], int], told: int) -> None:
    """The life of a child; it never returns."""
    code, said = 1, ""
    try:
        faulthandler.disable()  # a crash is what is wanted here
        sys.unraisablehook = sys.__unraisablehook__  # pytest's would hide what is said at the end of a generator
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        torch.set_num_threads(1)
        torch.cuda.is_available = lambda: False  # a fork cannot use a GPU that its parent has used
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as stderr:
            code = body()
        said = stderr.getvalue().strip().removeprefix("error: ")
    except BadInput as error:
        code, said = 2, str(error)
    except BaseException:
        said = traceback.format_exc()
    finally:
        os.write(told, said.encode()[-60_000:])  # what a pipe holds
        os._exit(code)


def going(run: Run, watch: Watch | None = None, *faults: Callable[[], Any]) -> Callable[[], int]:
    """`python -m core train RUN` or `resume RUN`; `watch` sees each event when it is in the log."""

    def body() -> int:
        for fault in faults:
            fault()
        if watch:
            write = Log.write

            def written(log: Log, event: Event) -> Event:
                event = write(log, event)
                watch(event)
                return event

            Log.write = written  # type: ignore[method-assign]
        verb = "train" if run.status == CREATED else "resume"
        return main([verb, str(run.folder), "--workspace", str(run.workspace)])

    return body


def carry_out(run: Run, watch: Watch | None = None, *faults: Callable[[], Any]) -> Ended:
    """Train, or go on, in a child to its end."""
    return Child(going(run, watch, *faults)).wait()


def after_step(k: int, act: Callable[[], Any]) -> Watch:
    """Do something once `k` steps of this life of the run have ended."""
    left = [k]

    def watch(event: Event) -> None:
        if isinstance(event, StepEnded):
            left[0] -= 1
            if left[0] == 0:
                act()

    return watch


def die() -> None:
    """End this process at once, with nothing tidied up; what the system holds for the disk is not lost."""
    os.kill(os.getpid(), signal.SIGKILL)


def save_at_each_step() -> None:
    """The rule of checkpoints, as if they cost nothing."""
    checkpoint.INTERVAL_FACTOR = 0


def save_once() -> None:
    """The first checkpoint is written, and no other before the end."""
    checkpoint.INTERVAL_FACTOR, checkpoint.MAX_INTERVAL = 10**9, 1e9
