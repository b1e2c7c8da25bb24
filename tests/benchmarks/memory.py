"""Peak private memory of one training, its children included (Linux).

python -m tests.benchmarks.memory PHOTOS --set item_tfms.0.size=192 --set batch_tfms.0.size=128
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAUSE = 0.2  # seconds between two readings


def main() -> None:
    """Train as `python -m core train` does, and read the process tree's private pages while it runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    options = parser.parse_args()
    core = [sys.executable, "-m", "core"]
    with tempfile.TemporaryDirectory() as workspace:
        settings = [f"--set={setting}" for setting in options.set]
        recipe = Path(workspace, "recipe.json")
        recipe.write_bytes(subprocess.check_output([*core, "new", options.photos, *settings, "--workspace", workspace]))
        process = subprocess.Popen([*core, "train", str(recipe), "--workspace", workspace])
        peak = 0
        while process.poll() is None:
            peak = max(peak, private(process.pid))
            time.sleep(PAUSE)
    print(f"peak private memory {peak / 1e9:.2f} GB")


def private(pid: int) -> int:
    """Bytes that a process and its children share with nobody; 0 for one that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
    return own + sum(private(int(child)) for child in children)


if __name__ == "__main__":
    main()
