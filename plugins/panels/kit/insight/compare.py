"""`python -m core compare` as a process beside the app."""

from __future__ import annotations

import sys

from core.__main__ import main
from plugins.panels.kit.insight.process import stay_behind

if __name__ == "__main__":
    stay_behind()
    sys.exit(main(["compare", *sys.argv[1:]]))
