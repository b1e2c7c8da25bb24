"""Oxford-IIIT Pet, the data set of fastbook's chapter 5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from core.data.files import get_image_files
from core.errors import BadInput
from core.registry import sources


@sources.register("pets")
class PetsSource:
    """Oxford-IIIT Pet: 7,390 photos of 37 breeds of cats and dogs, downloaded once (800 MB)."""

    title = ""  # too large a download to offer as a button in the app

    def __init__(self, workspace: Path, /) -> None:
        self.root = workspace / "sources" / "oxford-iiit-pet"

    def __call__(self) -> Sequence[Path]:
        if not self.root.exists():
            self._download()
        return get_image_files(self.root)

    def _download(self) -> None:
        from torchvision.datasets import OxfordIIITPet

        self.root.parent.mkdir(parents=True, exist_ok=True)
        # torchvision accepts a partly unpacked folder as complete, so only a finished download gets the final name
        with TemporaryDirectory(dir=self.root.parent, prefix=".pets-", ignore_cleanup_errors=True) as unfinished:
            try:
                OxfordIIITPet(unfinished, download=True)
                (Path(unfinished) / "oxford-iiit-pet" / "images").rename(self.root)
            except Exception as error:  # no network, a full disk, another process was faster
                if not self.root.exists():
                    raise BadInput(
                        f"Oxford-IIIT Pet could not be downloaded ({error}); "
                        "use the source 'sample', or a 'folder' or 'zip' of your own photos."
                    ) from error
