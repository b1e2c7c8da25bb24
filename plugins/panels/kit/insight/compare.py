"""The process that compares networks: python -m plugins.panels.kit.insight.compare FOLDER."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from core.__main__ import main as command
from core.atomic import write_atomic
from plugins.panels.kit.insight.process import ASKED, stay_behind

RECIPE, RESULT = "recipe.json", "result.json"


def main(folder: Path) -> int:
    """Run `python -m core compare` on what `asked.json` says, and keep what it prints; returns the exit code."""
    asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    write_atomic(folder / RECIPE, json.dumps(asked["recipe"]))
    where = [str(folder / RECIPE), "--workspace", str(folder.parent)]
    said = StringIO()
    with redirect_stdout(said):
        code = command(["compare", *where, "--json", "--architectures", *map(json.dumps, asked["networks"])])
    if code == 0:  # else the result before it stays
        write_atomic(folder / RESULT, json.dumps({"of": asked["of"], "rows": json.loads(said.getvalue())}))
    return code


if __name__ == "__main__":
    stay_behind()
    sys.exit(main(Path(sys.argv[1])))
