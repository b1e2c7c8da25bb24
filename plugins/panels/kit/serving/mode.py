"""Who uses the app, and what each may do: the owner of this computer, visitors with a password, visitors of a Space."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gradio as gr
from gradio.utils import get_space

from core.errors import BadInput
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.visitors import GB, LIMIT, VisitorProject

COOKIE = "presize_visitor"
TOKEN = re.compile(r"[0-9a-f]{32}")
Kind = Literal["local", "shared", "space"]


@dataclass(frozen=True)
class Mode:
    """`model` is the only thing to be used where only predictions are served; else None."""

    kind: Kind
    workspace: Path
    model: Path | None = None
    link: bool = False  # whether others come through a public link, from this machine's own address

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
    def uploads_limit(self) -> int | None:
        """Bytes that one address may upload in an hour; None for any number."""
        return None if self.local else 2 * GB if self.model else LIMIT

    @property
    def keeps_uploads(self) -> float:
        """Seconds that an upload stays on the disk."""
        return 24 * 3600.0 if self.local else 3500.0

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
            token = f"session {request.session_hash}"
        # a folder that others see listed, or in a process's arguments, must not tell the cookie
        name = hashlib.sha256(f"presize visitor {token}".encode(errors="replace")).hexdigest()[:40]
        return VisitorProject(self.workspace / "visitors" / name, request.client.host if request.client else "")


def on_a_space() -> bool:
    """Whether this process runs on a Hugging Face Space."""
    return bool(os.environ.get("SPACE_ID"))
