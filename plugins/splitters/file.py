"""A split from a text file that lists the validation photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Annotated

from core.data.ends import Ends
from core.data.text import read_lines, some
from core.errors import BadInput, quoted
from core.registry import splitters


@splitters.register("file")
class FileSplitter:
    """Uses the photos listed in a text file, one per line, for validation and all others for training."""

    title = "A list of photos"

    def __init__(self, path: Annotated[str, "Text file with one file name, or end of a path, per line"]) -> None:
        self.path = Path(os.path.expanduser(path))
        self.files = [self.path]
        self.names = [line.strip().replace("\\", "/") for line in read_lines(self.path) if line.strip()]

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        listed = {PurePosixPath(name).as_posix(): name for name in self.names}  # "./a.jpg" is "a.jpg"
        ends = Ends(Path(item).as_posix() for item in items)
        missing, begin_less_end = [], [0] * (len(items) + 1)
        for key, name in listed.items():
            found = ends.having(key)
            begin_less_end[found.start] += 1
            begin_less_end[found.stop] -= 1
            if not found:
                missing.append(name)
        chosen = {i for i, times in zip(ends.order, accumulate(begin_less_end)) if times}
        valid = sorted(chosen)
        train = [i for i in range(len(items)) if i not in chosen]
        if not valid:
            raise BadInput(f"No name in {quoted(str(self.path))} matches a photo; list the file names of photos.")
        if missing:
            names = some(sorted(missing), 3)
            raise BadInput(f"{quoted(str(self.path))} lists names without a photo: {names}; correct or remove them.")
        if not train:
            raise BadInput(f"{quoted(str(self.path))} lists every photo, so none is left for training; list fewer.")
        return train, valid
