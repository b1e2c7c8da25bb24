"""Who uses the app, and what each may do: the owner of this computer, visitors with a password, visitors of a Space."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gradio as gr
from gradio.utils import get_space

from core.errors import BadInput
from core.runs.project import Project

COOKIE = "presize_visitor"
TOKEN = re.compile(r"[0-9a-f]{32}")
GB = 2**30
Kind = Literal["local", "shared", "space"]


@dataclass(frozen=True)
class Mode:
    """`model` is the only thing to be used where only predictions are served; else None."""

    kind: Kind
    workspace: Path
    model: Path | None = None

    @property
    def local(self) -> bool:
        """Whether the person is the owner of this computer: folders may be named, a login be used."""
        return self.kind == "local" and self.model is None

    @property
    def signs_in(self) -> bool:
        """Whether visitors sign in with accounts of their own: on a Space whose README.md says hf_oauth."""
        # where gradio sees no Space, its button would pretend that every visitor is the owner
        return self.kind == "space" and get_space() is not None and bool(os.environ.get("OAUTH_CLIENT_ID"))

    @property
    def upload_limit(self) -> int:
        """Bytes of one file."""
        return 50_000_000 if self.model else 20 * GB if self.local else 2 * GB

    @property
    def visitor_limit(self) -> int:
        """Bytes of all that a visitor has uploaded."""
        return 4 * GB

    @property
    def place(self) -> str:
        """Where the photos go, as a sentence for the person who brings them."""
        if self.local:
            return "Everything stays on this computer."
        if self.kind == "space":
            return "Your photos go to this Space, in a folder of your own, until it restarts: download what you need."
        return "Your photos go to the computer that runs this page, in a folder of your own."

    def project(self, request: gr.Request) -> Project:
        """The owner's project, or that of the visitor behind a request; raises BadInput where nothing tells whose."""
        if self.local:
            return Project(self.workspace)
        token = (request.cookies or {}).get(COOKIE, "")
        if not TOKEN.fullmatch(token):  # a program without cookies has its session
            if not request.session_hash:  # else all of them would share one folder
                raise BadInput("This request belongs to no session; send a cookie or a session_hash with it.")
            token = hashlib.sha256(f"session {request.session_hash}".encode(errors="replace")).hexdigest()[:32]
        return Project(self.workspace / "visitors" / token, confined=True)

    def must_have_room(self, project: Project, size: int) -> None:
        """Raise BadInput where `size` more bytes are too many for a visitor or the disk."""
        if not self.local and _bytes_in(project.folder) + size > self.visitor_limit:
            raise BadInput(f"Your workspace here may hold {self.visitor_limit // GB} GB; this would be more.")
        project.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(project.folder).free < size + GB:
            raise BadInput(f"The disk of {project.folder.name!r} has too little room for these photos; make some.")


def _bytes_in(folder: Path) -> int:
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a run that trains here replaces its files all the time
                total += os.lstat(os.path.join(here, name)).st_size
    return total


def on_a_space() -> bool:
    """Whether this process runs on a Hugging Face Space."""
    return bool(os.environ.get("SPACE_ID"))
