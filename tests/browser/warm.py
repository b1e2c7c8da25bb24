"""`python app.py` forked off a process that has imported its libraries, which takes a processor six seconds."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ["gradio", "torch", "torchvision", "timm", "safetensors.torch"]


def begin(arguments: Sequence[object], log: Path) -> psutil.Process:
    """Start the app; it writes into the log."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    process = context.Process(target=_serve, args=(list(map(str, arguments)), log, dict(os.environ)))
    process.start()
    assert process.pid
    return psutil.Process(process.pid)


def _serve(arguments: list[str], log: Path, variables: Mapping[str, str]) -> None:
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(variables)
    for file, flags, streams in ((os.devnull, os.O_RDONLY, [0]), (log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, [1, 2])):
        opened = os.open(file, flags)
        for stream in streams:
            os.dup2(opened, stream)
    sys.argv = ["app.py", *arguments]
    sys.orig_argv = [sys.executable, *sys.argv]
    if "HF_ENDPOINT" in variables:  # which was read when the libraries were imported
        os.execv(sys.executable, sys.orig_argv)
    runpy.run_path("app.py", run_name="__main__")
