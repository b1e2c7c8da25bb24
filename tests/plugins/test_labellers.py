"""Labellers turn a photo's path into its label, or say in one sentence why not."""

from __future__ import annotations

import os
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from core.data import pattern as pattern_module
from core.discovery import discover
from core.errors import BadInput
from core.registry import labellers, splitters
from plugins.labellers.folder import parent_label
from tests.cpu import takes_at_most

discover()


@pytest.mark.parametrize(
    ("pattern", "label"),
    [
        (r"(.+)_\d+.jpg$", "great_pyrenees"),
        (r"(.+?)_", "great"),  # the lazy near-twin
        (r"([a-z]+)_\d", "pyrenees"),  # searched, not matched
        (r"^(?P<breed>\w+)_(\d+)", "great_pyrenees"),
    ],
)
def test_regex_as_fastai(pattern: str, label: str) -> None:
    labeller = labellers.create("regex", pattern=pattern)
    assert labeller("great_pyrenees_173.jpg") == label
    assert labeller(Path("photos_9/x/great_pyrenees_173.jpg")) == label, "of a path, the name is searched"


def test_regex_by_default_labels_the_books_names() -> None:
    labeller = labellers.create("regex")
    assert [labeller(n) for n in ("Abyssinian_1.jpg", "pug_12.PNG", "a_b_3.jpeg")] == ["Abyssinian", "pug", "a_b"]


def test_regex_match_is_from_the_beginning() -> None:
    assert labellers.create("regex", pattern=r"([a-z]+)\d", match=False)("Xcat1.jpg") == "cat"
    with pytest.raises(BadInput, match=r"'Xcat1.jpg' does not match"):
        labellers.create("regex", pattern=r"([a-z]+)\d", match=True)("Xcat1.jpg")


def test_regex_of_the_path() -> None:
    labeller = labellers.create("regex", pattern=r"/([^/]+)/[^/]+$", part="path")
    assert labeller(Path("photos", "dog", "1.jpg")) == "dog"
    assert labeller("photos/dog/1.jpg") == "dog"


@pytest.mark.parametrize(
    "pattern", ["(", "[", r"(a)\\"[:-1], "(a)(?P<x", "(?R)(a)", r"(\p{Lu})", "(" * 400 + ")" * 400, "(a{99999999999})"]
)
def test_regex_that_is_none(pattern: str) -> None:
    with pytest.raises(BadInput, match="regular expression"):
        labellers.create("regex", pattern=pattern)


@pytest.mark.parametrize("pattern", ["(a{100000}){100000}", "(?x)((a{1000}) {1000})", "(a{1000000})", "(a)" * 500])
def test_regex_that_would_eat_the_memory(pattern: str) -> None:
    with pytest.raises(BadInput, match="is too large"):
        labellers.create("regex", pattern=pattern)


def test_regex_with_counts_that_people_write() -> None:
    uuid = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    labeller = labellers.create("regex", pattern=rf"^{uuid}_{uuid}_(\w+)")
    assert labeller("009b3c31-fb62-45c0-be9a-37a5c238cb88_041c6bde-e737-46fd-9586-984c1503941f_hat.jpg") == "hat"


def test_regex_without_a_group() -> None:
    with pytest.raises(BadInput, match="has no group"):
        labellers.create("regex", pattern=r".+_\d+\.jpg$")


def test_regex_unmatched_name_and_unmatched_group() -> None:
    with pytest.raises(BadInput, match=re.escape("'IMG.jpg' does not match the regular expression")):
        labellers.create("regex")(Path("x/IMG.jpg"))
    for pattern in (r"(cat)?_\d", r"(.*)_\d"):
        with pytest.raises(BadInput, match=r"finds no label in '_1\.jpg'"):
            labellers.create("regex", pattern=pattern)("_1.jpg")


@pytest.mark.parametrize(
    "pattern", [r"^((a|aa)+)$", r"^((\w|\w\w)+\s?)*$", "(?x)^((a|aa) +)$", "(?x)^((a|aa)#...\n+)$"]
)
def test_regex_of_exponential_time(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.setattr(pattern_module, "MATCH_SECONDS", 0.2)
    labeller = labellers.create("regex", pattern=pattern)
    with takes_at_most(2):
        for n in range(100):  # one name condemns the pattern, or a thousand names would take a thousand timeouts
            with pytest.raises(BadInput, match=r"takes too long on names such as 'a+!'"):
                labeller("a" * (60 + n) + "!")


@pytest.mark.parametrize("pattern", [r"(a+a+?(a)^)_", r"(.*b.*?(.)a)[xy]", r"(a+)\1+\1+[xy]"])
def test_regex_of_cubic_time(pattern: str) -> None:
    """A name is searched without a timeout, and takes less time than that."""
    for name in ("a" * 255, "ab" * 127):
        with takes_at_most(2), pytest.raises(BadInput, match="does not match"):
            labellers.create("regex", pattern=pattern)(name)


def test_regex_of_cubic_time_on_a_long_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_module, "MATCH_SECONDS", 0.2)
    with takes_at_most(2), pytest.raises(BadInput, match=r"takes too long"):
        labellers.create("regex", pattern=r"(.*b.*?(.)a)[xy]")("ab" * 2000)


def test_regex_famous_slow_pattern_is_fast_here() -> None:
    with pytest.raises(BadInput):  # re takes over 4 s
        labellers.create("regex", pattern=r"^((\w+\s?)*)$")("a" * 40 + "!.jpg")


def test_regex_on_real_photos(data_folder: Path) -> None:
    labeller = labellers.create("regex", pattern=r"(.+)_\d+\.jpg$")
    names = {labeller(file) for file in (data_folder / "pets").glob("*.jpg")}
    assert len(names) == 37 and "american_pit_bull_terrier" in names


def test_folder() -> None:
    labeller = labellers.create("folder")
    assert labeller(Path("train/cat/1.jpg")) == labeller("train/cat/1.jpg") == parent_label("x/cat/1.jpg") == "cat"
    with pytest.raises(BadInput, match="is not in a folder that could be its label"):
        labeller("1.jpg")


def test_folder_of_a_level_with_names_that_are_passed_over_or_no_label() -> None:
    assert labellers.create("folder", level=2)("train/cat/images/1.jpg") == "cat"
    skipping = labellers.create("folder", skip=["more", "images"], ignore=["test"])
    assert [skipping(f"{n}/1.jpg") for n in ("cat", "cat/more", "cat/images/more")] == ["cat"] * 3
    assert skipping.span("p/cat/more/1.jpg") == ("cat/more/1.jpg", 0, 3)
    with pytest.raises(BadInput, match="'test' is not a label; move its photos into class folders"):
        skipping("test/images/1.jpg")
    with pytest.raises(BadInput, match="is not in a folder that could be its label"):
        labellers.create("folder", level=3)("train/cat/1.jpg")


def test_csv_of_classes_in_columns_and_of_several_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("f,cat,dog\n1.jpg,1,0\n2.jpg,1,1\n")
    (tmp_path / "b.csv").write_text("f,cat,dog\n3.PNG,0,1.0\n")
    options = {"path": str(tmp_path), "tables": ["a.csv", "b.csv"], "name_column": "f", "classes": ["cat", "dog"]}
    labeller = labellers.create("csv", **options, loose=True)
    assert [labeller(name) for name in ("1.jpg", "3.jpg")] == ["cat", "dog"]
    assert labeller.remarks([Path("1.jpg")])[1:] == ["1 row of a.csv, b.csv has no photo"]
    with pytest.raises(BadInput, match=r"line 3 of a.csv marks several classes for '2.jpg', cat, dog; mark one"):
        labeller("2.jpg")


def test_csv_columns_by_number(tmp_path: Path) -> None:
    assert table(tmp_path, ",x,\na,0,cat\n", name_column="1", label_column="3")("a.jpg") == "cat"
    with pytest.raises(BadInput, match="has no column '4'"):
        table(tmp_path, ",x,\na,0,cat\n", name_column="1", label_column="4")


@pytest.mark.parametrize(("text", "line"), [("f,l\na.jpg,x\nb.jpg,y, z\n", 3), ("\nf,l\n\na.jpg,x\n'b,c.jpg',y\n", 5)])
def test_csv_of_a_row_with_too_many_cells(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(BadInput, match=f"has 3 cells in line {line}, but 2 columns; put quotes"):
        table(tmp_path, text)


def test_parent_label_is_a_word_of_the_notebook() -> None:
    import plugins

    assert {"parent_label", "RegexLabeller", "FolderLabeller", "CsvLabeller"} <= set(plugins.__all__)


def table(tmp_path: Path, text: str, encoding: str = "utf-8", **options: str) -> Any:
    """A CSV labeller of `text`."""
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return labellers.create("csv", path=str(path), **options)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_delimiters(tmp_path: Path, delimiter: str, encoding: str) -> None:
    lines = ["name|label", "a.jpg|big cat", '"b.jpg"|Tür', "", " c.jpg | dog "]
    labeller = table(tmp_path, "\r\n".join(lines).replace("|", delimiter), encoding)
    assert [labeller(Path("x") / n) for n in ("a.jpg", "b.jpg", "c.jpg")] == ["big cat", "Tür", "dog"]


def test_csv_columns(tmp_path: Path) -> None:
    text = ",breed,split,id\n0,pug,train,x1\n1,beagle,valid,x2\n"
    assert table(tmp_path, text, name_column="id")("x2.jpg") == "beagle"
    assert table(tmp_path, text, name_column="id", label_column="split")("x2.jpg") == "valid"
    assert table(tmp_path, text, label_column="split")("pug.jpg") == "train", "pandas' index column is no candidate"
    with pytest.raises(BadInput, match=r"has no column 'race'; it has: , breed, split, id"):
        table(tmp_path, text, label_column="race")


def test_csv_finds_the_longest_end_then_the_name_then_the_stem(tmp_path: Path) -> None:
    labeller = table(
        tmp_path, "f,l\ntrain/1.jpg,A\n./valid\\1.jpg,B\n1.jpg,C\ndata/2.jpg,D\n3,E\nx.y,F\nsub/4,G\ne\u0301.jpg,H\n"
    )
    expected = {"p/train/1.jpg": "A", "p/valid/1.jpg": "B", "p/other/1.jpg": "C", "moved/2.jpg": "D", "p/3.png": "E",
                "p/x.y.jpg": "F", "sub/4.jpg": "G", "\u00e9.jpg": "H"}  # fmt: skip
    assert {name: labeller(Path(name)) for name in expected} == expected


def test_csv_ambiguous_name(tmp_path: Path) -> None:
    labeller = table(tmp_path, "f,l\ncat/1.jpg,cat\ndog/1.jpg,dog\ncat/2.jpg,x\ndog/2.jpg,x\n")
    assert labeller("a/dog/1.jpg") == "dog" and labeller("a/2.jpg") == "x"
    with pytest.raises(BadInput, match=r"has cat and dog for photos named '1\.jpg'"):
        labeller("a/1.jpg")


def test_csv_without_a_header(tmp_path: Path) -> None:
    assert table(tmp_path, "a.jpg,cat\nb.jpg,dog\n")("a.jpg") == "cat"


def test_csv_unlisted_and_empty_labels(tmp_path: Path) -> None:
    labeller = table(tmp_path, "f,l\na.jpg,\nb.jpg\nc.jpg,x\n")
    for name in ("a.jpg", "b.jpg", "z.jpg"):
        with pytest.raises(BadInput, match=f"has no label for '{name}'"):
            labeller(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("name\na.jpg\n", "too few columns"),
        ("f,l\na.jpg,cat\na.jpg,dog\n", "lists 'a.jpg' as 'cat' and as 'dog'"),
        ("f,l\n" + "x" * 200_000 + ",a\n", "cannot be read"),
    ],
)
def test_csv_that_is_no_use(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        table(tmp_path, text)


def test_csv_missing_or_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.csv' cannot be read"):
        labellers.create("csv", path=str(tmp_path / "none.csv"))
    assert table(tmp_path, "f,l\na.jpg,Tür\n", "utf-16")("a.jpg") == "Tür"
    windows = table(tmp_path, "sep=;\nf;l\na.jpg;Tür\n", "cp1252")
    (remark,) = windows.remarks([Path("a.jpg")])
    assert windows("a.jpg") == "Tür" and "read as cp1252; set labeller.encoding" in remark
    file = tmp_path / "labels.csv"
    file.write_bytes("f,l\na.jpg,сом\n".encode("cp866"))
    said = labellers.create("csv", path=str(file), encoding="cp866")
    assert said("a.jpg") == "сом" and said.remarks([Path("a.jpg")]) == []


def test_csv_listed_twice_alike_is_fine(tmp_path: Path) -> None:
    assert table(tmp_path, "f,l\na.jpg,cat\na.jpg,cat\n")("a.jpg") == "cat"


@pytest.mark.parametrize("name", ["a/" * 60_000 + "1.jpg", "/".join("ab" * 30_000) + ".jpg"])
def test_csv_of_very_deep_names_takes_as_much_memory_as_it_is_long(tmp_path: Path, name: str) -> None:
    tracemalloc.start()
    labeller = table(tmp_path, f"f,l\n{name},x\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * len(name)
    assert labeller(Path("photos", *name.split("/")[-3:])) == "x"


@pytest.mark.parametrize("label", [lambda i: "same", lambda i: f"l{i}"])
def test_csv_of_many_photos_called_alike(tmp_path: Path, label: Any) -> None:
    """Each in a folder of its own, as scanners write them."""
    labeller = table(tmp_path, "f,l\n" + "".join(f"patient_{i}/scan.png,{label(i)}\n" for i in range(20_000)))
    with takes_at_most(20):  # all with all takes minutes
        assert {labeller(Path(f"x/patient_{i}/scan.png")) for i in range(20_000)} == {label(i) for i in range(20_000)}
        for _ in range(2_000):
            try:
                assert labeller("elsewhere/scan.png") == "same"
            except BadInput as error:
                assert "for photos named 'scan.png'" in str(error)


SECRET = "a secret of 18 let"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"HOME=/root\0KEY={SECRET},x", {}),  # what /proc has of a process
        (f"HOME=/root\0KEY={SECRET},x", {"label_column": "label"}),
        (f"KEY={SECRET}", {"label_column": "label"}),
        (f"a,b,c,d,e,{SECRET}", {"label_column": "label"}),
        (f"a,{'-' * 40}{SECRET}", {"label_column": "label"}),
        (f"a,{SECRET}{'-' * 300}", {"label_column": "label"}),
        (f"a,b\n{'-' * 100}{SECRET}{'-' * 100},x\n{'-' * 100}{SECRET}{'-' * 100},y", {}),
        (f"a,b\n{'-' * 300}{SECRET}{'-' * 300},x", {}),
        (f"a,b\n1.jpg,{SECRET * 100}\n1.jpg,y", {}),
    ],
)
def test_csv_says_little_of_a_file(tmp_path: Path, text: str, options: dict[str, str]) -> None:
    with pytest.raises(BadInput) as refused:
        table(tmp_path, text, **options)("3/1.jpg")
    assert str(refused.value).count(SECRET) <= 20 and len(str(refused.value)) < 700
    assert SECRET * 100 in text or SECRET not in str(refused.value)


def test_csv_shows_the_first_columns(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"it has: c0, c1, c2, c3, c4 and 95 more\."):
        table(tmp_path, ",".join(f"c{i}" for i in range(100)), label_column="label")


@pytest.mark.parametrize("text", ['f,l\nx,"\n' + ('",' + "ab," * 10_000 + '"\n') * 60, 'f,l\n"' + "a\n" * 600_000])
def test_csv_with_a_row_without_end(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        table(tmp_path, text)


def test_csv_with_marks_on_a_letter(tmp_path: Path) -> None:
    """Sorting them, as composing does, takes time by the square of their number."""
    marks = "\u0301\u0323" * 60_000
    with takes_at_most(5):
        for use in (
            lambda: table(tmp_path, f"f,l\na{marks}.jpg,x\n"),
            lambda: table(tmp_path, "f,l\na.jpg,x\n")(marks),
        ):
            with pytest.raises(BadInput, match="over 255 characters"):
                use()


@pytest.mark.parametrize("kind", ["labeller", "splitter"])
def test_a_table_or_list_of_a_path_that_is_none(tmp_path: Path, kind: str) -> None:
    for path in ("~nobody-of-that-name/1.csv", "a\0b", "x" * 100_000, str(tmp_path)):
        with pytest.raises(BadInput, match=r"give a file|give one") as refused:
            labellers.create("csv", path=path) if kind == "labeller" else splitters.create("file", path=path)
        assert len(str(refused.value)) < 400


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such files")
@pytest.mark.parametrize("kind", ["labeller", "splitter"])
def test_a_table_that_is_a_pipe_or_a_device(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (str(tmp_path / "pipe.csv"), "/dev/zero"):
        with pytest.raises(BadInput, match="is a device or a pipe"):
            labellers.create("csv", path=path) if kind == "labeller" else splitters.create("file", path=path)


@pytest.mark.parametrize("pattern", ["(.+)_", "(x)?.*", "(a{1000000})", "(" + "a" * 900, "a" * 900])
def test_regex_and_names_are_not_quoted_at_length(pattern: str) -> None:
    with pytest.raises(BadInput) as refused:
        labellers.create("regex", pattern=pattern, part="path")("y" * 60_000)
    assert len(str(refused.value)) < 700


def test_folder_of_named_classes() -> None:
    """The nearest folder of such a name, whatever lies below."""
    label = labellers.create("folder", classes=["cat", "dog"])
    found = [label(Path(name)) for name in ("cat/1.jpg", "cat/2023-05-01/more/2.jpg", "cat/dog/3.jpg")]
    assert found == ["cat", "cat", "dog"]
    with pytest.raises(BadInput, match=r"'bird/1\.jpg' is not in a folder that could be its label"):
        label(Path("bird/1.jpg"))
    assert labellers.create("folder", classes=["cat", "dog"], level=2)(Path("cat/x/dog/1.jpg")) == "cat"
