"""Labels spelt twice, against a definition that tries every pair."""

from __future__ import annotations

import difflib
import random
import string
from itertools import combinations
from pathlib import Path

import pytest

from core.data.alike import MAX_PAIRS, alike
from tests.cpu import takes_at_most


@pytest.mark.parametrize(
    ("a", "b"),
    [("cat", "Cat"), ("cat", "cats"), ("t-shirt", "T shirt"), ("big_dog", "big dog"), ("café", "cafe"),
     ("Abyssinian", "Abysinian")],
)  # fmt: skip
def test_names_that_are_alike(a: str, b: str) -> None:
    assert alike([a, b]) == [(a, b)]


def test_names_that_are_not_alike(data_folder: Path) -> None:
    assert alike(["cat", "rat", "bat", "dog", "longsleeve", "shirt", "tabby_cat", "tiger_cat"]) == []
    breeds = {f.name.rsplit("_", 1)[0] for f in (data_folder / "pets").glob("*.jpg")}
    clothes = {f.name for f in (data_folder / "clothing/train").iterdir()}
    assert (len(breeds), len(clothes)) == (37, 10)
    assert alike(sorted(breeds)) == alike(sorted(clothes)) == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("golden_retriever", "golden_retreiver"), ("eastern chimpanzee", "western chimpanzee"),
        ("class_1001", "class_1002"), ("eight88a", "eight88b"), ("abcdefghijk", "abcdefghijx"),
        ("abcdefghij", "abcdefghix"),
        ("abcdefghi", "abcdefgh"), ("abcdefgh", "abcdefg"), ("2abcdefghijk", "a2bcdefghijk"),
        ("12abcdefghi", "21abcdefghi"), ("aabcdefgh", "abcdefgh"),
    ],
)  # fmt: skip
def test_a_slip_of_a_letter(a: str, b: str) -> None:
    assert alike([a, b]) == [(a, b)] * (one_letter_apart(a, b) and ratio(a, b) > 0.9)


def ratio(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() if min(len(a), len(b)) >= 8 else 0.0


def one_letter_apart(a: str, b: str) -> bool:
    """Whether one letter, not a digit, is missing, wrong or swapped with its neighbour."""
    a, b = (name.replace("_", "").replace(" ", "").removesuffix("s") for name in (a, b))
    if [c for c in a if c.isdigit()] != [c for c in b if c.isdigit()]:
        return False
    short, long = sorted((a, b), key=len)
    if len(long) == len(short) + 1:
        return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    unlike = [i for i in range(len(a)) if len(a) == len(b) and a[i] != b[i]]
    swapped = (
        len(unlike) == 2
        and unlike[1] == unlike[0] + 1
        and a[unlike[0]] == b[unlike[1]]
        and a[unlike[1]] == b[unlike[0]]
    )
    return len(unlike) == 1 or swapped


@pytest.mark.parametrize("seed", range(10))
def test_as_by_definition(seed: int) -> None:
    """Of the names that are one letter apart, those whose letters agree by over 90 %, as `difflib` counts them."""
    draw = random.Random(seed)
    names = {"".join(draw.choices(string.ascii_lowercase + "12", k=draw.randint(6, 18))) for _ in range(20)}
    for _ in range(3):
        for name in sorted(names)[::2]:
            i, letter = draw.randrange(len(name)), draw.choice("xyzs12")
            before, here, after = name[:i], name[i], name[i + 1 :]
            swapped = before + after[:1] + here + after[1:]
            names.add(draw.choice([before + after, before + letter + here + after, before + letter + after, swapped]))
    expected = [
        (a, b)
        for a, b in combinations(sorted(names), 2)
        if a.removesuffix("s") == b.removesuffix("s")
        or (one_letter_apart(a, b) and ratio(a.removesuffix("s"), b.removesuffix("s")) > 0.9)
    ]
    assert len(expected) > 5 and alike(sorted(names)) == expected


@pytest.mark.parametrize("kind", ["two words", "long", "of one kind", "numbered", "spelt alike"])
def test_very_many_labels(kind: str) -> None:
    """Each with each took minutes."""
    draw = random.Random(0)
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(4, 9))) for _ in range(100)]
    names = {
        "two words": [f"{a} {b}" for a in words for b in words],
        "long": ["".join(draw.choices("ab ", k=2000)) for _ in range(400)],
        "of one kind": [f"photograph {chr(0x4E00 + i)}" for i in range(10_000)],
        "numbered": [f"photograph {i:05}" for i in range(10_000)],
        "spelt alike": ["red" + " " * i for i in range(10_000)],
    }[kind]
    with takes_at_most(10):
        assert len(alike(sorted(names))) <= MAX_PAIRS
