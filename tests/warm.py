"""Programs forked off a process that has imported their libraries, which takes a processor 8 seconds."""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import multiprocessing.context
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver as _forkserver
from multiprocessing import reduction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from core.environment import SECRETS_FD

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ["gradio", "torch", "torch._dynamo", "torchvision", "timm", "safetensors.torch"]
PAUSE = "PRESIZE_TEST_PAUSE"  # a run that is watched sleeps so many seconds after each epoch, and takes no processor
AT_IMPORT = ("HF_ENDPOINT", "HF_HOME", "OAUTH_CLIENT_ID")  # libraries keep what they were then

_server: Any = _forkserver._forkserver  # type: ignore[attr-defined]


def forkserver() -> multiprocessing.context.ForkServerContext:
    """What forks off that process, which a worker starts once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    _server.ensure_running()
    return context


class Forked:
    """What `subprocess.Popen` gives of `python app.py ARGUMENTS` or `python -m MODULE ARGUMENTS`, with what tests use.

    Its arguments and variables are not in /proc. With `forks_runs` this is so for all that an app starts, too.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: str | Path = ROOT,
        stdout: Any = subprocess.DEVNULL,
        start_new_session: bool = False,
        forks_runs: bool = False,
    ) -> None:
        self.args = list(command)
        with open(os.devnull, "wb") as nowhere:
            output = _Stream(nowhere if stdout == subprocess.DEVNULL else stdout)
            context = forkserver()
            address = _server._forkserver_address if forks_runs else None
            given = (self.args, dict(env), cwd, output, start_new_session, address)
            self._process = context.Process(target=_run, args=given)
            self._process.start()
        multiprocessing.process._children.discard(self._process)  # type: ignore[attr-defined]  # or its end is waited for
        assert self._process.pid
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; raises as `subprocess` does."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


class _Stream:
    """An open file that goes along."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _taken, (reduction.DupFd(self.file.fileno()),)


def _taken(passed: Any) -> int:
    return int(passed.detach())


def _run(command: list[str], variables: dict[str, str], cwd: Path, output: int, is_leader: bool, address: Any) -> None:
    """Become the program that the command starts."""
    if is_leader:
        os.setsid()
    os.chdir(cwd)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # in place of multiprocessing's, of nothing
    beside = any(part.startswith("plugins.") for part in command)  # it would end with its input
    nothing = os.pipe()[0] if beside else os.open(os.devnull, os.O_RDONLY)
    for stream, file in ((0, nothing), (1, output), (2, output)):
        os.dup2(file, stream)
    is_other = any(variables.get(name) != os.environ.get(name) for name in AT_IMPORT)
    os.environ.clear()
    os.environ.update(variables)
    if is_other:
        os.execv(sys.executable, command)
    tempfile.tempdir = None
    importlib.reload(importlib.import_module("huggingface_hub.constants"))
    read, write = os.pipe()  # as `hide_secrets` leaves it, which would start the program anew
    os.write(write, b"{}")
    os.close(write)
    os.environ[SECRETS_FD] = str(read)
    sys.orig_argv = command
    if address:
        _server._forkserver_address = address  # its runs are forked off the same process,
        _server.ensure_running = lambda: None  # which is not its child
        from core.runs import start
        from plugins.panels.kit.insight import process

        start.subprocess = process.subprocess = FORKED  # type: ignore[attr-defined]
    if pause := float(variables.get(PAUSE, 0)):
        _pause(pause)
    program, *arguments = command[1:] if command[1] != "-P" else command[2:]
    try:
        if program == "-m":
            sys.argv = arguments
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [program, *arguments]
            runpy.run_path(program, run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # which `multiprocessing` leaves out


def _pause(seconds: float) -> None:
    """Let a run sleep after each epoch, and a tenth of that after each rate that is tried."""
    from core.events import EpochEnded, Event, LearningRateTried
    from core.runs.record import Log

    write, seconds_after = Log.write, {EpochEnded: seconds, LearningRateTried: seconds / 10}

    def written(log: Log, event: Event) -> Event:
        event = write(log, event)
        time.sleep(seconds_after.get(type(event), 0))
        return event

    Log.write = written  # type: ignore[method-assign]


def _begin(command: list[str], env: Mapping[str, str], stdout: Any, start_new_session: bool, **rest: Any) -> Forked:
    return Forked(command, env, stdout=stdout, start_new_session=start_new_session)


FORKED = SimpleNamespace(Popen=_begin, DEVNULL=subprocess.DEVNULL, PIPE=None)  # stands for `subprocess` in these


def end_runs(workspace: Path) -> None:
    """Kill the runs of a workspace, also those that hold no lock yet."""
    inside = f"{workspace.resolve()}{os.sep}"
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            output = os.readlink(f"/proc/{process.pid}/fd/1") if sys.platform == "linux" else ""  # the run's log
            if any(text.startswith(inside) for text in (output, *process.cmdline())):
                process.kill()
