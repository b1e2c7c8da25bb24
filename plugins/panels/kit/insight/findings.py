"""What is found in all photos of a project: suspects, copies, strangers, an order by likeness, and likely labels."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from core.events import FeaturesMade
from core.insight.features import backbone_of, photo_features
from core.insight.heads import Head
from core.insight.strangers import find_strangers
from core.insight.suspects import Suspect, find_suspects
from core.insight.twins import Twins, find_twins
from core.recipe import Recipe
from plugins.panels.kit.insight.groups import groups_of
from plugins.panels.kit.insight.likeness import likeness_map, likeness_order

NEAREST = 6  # photos shown beside a suspect
MOST = 200  # findings of each kind
MOST_TWINS = 5_000  # pairs
MORE, MOST_COMPARED, AT_ONCE = 12, 50_000, 2048  # photos most like each, if there are not too many to compare
MAP = 10_000  # the map's width and height
LIKELY = 0.5  # probability from which a label is suggested


def findings(asked: dict[str, Any], workspace: Path) -> Generator[FeaturesMade, None, dict[str, Any]]:
    """Look at the photos that a page asked about, and yield the progress of their features; raises BadInput."""
    photos, recipe = asked["photos"], Recipe.from_dict(asked["recipe"])
    labels: list[str] = [label for _, _, label, _ in photos]
    backbone = backbone_of(recipe, sorted(set(labels) - {""}) or ["?", "!"])
    files, contents = [Path(path) for path, *_ in photos], [content for _, content, *_ in photos]
    features = yield from photo_features(files, contents, backbone, workspace)
    good = [i for i, readable in enumerate(features.readable) if readable]
    place = {photo: i for i, photo in enumerate(good)}
    values, sets = features.values, [number for *_, number in photos]
    twins = [pair for pair in find_twins(contents, features) if pair.first in place and pair.second in place]
    labelled = [i for i in good if labels[i]]
    suspects = _suspects(values, labels, labelled, twins, recipe.training.seed)
    unit = normalize(values, dim=1)
    right = set(asked["right"])
    shown = [s for s in suspects if contents[s.photo] not in right][:MOST]
    strangers = find_strangers(values[good])[:MOST]
    order = likeness_order(values[good])
    likeness = [len(good)] * len(photos)
    for rank, i in enumerate(order):
        likeness[good[i]] = rank
    groups = [-1] * len(photos)
    for i, group in zip(good, groups_of(values[good], order), strict=True):
        groups[i] = group
    places = [[-1, -1]] * len(photos)
    for i, place_on_map in zip(good, (likeness_map(values[good]) * MAP).int().tolist(), strict=True):
        places[i] = place_on_map
    doubt = [0.0] * len(photos)
    for suspect in suspects:
        doubt[suspect.photo] = round(1 - suspect.own, 4)
    return {
        "suspects": [
            {
                "photo": s.photo,
                "label": labels[s.photo],
                "better": s.better,
                "own": round(s.own, 4),
                "copy": s.score == 1,
            }
            | {"near": _nearest(unit, s.photo, [i for i in labelled if labels[i] == s.better])}
            for s in shown
        ],
        "twins": [
            {"photos": [p.first, p.second], "kind": p.kind, "labels": [labels[p.first], labels[p.second]]}
            | {"sets": [sets[p.first], sets[p.second]]}
            for p in sorted(twins, key=lambda p: {sets[p.first], sets[p.second]} != {1, 2})[:MOST_TWINS]
        ],
        "strangers": [{"photo": good[i], "near": _nearest(unit, good[i], good)} for i, _ in strangers],
        "likeness": likeness,
        "groups": groups,
        "map": [number for place_on_map in places for number in place_on_map],
        "given": labels,
        "near": _neighbours(unit, good) if len(good) <= MOST_COMPARED else [],
        "doubt": doubt,
        "hints": _hints(values, labels, labelled, good),
    }


def _suspects(
    values: Tensor, labels: Sequence[str], labelled: list[int], twins: Sequence[Twins], seed: int
) -> list[Suspect]:
    if not labelled:
        return []
    place = {photo: i for i, photo in enumerate(labelled)}
    own = [Twins(place[p.first], place[p.second], p.kind) for p in twins if p.first in place and p.second in place]
    found = find_suspects(values[labelled], [labels[i] for i in labelled], own, seed)
    return [Suspect(labelled[s.photo], s.better, s.own, s.score) for s in found]


def _nearest(unit: Tensor, photo: int, among: Sequence[int]) -> list[int]:
    others = [i for i in among if i != photo]
    if not others:
        return []
    likeness = unit[others] @ unit[photo]
    return [others[i] for i in likeness.topk(min(NEAREST, len(others))).indices.tolist()]


def _neighbours(unit: Tensor, good: list[int]) -> list[list[int]]:
    """The MORE photos most like each one."""
    near: list[list[int]] = [[] for _ in range(len(unit))]
    known, k = unit[good], min(MORE + 1, len(good))
    for start in range(0, len(good), AT_ONCE):
        best = (known[start : start + AT_ONCE] @ known.T).topk(k).indices.tolist()
        for i, row in enumerate(best, start):
            near[good[i]] = [good[j] for j in row if j != i][:MORE]
    return near


def _hints(values: Tensor, labels: Sequence[str], labelled: list[int], good: list[int]) -> list[str]:
    """A likely label for each photo without one, "" for the others."""
    hints = [""] * len(labels)
    vocab = sorted({labels[i] for i in labelled})
    without = [i for i in good if not labels[i]]
    if len(vocab) < 2 or not without:
        return hints
    targets = torch.tensor([vocab.index(labels[i]) for i in labelled])
    head = Head.fit(values[labelled], targets, len(vocab))
    best, index = head.logits(values[without]).softmax(1).max(1)
    for photo, probability, number in zip(without, best.tolist(), index.tolist(), strict=True):
        if probability >= LIKELY:
            hints[photo] = vocab[number]
    return hints
