"""Secrets in environment variables: kept from the processes that this one starts, and from who reads /proc."""

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
HANDED = "PRESIZE_SECRETS_FD"  # the number of an open pipe that holds them
PIPE = 60_000  # bytes that Linux keeps in a pipe without anybody reading


def environment() -> dict[str, str]:
    """This process's variables for another one: it finds this program, and knows no secret."""
    known = {name: value for name, value in os.environ.items() if not _is_secret(name, value)}
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (here, known.get("PYTHONPATH"))))
    return known | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


def hide_secrets() -> None:
    """Begin this program anew, once, so that its secrets stand in `os.environ` and no longer in /proc/PID/environ.

    Process id, arguments, standard streams and ignored signals stay as they are. Where no variable is a secret, or
    the system is not Linux, it does nothing. To be called first of all: what ran before runs again.
    """
    if (number := os.environ.pop(HANDED, "")).isdecimal():
        with open(int(number), "rb") as file:
            os.environ.update(json.load(file))  # in memory of our own: /proc shows what the process began with
        return
    secrets = {name: value for name, value in os.environ.items() if _is_secret(name, value)}
    content = json.dumps(secrets).encode()
    if sys.platform != "linux" or not secrets or len(content) > PIPE:
        return
    handed, write = os.pipe()
    os.write(write, content)  # which a pipe keeps until it is read
    os.close(write)
    os.set_inheritable(handed, True)
    rest = {name: value for name, value in os.environ.items() if name not in secrets}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], rest | {HANDED: str(handed)})


def _is_secret(name: str, value: str) -> bool:
    if name == "OLDPWD" or value.lower() in ("", "0", "1", "true", "false"):  # a switch: TOKENIZERS_PARALLELISM
        return False
    if name.lower().endswith("_proxy"):  # without it there may be no network
        return False
    return bool(NAMES.search(name) or VALUES.search(value))
