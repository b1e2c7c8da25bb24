"""Words by which people name folders, files and columns, where those are no classes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

TRAIN, VALID, TEST = "train", "valid", "test"
SIDES = {
    **dict.fromkeys(("train", "training", "trainset", "trainingset", "trn"), TRAIN),
    **dict.fromkeys(("valid", "validation", "val", "validset", "valset", "validationset"), VALID),
    **dict.fromkeys(("eval", "evaluation", "evalset", "holdout", "dev", "devset"), VALID),
    **dict.fromkeys(("test", "testing", "testset", "tst", "unlabelled", "unlabeled"), TEST),
}
PREDICTED = dict.fromkeys(("pred", "prediction", "predict"), TEST)  # only in a longer name, or beside another side
SIDES_OR_CLASSES = frozenset(("train", "dev"))  # vehicles, and developers


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AFFIXES = _words(  # beside a side, still a side
    "a all and b crop cropped data dataset ds extra final full image images img imgs jpeg jpg large my new of orig "
    "original out photo photos pictures png private public raw resized seg set sets small split the v"
)
WRAPPERS = _words(  # folders that hold photos, whatever they show
    "data dataset datasets files image images img imgs jpeg jpegimages jpegs jpg mask masks photo photos pic pics "
    "picture pictures png pngs raw"
)
WRAPPERS_OR_CLASSES = _words("mask masks photo photos pic pics picture pictures raw")  # beside `sketches`, `cooked`
COUNTERS = _words(  # with a number, folders that only count
    "apple batch camera canon chunk clip day dcim dir disk fold folder group images img month msdcf nikon page "
    "part photos scan seq session set shard video vol volume week"
)
INDIVIDUALS = _words(  # with a number, folders of what is seen several times
    "animal case id individual participant patient person sample slide specimen subject user"
)
DEVICES = _words(  # of names that cameras, phones and programs give
    "capture cimg dcim download dsc dscf dscn facebook fb file frame gopr image images img jpeg jpg messenger mvi pano "
    "photo photos pic picture pxl received sam scan screenshot signal snap snapchat telegram unnamed untitled vid "
    "video wa whatsapp"
)
NAMES = _words(  # columns that name photos
    "file filename files fname id image images img name path photo picture"
)
LABELS = _words(  # columns of labels
    "annotation attribute breed category class classes classname condition diagnosis disease dx finding genus "
    "kind label labels species tag target type variety y"
)


def sides(names: Iterable[str]) -> dict[str, str]:
    """Those of the folder names that are a side of a split: `Training`, `test1`, `seg_train`, `cifar_val`.

    A word that is neither an affix of data sets nor beside another side makes a name a class: `train_station`.
    """
    rests = defaultdict[str, dict[str, str]](dict)
    for name in names:
        for side, rest in _readings(name):
            rests[rest][name] = side
    found = {
        name: side
        for rest, read in rests.items()
        if AFFIXES.issuperset(rest.split()) or len(set(read.values())) > 1
        for name, side in read.items()
    }
    return (
        found
        if len(set(found.values())) > 1
        else {n: side for n, side in found.items() if n.casefold() not in PREDICTED}
    )


def is_wrapper(name: str) -> bool:
    """Whether a folder's name says only that photos are in it."""
    return name.casefold() in WRAPPERS


def says_nothing(name: str) -> bool:
    """Whether a folder's name says only which photos of the data set are in it: `images`, `extra`, `new`."""
    words = tokens(name)
    return is_wrapper(name) or (bool(words) and AFFIXES.issuperset(words))


def are_counters(names: Iterable[str]) -> bool:
    """Whether folder names only count: years and dates, `part_1`, `batch2`, `100CANON`."""
    return all(map(_is_counter, names))


def are_individuals(names: Iterable[str]) -> bool:
    """Whether folder names are numbers of patients, animals or the like: `patient_7`, `subject 12`."""
    return all(re.search(r"\d", name) and not INDIVIDUALS.isdisjoint(tokens(name)) for name in names)


def differ_by_number_alone(names: Iterable[str]) -> bool:
    """Whether the names are one word with numbers, such as `patient_7` and `patient_12`."""
    return len({re.sub(r"[\d\W_]+", " ", name).strip().casefold() for name in names}) == 1


def tokens(name: str) -> list[str]:
    """The words of a name, without its numbers: `Seg_trainSet-2` is of seg, train and set."""
    return [word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+", name)]


def test_remarks(valid: Sequence[str]) -> list[str]:
    """What to say where a test set is for validation."""
    tests = [name for name, side in sides(valid).items() if side == TEST]
    return [f"{', '.join(tests)} is used for validation, for want of another: its accuracy is no test any more"] * bool(
        tests
    )


def _readings(name: str) -> Iterable[tuple[str, str]]:
    words = tokens(name)
    if re.sub(r"[\W_]+", "", name).casefold() == "holdout":
        words = ["holdout"]
    for i in {0, len(words) - 1} if words else ():
        if side := SIDES.get(words[i]) or PREDICTED.get(words[i]):
            yield side, " ".join(words[:i] + words[i + 1 :])


def _is_counter(name: str) -> bool:
    if re.fullmatch(r"(19|20)\d\d([ ._-]?\d\d?){0,2}", name):
        return True
    words = tokens(name)
    return bool(re.search(r"\d", name)) and bool(words) and COUNTERS.issuperset(words[-1:])
