"""What a command prints may be lost, on a full disk or because nobody reads it: then training goes on all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from core.__main__ import main
from core.runs.listing import runs_in

ROOT = Path(__file__).resolve().parents[3]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
CLOSED = """
import os, sys
from core.commands.streams import streams
with streams(True):
    print("to nobody")
    print("to nobody", file=sys.stderr)
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    assert file > 2, file
    os.write(1, b"as a library does")
    sys.stdin.read()
"""


@pytest.fixture
def recipe(recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path) -> str:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe_dict(architecture=TINY)))
    return str(path)


def nobody_reads() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def full_disk() -> int:
    if not Path("/dev/full").exists():
        pytest.skip("there is no device that is always full")
    return os.open("/dev/full", os.O_WRONLY)


@pytest.fixture(params=[nobody_reads, full_disk])
def lost(request: pytest.FixtureRequest) -> Iterator[TextIO]:
    """A stream that nothing can be written to."""
    stream = os.fdopen(request.param(), "w")
    yield stream
    stream.close()


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_run_goes_on_without_its_output(
    name: str,
    recipe: str,
    lost: TextIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, name, lost)
    assert main(["train", recipe, "--workspace", str(tmp_path)]) == 0
    (run,) = runs_in(tmp_path)
    assert run.status == "completed" and run.has_model
    if name == "stdout":
        err = capsys.readouterr().err
        assert err.count("standard output is lost") == 1 and str(tmp_path) not in err


def test_a_command_that_only_prints_ends_and_blames_its_output(
    lost: TextIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = os.path.realpath(f"/proc/self/fd/{lost.fileno()}") == "/dev/full"
    monkeypatch.setattr(sys, "stdout", lost)
    assert main(["plugins", "--workspace", str(tmp_path)]) == (2 if full else 1)
    err = capsys.readouterr().err
    assert ("'standard output'" in err and str(tmp_path) not in err) if full else not err


def test_closed_streams_do_not_end_a_run(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["train", recipe, "--workspace", str(tmp_path)]) == 0
    assert [run.status for run in runs_in(tmp_path)] == ["completed"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLOSED, str(tmp_path / "events.jsonl")]
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    assert subprocess.run(closing, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60).returncode == 0
    assert (tmp_path / "events.jsonl").read_bytes() == b""


def test_the_streams_are_put_back(tmp_path: Path) -> None:
    before = sys.stdout, sys.stderr
    assert main(["runs", "--workspace", str(tmp_path)]) == 0
    assert (sys.stdout, sys.stderr) == before
