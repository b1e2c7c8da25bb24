"""`python -m core compare` with a low priority, in a process that ends with the app."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from core.__main__ import main
from plugins.panels.kit.insight.look import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    with suppress(AttributeError, OSError):  # pages and training go first
        os.nice(19)
    sys.exit(main(["compare", *sys.argv[1:]]))
