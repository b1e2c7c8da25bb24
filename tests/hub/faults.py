"""What can go wrong between this machine and the Hub, and what has to come of it: the next push puts all right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from core.errors import BadInput
from core.publish.hub import Hub as Client
from core.publish.hub import Space
from tests.hub.server import DROPPED, Hub

REPO = "anna/my-pets"
FILES: dict[str, Any] = {
    "config.json": b'{"presize": {}}',
    "README.md": b"---\nlicense: mit\n---\n# pets\n",
    "model.safetensors": bytes(range(256)) * 400,
}
XET_STEPS = ("xet-token", "preupload", "commit")
STEPS = ("whoami", "create", "validate", "preupload", "batch", "put", "verify", "commit", "info")
REFUSALS = (400, 401, 402, 403, 404, 409, 412, 429, 500, 503)


@dataclass(frozen=True)
class Case:
    """A fault at the next `times` calls of a name; "after" it the Hub has done what was asked."""

    call: str
    status: int | Literal["drop"]
    times: int = 1
    when: Literal["before", "after"] = "before"
    space: Space | None = None
    xet: bool = False

    def __str__(self) -> str:
        where = f"{self.space}-" if self.space else "xet-" if self.xet else ""
        return f"{where}{self.call}-{self.status}-{self.times}-{self.when}"


CASES = [
    *(
        Case(call, status, times)
        for call in STEPS
        for status in (*REFUSALS, "drop")
        for times in (1, 100)
        if (call, status) != ("create", 409)  # which is no fault: it is there already
    ),
    *(Case(call, status, 1, "after") for call in ("create", "put", "commit") for status in (500, 503, "drop")),
    *(Case(call, status, 1, "after", "cpu-basic") for call in ("create", "commit") for status in (503, "drop")),
    *(Case(call, status, 1, "after", "static") for call in ("create", "put", "commit") for status in (503, "drop")),
    *(
        Case(call, status, times, space="static")
        for call in STEPS
        for status in (403, 503, "drop")
        for times in (1, 100)
    ),
    *(Case(call, status, 100, "before", "zero-gpu") for call in ("create", "commit") for status in (402, 429, "drop")),
]


XET_CASES = [
    Case(call, status, times, xet=True)
    for call in XET_STEPS
    for status in (401, 403, 404, 429, 503, "drop")
    for times in (1, 100)
]


def pushed(hub: Hub, case: Case) -> str:
    """Push with the fault, then without it; what was said of the first one, empty where it went through.

    Raises AssertionError unless the repository then holds just these files, in one commit of ours.
    """
    hub.fail(case.call, case.status, case.times, when=case.when)
    said = ""
    try:
        push(case.space)
    except BadInput as error:
        said = str(error)
    status = DROPPED if case.status == "drop" else case.status
    assert any((call.name, call.status) == (case.call, status) for call in hub.calls), "it never came to that"
    hub.forgive()
    push(case.space)
    push(case.space)
    repo = hub.repos[("space" if case.space else "model", REPO)]
    files = {name: data for name, data in repo.files.items() if name != ".gitattributes"}
    assert files == FILES, sorted(files)
    assert len(repo.commits) == 2, [commit.changed for commit in repo.commits]
    return said


def push(space: Space | None) -> None:
    """What the command and the page do, without a rehearsal."""
    client = Client()
    client.user()
    client.push(REPO, FILES, space=space)
