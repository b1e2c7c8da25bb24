"""Modes of the app: for the owner of this computer, for visitors with a password, for visitors of a Space."""

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

BUCKET = Path("/data")  # where a Space mounts its storage bucket, by the Hub's convention
COOKIE = "presize_visitor"
MCP_TOOL = "predict_file"  # the tool that AI assistants are offered, by their Model Context Protocol
TOKEN = re.compile(r"[0-9a-f]{32}")
Kind = Literal["local", "shared", "space"]


@dataclass(frozen=True)
class Mode:
    """Who uses the app and where; with `model` it only serves predictions of that model folder.

    With `explain`, everybody may see where a model looks, which else only the owner of the computer may.
    """

    kind: Kind
    workspace: Path
    model: Path | None = None
    mcp: bool = False  # whether programs on this computer, such as AI assistants, are offered predictions as a tool
    link: bool = False  # whether there is a public link, whose requests come from this machine's own address
    explain: bool = False

    @property
    def local(self) -> bool:
        """Whether the user is the owner of this computer, who may open its folders and use its login."""
        return self.kind == "local" and self.model is None

    @property
    def explains(self) -> bool:
        """Whether the user may see where a model looks, which tells about its training photos and costs more."""
        return self.local or self.explain

    @property
    def signs_in(self) -> bool:
        """Whether visitors sign in with their own accounts: on a Space whose README.md sets hf_oauth."""
        # outside a Space, gradio's button would sign in every visitor as the owner
        return self.kind == "space" and get_space() is not None and bool(os.environ.get("OAUTH_CLIENT_ID"))

    @property
    def upload_limit(self) -> int:
        """The largest upload of one file, in bytes."""
        return 50_000_000 if self.model else 20 * GB if self.local else 2 * GB

    @property
    def uploads_limit(self) -> int | None:
        """Bytes that one address may upload in an hour; None for no limit."""
        return None if self.local else 2 * GB if self.model else LIMIT

    @property
    def keeps_uploads(self) -> float:
        """Seconds until an upload is deleted."""
        return 24 * 3600.0 if self.local else 3500.0

    @property
    def place(self) -> str:
        """A sentence that tells users where their photos are stored."""
        if self.local:
            return "Everything stays on this computer."
        if self.kind == "space":
            ends = "" if BUCKET in self.workspace.parents else ", until it restarts: download what you need"
            return f"Your photos go to this Space, in a folder of your own{ends}."
        return "Your photos go to the computer that runs this page, in a folder of your own."

    def project(self, request: gr.Request) -> Project:
        """The owner's project, or that of the visitor who sent a request; raises BadInput if there is no session."""
        if self.local:
            return Project(self.workspace)
        token = (request.cookies or {}).get(COOKIE, "")
        if not TOKEN.fullmatch(token):  # a program without cookies is identified by its session
            session = getattr(request, "session_hash", None)
            if not session:  # else all such programs would share one folder
                raise BadInput("This request has no session; send a cookie or a session_hash with it.")
            token = f"session {session}"
        # hashed, because others may see the folder's name in a listing or a process's arguments
        name = hashlib.sha256(f"presize visitor {token}".encode(errors="replace")).hexdigest()[:40]
        return VisitorProject(self.workspace / "visitors" / name, request.client.host if request.client else "")


def default_workspace() -> Path:
    """The folder for runs if none is given: on a Space with a storage bucket in it, which outlasts a restart."""
    kept = on_a_space() and os.access(BUCKET, os.W_OK)
    return BUCKET / "workspace" if kept else Path("workspace")


def on_a_space() -> bool:
    """Whether this process runs on a Hugging Face Space."""
    return bool(os.environ.get("SPACE_ID"))
