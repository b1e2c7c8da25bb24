"""The process that looks at photos ends with the app."""

from __future__ import annotations

import subprocess
import sys

WAIT = "import time; from plugins.panels.kit.insight.process import stay_behind as go; go(); time.sleep(600)"


def test_it_ends_with_the_program_that_asked() -> None:
    with subprocess.Popen([sys.executable, "-c", WAIT], stdin=subprocess.PIPE) as process:
        assert process.poll() is None
        assert process.stdin
        process.stdin.close()
        assert process.wait(120) == 0
