"""A data set of image folders on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from core.data.files import SUFFIXES, get_image_files
from core.errors import BadInput
from core.hub_name import must_be_a_name
from core.publish.refusals import asked
from core.registry import Range, sources


@sources.register("hub")
class HubSource:
    """The photos of a data set on the Hugging Face Hub, OWNER/NAME, its folders kept; downloaded once."""

    def __init__(
        self,
        workspace: Path,
        /,
        repo: Annotated[str, "OWNER/NAME of a data set that holds photos, not tables"],
        revision: Annotated[str, "A branch, a tag or a commit"] = "main",
        max_gb: Annotated[float, "Refuse what is larger", Range(0, 1000)] = 5.0,
    ) -> None:
        self.repo, self.revision, self.max_gb = must_be_a_name(repo), revision, max_gb
        self.root = workspace / "sources" / "hub" / f"{repo.replace('/', '--')}@{revision.replace('/', '--')}"

    def __call__(self) -> list[Path]:
        done = self.root / ".complete"  # a download that was cut off goes on where it was
        if not done.exists():
            self._download()
            done.touch()
        return get_image_files(self.root)

    def _download(self) -> None:
        from huggingface_hub import snapshot_download

        files = [file for file in self._files() if Path(file.path).suffix.lower() in SUFFIXES | {".csv"}]
        if all(file.path.lower().endswith(".csv") for file in files):
            raise BadInput(f"The data set {self.repo!r} holds no photos as files; tables of photos are not read.")
        size = sum(file.size for file in files) / 1e9
        if size > self.max_gb:
            raise BadInput(f"The data set {self.repo!r} holds {size:.2f} GB; set max_gb to take it.")
        patterns = [f"*{suffix}" for suffix in {Path(file.path).suffix for file in files}]
        asked(
            self.repo,
            lambda: snapshot_download(
                self.repo,
                repo_type="dataset",
                revision=self.revision,
                local_dir=self.root,
                allow_patterns=patterns,
            ),
        )

    def _files(self) -> list[Any]:
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        def listed() -> list[Any]:
            tree = HfApi().list_repo_tree(self.repo, repo_type="dataset", revision=self.revision, recursive=True)
            return [entry for entry in tree if isinstance(entry, RepoFile)]

        return asked(self.repo, listed)
