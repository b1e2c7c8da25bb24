"""OWNER/NAME: what a repository on the Hugging Face Hub is called."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import BadInput

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def is_of_the_hub(name: str | Path) -> bool:
    """Whether a name looks like a repository on the Hub, and not like a misspelt path in a folder that is here."""
    return NAME.fullmatch(str(name)) is not None and not Path(name).exists() and not Path(name).parent.is_dir()


def must_be_a_name(repo: str) -> str:
    """`repo`, if the Hub would take it as a name; raises BadInput."""
    if not NAME.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith((".git", ".", "-")):
        raise BadInput(f"{repo!r} is no name on the Hub; it looks like OWNER/NAME, such as anna/my-pets.")
    return repo
