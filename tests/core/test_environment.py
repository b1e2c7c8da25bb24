"""No process that this program starts knows a secret, and /proc shows none of a program that hides them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.environment import environment

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary_5e1f0c"
SECRETS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "OPENAI_API_KEY",
    "OPENAI_API_KEY_2",
    "WANDB_APIKEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "DB_PASSWORD",
    "KAGGLE_KEY",
    "my_password",
    "SSHPASS",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "NPM_AUTH",
    "PRESIZE_AUTH",
    "SSH_AUTH_SOCK",
    "OAUTH_CLIENT_SECRET",
    "GITHUB_PAT",
    "SENTRY_DSN",
    "SLACK_WEBHOOK",
    "SESSION_COOKIE",
)
VALUES = (
    "hf_abcdefghijklmnopqrstuvwxyz012345",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github_pat_11ABCDEFG0abcdefghijkl",
    "sk-proj-abcdefghijklmnopqrst",
    "xoxb-123456789012-abcdefghijkl",
    "AKIAIOSFODNN7EXAMPLE",
    "postgres://anna:pencil@db.example/mine",
    "https://1234567890abcdef@o1.example/7",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
)
PROGRAM = """
import os, signal, sys
runs = open(sys.argv[1], "a"); runs.write("run "); runs.close()
from core.environment import hide_secrets
hide_secrets()
import json
print(json.dumps({
    "pid": os.getpid(),
    "initial": open("/proc/self/environ", "rb").read().decode("utf-8", "replace"),
    "open": [os.readlink(f.path) for f in os.scandir("/proc/self/fd") if os.path.lexists(f.path)],
    "known": dict(os.environ), "argv": sys.argv[1:], "said": sys.stdin.read(),
    "hup": signal.getsignal(signal.SIGHUP) == signal.SIG_IGN,
}))
sys.exit(7)
"""


@pytest.mark.parametrize("name", SECRETS)
def test_a_process_gets_no_variable_named_as_a_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, CANARY)
    assert CANARY not in environment().values()


@pytest.mark.parametrize("value", VALUES)
def test_a_process_gets_no_value_that_looks_like_a_secret(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", value)
    assert "MINE" not in environment()


def test_a_process_gets_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {
        "CUDA_VISIBLE_DEVICES": "3",
        "KEYBOARD_LAYOUT": "de",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HOME": "/data/task-force-of-mine-2026",
        "https_proxy": "http://anna:pencil@proxy.example:3128",  # without it there may be no network
    }
    for name, value in needed.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    known = environment()
    assert {name: known.get(name) for name in needed} == needed and known["PATH"] == os.environ["PATH"]
    assert known["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "/somewhere/else"]
    assert known["HF_HUB_DISABLE_IMPLICIT_TOKEN"] == "1"  # the one that lies in a file of the home folder


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize(("secrets", "runs"), [({"HF_TOKEN": CANARY, "PRESIZE_AUTH": f"ü{CANARY}"}, 2), ({}, 1)])
def test_a_program_that_hides_its_secrets_still_knows_them(secrets: dict[str, str], runs: int, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    clean = {name: value for name, value in environment().items() if name != "PRESIZE_SECRETS_FD"}
    process = subprocess.Popen(
        [sys.executable, program.name, str(tmp_path / "runs"), "two words"],
        cwd=tmp_path,
        env=clean | secrets,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as nohup does
    )
    out, _ = process.communicate("typed", timeout=60)
    found = json.loads(out)
    assert CANARY not in found["initial"]
    assert {name: found["known"].get(name) for name in secrets} == secrets
    assert "PRESIZE_SECRETS_FD" not in found["known"] and not [f for f in found["open"] if "memfd" in f]
    assert (process.returncode, found["pid"]) == (7, process.pid)
    assert found["argv"] == [str(tmp_path / "runs"), "two words"] and found["said"] == "typed" and found["hup"]
    assert (tmp_path / "runs").read_text().split() == ["run"] * runs
