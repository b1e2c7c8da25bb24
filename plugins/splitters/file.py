"""The split is in a text file that lists the validation photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

from core.errors import BadInput
from core.registry import splitters


@splitters.register("file")
class FileSplitter:
    """The photos whose names a text file lists, one a line, are for validation; all others are for training."""

    def __init__(self, path: Annotated[str, "Text file with a file name, or the end of a path, on each line"]) -> None:
        self.path = Path(path).expanduser()
        try:
            lines = self.path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"The list {str(path)!r} cannot be read ({error}); give a text file in UTF-8.") from error
        self.names = [line.strip().replace("\\", "/") for line in lines if line.strip()]

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        listed = {PurePosixPath(name).as_posix(): name for name in self.names}  # "./a.jpg" is "a.jpg"
        found = [[end for end in _ends(Path(item)) if end in listed] for item in items]
        missing = [listed[key] for key in listed.keys() - {end for ends in found for end in ends}]
        valid = [i for i, ends in enumerate(found) if ends]
        train = [i for i, ends in enumerate(found) if not ends]
        if not valid:
            raise BadInput(f"None of the names in {str(self.path)!r} is one of the photos; list their file names.")
        if missing:
            some = ", ".join(sorted(missing)[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise BadInput(f"{str(self.path)!r} lists names that no photo has: {some}; correct or remove them.")
        if not train:
            raise BadInput(f"{str(self.path)!r} lists every photo, so none is left for training; list fewer.")
        return train, valid


def _ends(path: Path) -> Iterator[str]:
    """`a/b/c.jpg` gives `c.jpg`, `b/c.jpg` and `a/b/c.jpg`."""
    parts = path.as_posix().split("/")
    return ("/".join(parts[start:]) for start in reversed(range(len(parts))))
