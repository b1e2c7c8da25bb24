"""python -m tests.faults: inject every fault, print a table; exit code 1 if a run was lost. Not for Windows (fork)."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch, which would share two cores badly with its own children
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # equal to the last bit is said of the CPU

from core.discovery import discover
from tests.faults.harness import Bench, Row
from tests.faults.table import ROWS


def main() -> int:
    """Inject and print."""
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--data", type=Path, help="photos whose label is in the file name; else they are drawn")
    parser.add_argument("--quick", action="store_true", help="few of each, and no cost")
    parser.add_argument("--only", choices=ROWS, metavar="NAME", help=f"one row: {', '.join(ROWS)}")
    options = parser.parse_args()
    discover()
    folder = Path(tempfile.mkdtemp(prefix="presize-faults-"))
    folder.chmod(0o755)  # a row is carried out as another user
    injected = lost = 0
    print("| fault | how | injected | result |\n|---|---|---|---|", flush=True)
    try:
        bench = Bench(folder, options.data and options.data.resolve())
        for name, (inject, count, few) in ROWS.items():
            if options.only not in (None, name) or (options.quick and not few and not options.only):
                continue
            began = time.perf_counter()
            try:
                row = inject(bench, few if options.quick and few else count)
            except Exception as error:  # the other rows are worth knowing all the same
                row = Row(name, "", wrong=[f"{type(error).__name__}: {error}"])
            print(row.line(), flush=True)
            print(f"{name}: {time.perf_counter() - began:.0f} s", *row.wrong, sep="\n  ", file=sys.stderr)
            injected, lost = injected + row.injected, lost + len(row.wrong)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{injected} faults injected, {lost} runs lost")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
