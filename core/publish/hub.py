"""Pushing files to the Hugging Face Hub in one atomic commit, or none if nothing has changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import BadInput
from core.hub import checked_repo_id, with_retries
from core.model.file_names import CONFIG

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Space = Literal["static", "cpu-basic", "zero-gpu"]
HARDWARE: dict[str, str] = {"cpu-basic": "cpu-basic", "zero-gpu": "zero-a10g"}  # as the Hub calls them
OF_THE_HUB = {".gitattributes", "README.md"}  # files that the Hub writes into a new repository
REPLACED = re.compile(r"model\.onnx|confusion\.png|curves\.png|examples/\d+\.jpg")  # our files that a push may lack
IN_A_SPACE = re.compile(  # and those that a Space of another kind lacks
    r"app\.py|requirements\.txt|core/data/\w+\.py|strangers\.\w+|threshold\.json|index\.html|(page|sw|p\w+)\.js(on)?"
    r"|metadata\.js|colours\.js|style\.css|icon\.svg|manifest\.webmanifest|runtime/\w+(\.\w+)?"
)


class Hub:
    """The Hub, signed in with `token` or by default with this machine's login; a token is kept only in memory."""

    def __init__(self, token: str | None = None) -> None:
        self._token = token or None

    @property
    def api(self) -> HfApi:
        """The client of huggingface_hub."""
        from huggingface_hub import HfApi, get_token

        token = self._token or get_token()  # named, as the environment of a run's process forbids implying it
        return HfApi(token=token, library_name="presize")

    def user(self) -> str:
        """The name of the signed-in user; raises BadInput if there is none."""
        if not self.api.token:
            raise BadInput("Nobody is signed in to the Hugging Face Hub; run `hf auth login`, or set HF_TOKEN.")
        return str(with_retries("", lambda: self.api.whoami())["name"])

    def validate_card(self, card: str) -> None:
        """Raise BadInput unless the Hub accepts a README.md, as it refuses some licenses."""
        from huggingface_hub import ModelCard

        with_retries("README.md", lambda: ModelCard(card).validate())

    def create(self, repo: str, private: bool, space: Space | None) -> dict[str, Any]:
        """Create a repository if it does not exist; returns the arguments that identify it. Raises BadInput."""
        known: dict[str, Any] = {"repo_id": checked_repo_id(repo), "repo_type": "space" if space else "model"}
        kind: dict[str, Any] = {}
        if space:
            kind = (
                {"space_sdk": "gradio", "space_hardware": HARDWARE[space]}
                if space in HARDWARE
                else {"space_sdk": space}
            )
        with_retries(repo, lambda: self.api.create_repo(**known, private=private or None, exist_ok=True, **kind))
        return known

    def push(
        self,
        repo: str,
        files: Mapping[str, bytes | Path],
        private: bool = False,
        space: Space | None = None,
    ) -> str:
        """Push files to a model repository or, with `space`, to a Space of that kind; returns its URL.

        The repository is created if it does not exist. Files of an earlier push that this one does not have are
        removed; other files stay. Raises BadInput, also if the repository has something that is not of this program.
        """
        api, known = self.api, self.create(repo, private, space)
        with_retries(repo, lambda: _commit(api, known, files, private))
        if space in HARDWARE:
            with_retries(repo, lambda: _move(api, repo, HARDWARE[space]))
        return f"{api.endpoint}/{'spaces/' if space else ''}{repo}"


def _commit(api: HfApi, known: dict[str, Any], files: Mapping[str, bytes | Path], private: bool) -> None:
    """Commit the changes to a repository; safe to retry, as it first compares with what is there."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    info: Any = api.repo_info(**known)
    repo = known["repo_id"]
    if private and not info.private:
        raise BadInput(f"{repo!r} is already public; make it private in its settings on the Hub, or choose a new name.")
    there = {s.rfilename for s in info.siblings or ()} - OF_THE_HUB
    if there and not _is_ours(api, known, there):
        raise BadInput(f"{repo!r} has files that this program did not make; choose a name that is free.")
    adds = [CommitOperationAdd(name, data) for name, data in files.items()]
    replaced = [REPLACED, IN_A_SPACE] if known["repo_type"] == "space" else [REPLACED]
    gone = [name for name in sorted(there - set(files)) if any(pattern.fullmatch(name) for pattern in replaced)]
    stale = [CommitOperationDelete(name) for name in gone]
    api.create_commit(operations=[*adds, *stale], commit_message="Presize", parent_commit=info.sha, **known)


def _is_ours(api: HfApi, known: dict[str, Any], there: set[str]) -> bool:
    if CONFIG not in there:
        return False
    try:
        return "presize" in json.loads(Path(api.hf_hub_download(filename=CONFIG, **known)).read_bytes())
    except ValueError:
        return False


def _move(api: HfApi, repo: str, hardware: str) -> None:
    """Request this hardware for a Space that runs on other hardware."""
    from huggingface_hub import SpaceHardware

    runtime = api.get_space_runtime(repo)
    if hardware not in (runtime.requested_hardware, runtime.hardware):
        api.request_space_hardware(repo, SpaceHardware(hardware))
