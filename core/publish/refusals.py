"""Asking the Hugging Face Hub: again where a refusal may pass, else one sentence with what to do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from core.atomic import disk_error, disk_is_full
from core.errors import BadInput

PASSING = (408, 429, 500, 502, 503, 504)
CHANGED = 412  # by somebody else since we looked
WAITS = (1.0, 4.0, 15.0)  # seconds before each new try
XET = re.compile(r"HTTP status \w+ error \((\d{3}) ")  # all that hf_xet says of an answer
LONGEST = 60.0  # seconds that are waited because the Hub asks for it
T = TypeVar("T")


class Unreachable(BadInput):
    """The Hub was not reached, or is out of order."""


def asked(repo: str, call: Callable[[], T], waits: Sequence[float] | None = None) -> T:
    """What `call`, which may be made again, returns; raises BadInput where the Hub refuses or cannot be reached."""
    for wait in (*(WAITS if waits is None else waits), 0.0):
        try:
            return call()
        except BadInput:
            raise
        except Exception as error:  # the client's, its two transports', and what these are wrapped in
            status, pause = _answer(error)
            passing = status in (*PASSING, CHANGED) if status else _is_of_the_network(error)
            if not (wait and passing) or (pause or 0) > LONGEST:
                raise refusal(repo, error) from None
            time.sleep(wait if pause is None else pause)
    raise AssertionError("the last try returns or raises")


def refusal(repo: str, error: BaseException) -> BadInput:
    """The sentence for what the Hub answered about a repository, or without one about the login, or why it did not."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    status, pause = _answer(error)
    for each in _chain(error):
        if isinstance(each, OSError) and disk_is_full(each):
            return disk_error(Path(each.filename or "the cache of the Hub"), each)
    if status:
        return (Unreachable if status in PASSING else BadInput)(
            f"{_about(repo)}{_said(status, pause, error)} (the Hub answered {status})."
        )
    if any(isinstance(e, OfflineModeIsEnabled) for e in _chain(error)):
        return Unreachable(f"{_about(repo)}HF_HUB_OFFLINE is set, so the Hub is not asked; unset it.")
    if isinstance(error, LocalEntryNotFoundError) or _is_of_the_network(error):
        return Unreachable(f"{_about(repo)}the Hub cannot be reached; look at the network, and try again.")
    return BadInput(f"{_about(repo)}the Hub does not take this ({_line(error)}); change it and try again.")


def _about(repo: str) -> str:
    return f"{repo!r}: " if repo else "Signing in: "


def _said(status: int, pause: float | None, error: BaseException) -> str:
    if status == 400:
        return f"it does not take this: {_line(getattr(error, 'server_message', None) or error)}; change that"
    again = f"try again in {max(1, round(pause / 60))} min" if pause else "try again later"
    return {
        401: "it needs a login that holds; run `hf auth login`, or give another token",
        402: "this needs a paid plan, as a Space on cpu-basic does; choose another Space, or none",
        403: "this login may not write there; give a token with write access, and a name that begins with your own",
        404: "there is no such repository, or this login may not see it; look at its name",
        409: "somebody else is changing it just now; try again",
        CHANGED: "somebody else changed it meanwhile, several times; try again",
        429: f"it was asked too often; {again}",
    }.get(
        status,
        f"it is out of order, also when asked again; {again}" if status >= 500 else "it refuses this; look at its page",
    )


def _answer(error: BaseException) -> tuple[int | None, float | None]:
    """The status of the Hub's answer, if there was one, and the seconds that it asks to wait."""
    from huggingface_hub.errors import HfHubHTTPError

    for each in _chain(error):
        if isinstance(each, HfHubHTTPError):
            pause = each.response.headers.get("Retry-After", "")
            return each.response.status_code, float(pause) if pause.isdecimal() else None
        if found := XET.search(str(each)):
            return int(found[1]), None
    return None, None


def _is_of_the_network(error: BaseException) -> bool:
    import httpx2  # the transport of huggingface_hub

    return any(isinstance(e, (httpx2.TransportError, ConnectionError, TimeoutError)) for e in _chain(error)) or (
        type(error) is RuntimeError  # which is all that its other transport, hf_xet, raises
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _line(error: object) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200].rstrip(" .")
