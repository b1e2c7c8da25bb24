"""Labels that look like different spellings of one label."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, islice, product

SHORTEST_FOR_A_GAP, SHORTEST_FOR_A_CHANGE = 8, 11  # letters; in shorter words one letter tells classes apart
MAX_WORD_LETTERS = 50  # the search for typos takes quadratic time
MAX_PAIRS = 1000


def alike(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ only in case, accents, separators or a plural s, or by a typo in a long word.

    A typo is one letter missing in 9 or more, or one wrong or swapped with its neighbour in 11 or more. Digits do not
    count as letters, since numbers tell classes apart. At most 1,000 pairs are returned.
    """
    position = {name: i for i, name in enumerate(names)}
    spellings = defaultdict[str, list[str]](list)
    for name in position:
        if plain := _plain(name):
            spellings[plain].append(name)
    same = chain.from_iterable(combinations(spelt, 2) for spelt in spellings.values())
    typos = chain.from_iterable(product(spellings[a], spellings[b]) for a, b in _typos(spellings.keys()))
    found = [sorted((position[a], position[b])) for a, b in islice(chain(same, typos), MAX_PAIRS)]
    return [(names[a], names[b]) for a, b in sorted(found)]


def _typos(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each pair of words that are one typo apart, once."""
    known = {word for word in words if SHORTEST_FOR_A_GAP <= len(word) <= MAX_WORD_LETTERS}
    of_length = defaultdict[int, list[str]](list)
    for word in known:
        of_length[len(word)].append(word)
        yield from ((word, other) for other in _one_less(word) if other in known)
        if len(word) >= SHORTEST_FOR_A_CHANGE:
            yield from ((word, other) for other in _swapped(word) if other > word and other in known)
    for length, group in of_length.items():
        for i in range(length if length >= SHORTEST_FOR_A_CHANGE else 0):
            rest = defaultdict[str, list[str]](list)
            for word in group:
                if not word[i].isdigit():
                    rest[word[:i] + word[i + 1 :]].append(word)
            for same in rest.values():
                yield from combinations(same, 2)


def _one_less(word: str) -> Iterator[str]:
    """The word with each of its letters left out in turn, without repeats for double letters."""
    return (
        word[:i] + word[i + 1 :]
        for i, letter in enumerate(word)
        if not letter.isdigit() and word[i + 1 : i + 2] != letter
    )


def _swapped(word: str) -> Iterator[str]:
    """The word with each two neighbours swapped in turn, unless both are digits."""
    return (
        word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        for i in range(len(word) - 1)
        if not (word[i].isdigit() and word[i + 1].isdigit())
    )


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in letters if c.isalnum()).removesuffix("s")
