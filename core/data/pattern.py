"""A regular expression that anybody may give: searched in a bounded time, whatever it is."""

from __future__ import annotations

import math
import re
import time

import regex

from core.errors import BadInput, quoted

MATCH_SECONDS = 1.0  # limit for one name; most patterns take microseconds
MEAN = 0.001  # limit in seconds per name, on average
MAX_PATTERN_LENGTH, MOST_COPIES = 1000, 10_000
SHORT = 255  # characters; the longest file name on most systems


class Pattern:
    """A regular expression with a group, searched in names, or with `match` matched from their start."""

    def __init__(self, pattern: str, match: bool = False) -> None:
        self.pattern = pattern
        compiled = _compile(pattern)
        self._find = compiled.match if match else compiled.search
        self._simple = _is_simple(pattern)
        self._too_slow, self._names, self._spent = False, 0, 0.0

    def search(self, text: str) -> regex.Match[str] | None:
        """The match in a name, or None; raises BadInput if the pattern takes too long, and for every name after it."""
        if not self._too_slow:
            began = time.perf_counter()
            try:
                if self._simple and len(text) <= SHORT:
                    return self._find(text)
                return self._find(text, timeout=MATCH_SECONDS)
            except TimeoutError:  # give up: thousands of names would take as long
                self._too_slow = True
            finally:
                self._names += 1
                self._spent += time.perf_counter() - began
                self._too_slow |= self._spent > max(MATCH_SECONDS, self._names * MEAN)
        raise BadInput(
            f"The regular expression {quoted(self.pattern)} takes too long on names such as {quoted(text)}; "
            "avoid repeating a group that itself repeats or has alternatives, as in (a|aa)+."
        )


def _compile(pattern: str) -> regex.Pattern[str]:
    """Compile `pattern` with `regex`, which has timeouts, if Python's `re` accepts it too; raises BadInput."""
    if len(pattern) > MAX_PATTERN_LENGTH or _copies(pattern) > MOST_COPIES:
        raise BadInput(f"The regular expression {quoted(pattern)} is too large; write a shorter one.")
    try:
        re.compile(pattern)  # the usual dialect; recursion, only in `regex`, could use up memory
        compiled = regex.compile(pattern)
    except (re.error, regex.error, RecursionError, OverflowError) as error:
        raise BadInput(f"{quoted(pattern)} is not a regular expression: {error}; correct it.") from error
    if not compiled.groups:
        raise BadInput(f"{quoted(pattern)} has no group to search for; put the part that is meant in parentheses.")
    return compiled


def _is_simple(pattern: str) -> bool:
    """Whether `pattern` takes at most half a second on a short text and needs no timeout, which is slower.

    It has at most three repeated, optional or alternative parts, none of them nested: no `)` is repeated.
    """
    return "{" not in pattern and len(re.findall(r"[*+?|]", pattern)) <= 3 and not re.search(r"[)\s][*+?]", pattern)


def _copies(pattern: str) -> int:
    """The number of copies that `regex` makes for counted repeats: `(a{1000}){1000}` becomes a million `a`."""
    counts = [(nests, max(1, int(count))) for nests, count in re.findall(r"([\s)]?)\{(\d+)", pattern)]
    return math.prod(n for nests, n in counts if nests) * max(1, sum(n for nests, n in counts if not nests))
