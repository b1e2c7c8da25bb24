"""Photos from a data set of image folders on the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from core.data.files import SUFFIXES, TABLES, get_image_files
from core.data.proposals import Proposal
from core.errors import BadInput, quoted
from core.hub import checked_repo_id, is_repo_id, with_retries
from core.registry import Range, sources


@sources.register("hub")
class HubSource:
    """Downloads the photos of a Hugging Face Hub data set, OWNER/NAME, once, and keeps its folders."""

    title, looks_like = "", "OWNER/NAME of a data set on the Hub"

    def __init__(
        self,
        workspace: Path,
        /,
        repo: Annotated[str, "OWNER/NAME of a data set of image files, not of tables"],
        revision: Annotated[str, "Branch, tag or commit"] = "main",
        max_gb: Annotated[float, "Largest download in GB", Range(0, 1000)] = 5.0,
    ) -> None:
        self.repo, self.revision, self.max_gb = repo, revision, max_gb
        self.root = workspace / "sources" / "hub" / re.sub(r"[^\w.@-]", "--", f"{repo}@{revision}")

    def __call__(self) -> Sequence[Path]:
        checked_repo_id(self.repo)
        done = self.root / ".complete"  # an interrupted download is continued
        if not done.exists():
            self._download()
            done.touch()
        return get_image_files(self.root)

    @classmethod
    def proposes(cls, text: str) -> Iterator[Proposal]:
        """Proposes itself for OWNER/NAME."""
        if is_repo_id(text):
            yield Proposal({"repo": text}, 0.5, f"photos from the data set {quoted(text)} on the Hub")

    def _download(self) -> None:
        from huggingface_hub import HfApi, snapshot_download

        def listed() -> Any:
            return HfApi().dataset_info(self.repo, revision=self.revision, files_metadata=True)

        try:
            info = with_retries(self.repo, listed)
        except BadInput as error:
            raise BadInput(f"{str(error).rstrip('.')}; there is no such folder on this computer either.") from None
        files = [f for f in info.siblings or () if Path(f.rfilename).suffix.lower() in SUFFIXES.union(TABLES)]
        if all(f.rfilename.lower().endswith(TABLES) for f in files):
            raise BadInput(f"The data set {self.repo!r} holds no image files; photos inside tables are not supported.")
        size = sum(f.size or 0 for f in files) / 1e9
        if size > self.max_gb:
            raise BadInput(
                f"The data set {self.repo!r} holds {size:.2f} GB, more than max_gb ({self.max_gb:g}); "
                "raise max_gb to download it."
            )
        patterns = [f"*{suffix}" for suffix in {Path(f.rfilename).suffix for f in files}]
        known: dict[str, Any] = {"repo_type": "dataset", "revision": info.sha, "allow_patterns": patterns}
        with_retries(self.repo, lambda: snapshot_download(self.repo, local_dir=self.root, **known))
