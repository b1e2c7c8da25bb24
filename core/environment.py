"""Environment variables without secrets for child processes, and secrets hidden from readers of /proc."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

NAMES = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|PASS$|.PWD$|KEY$|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)_?KEY|_PAT($|_)|CREDENTIAL"
    r"|BEARER|COOKIE|SIGNATURE|_AUTH($|_)|CONNECTION_?STR|WEBHOOK|_DSN$|^JWT|_JWT",
    re.IGNORECASE,
)
VALUES = re.compile(
    r"://[^/@\s]+@"  # a login in an address
    r"|\b(hf_|gh[opsur]_|github_pat_|glpat-|sk-|sk_live_|rk_live_|xox[abeprs]-|npm_|pypi-|AIza|ya29\.|AKIA|ASIA)[\w.-]{12}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.|-----BEGIN [A-Z ]*PRIVATE KEY"
)
SECRETS_FD = "PRESIZE_SECRETS_FD"  # the descriptor of a pipe that holds the secrets
PIPE_CAPACITY = 60_000  # bytes that can be written to a pipe on Linux before it is read


def environment() -> dict[str, str]:
    """The variables for a child process: those of this one without secrets, with this program on PYTHONPATH."""
    known = {name: value for name, value in os.environ.items() if not _is_secret(name, value)}
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (here, known.get("PYTHONPATH"))))
    return known | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


def hide_secrets() -> None:
    """Re-execute this program once, so that its secrets are in `os.environ` but no longer in /proc/PID/environ.

    Process id, arguments, standard streams and ignored signals are kept. Does nothing if no variable is a secret or
    the system is not Linux. Must be called before anything else, as what ran before runs again.
    """
    if (number := os.environ.pop(SECRETS_FD, "")).isdecimal():
        with open(int(number), "rb") as file:
            os.environ.update(json.load(file))  # /proc shows only the variables that the process started with
        return
    secrets = {name: value for name, value in os.environ.items() if _is_secret(name, value)}
    content = json.dumps(secrets).encode()
    if sys.platform != "linux" or not secrets or len(content) > PIPE_CAPACITY:
        return
    read, write = os.pipe()
    os.write(write, content)  # the pipe buffers it until it is read
    os.close(write)
    os.set_inheritable(read, True)
    rest = {name: value for name, value in os.environ.items() if name not in secrets}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], rest | {SECRETS_FD: str(read)})


def _is_secret(name: str, value: str) -> bool:
    if name == "OLDPWD" or value.lower() in ("", "0", "1", "true", "false"):  # a flag, such as TOKENIZERS_PARALLELISM
        return False
    if name.lower().endswith("_proxy"):  # there may be no network without it
        return False
    return bool(NAMES.search(name) or VALUES.search(value))
