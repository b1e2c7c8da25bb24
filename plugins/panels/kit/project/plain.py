"""Messages as a page shows them: without the workspace's path, numbers of the system, and doubled backslashes."""

from __future__ import annotations

import os
import re
from pathlib import Path

ERRNO = re.compile(r"\[(Errno|WinError) -?\d+\] ?")


def plain(text: str, folder: Path, name: str = "the workspace") -> str:
    """A message in which paths are relative to the workspace in `folder`, itself called by `name`."""
    single = ERRNO.sub("", text).replace("\\\\", "\\")  # as Python quotes a path of Windows
    return single.replace(f"{folder}{os.sep}", "").replace(str(folder), name)
