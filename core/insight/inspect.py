"""Inspection of a data set with a frozen backbone: suspects, twins, strangers and a learning curve."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from core.data.check import Examined
from core.events import FeaturesMade
from core.insight.curve import Point, Weakest, learning_curve, weakest_labels
from core.insight.features import backbone_of, photo_features
from core.insight.strangers import find_strangers
from core.insight.suspects import Suspect, find_suspects
from core.insight.twins import Twins, find_twins, groups_of, sides_of
from core.recipe import Recipe

SHOWN = 20  # findings of each kind in text


@dataclass(frozen=True)
class Insight:
    """The findings in a checked data set, with photos as indices of its split."""

    examined: Examined
    suspects: list[Suspect]
    twins: list[Twins]
    strangers: list[tuple[int, float]]  # (photo, cosine distance to the 10th nearest)
    curve: list[Point]
    weakest: list[Weakest] = field(default_factory=list)

    @property
    def leaked(self) -> list[str]:
        """The contents of training photos that have a copy in validation, which makes its metrics too optimistic."""
        groups = groups_of(self.twins, len(self.examined.digests))
        validated = {groups[i] for i in self.examined.split.valid}
        return sorted({self.examined.digests[i] for i in self.examined.split.train if groups[i] in validated})

    def document(self) -> dict[str, Any]:
        """All findings as a JSON document."""
        labels, sides = self.examined.split.labels, sides_of(self.examined.split)
        return {
            "suspects": [
                {"photo": self._name(s.photo), "label": labels[s.photo], "better": s.better}
                | {"own": round(s.own, 6), "score": round(s.score, 6)}
                for s in self.suspects
            ],
            "twins": [
                {
                    "photos": [self._name(i) for i in (pair.first, pair.second)],
                    "kind": pair.kind,
                    "labels": [labels[i] for i in (pair.first, pair.second)],
                    "sets": [sides[i] for i in (pair.first, pair.second)],
                }
                for pair in self.twins
            ],
            "strangers": [
                {"photo": self._name(i), "label": labels[i], "distance": round(distance, 6)}
                for i, distance in self.strangers
            ],
            "curve": [vars(point) for point in self.curve],
            "weakest": [{**vars(weakest), "sentence": weakest.sentence} for weakest in self.weakest],
        }

    def lines(self) -> list[str]:
        """The first findings of each kind as lines of text."""
        found = self.document()
        pairs = [
            f"  {' and '.join(pair['photos'])}: {pair['kind']}{_difference('labels', pair)}{_difference('sets', pair)}"
            for pair in found["twins"]
        ]
        suspects = [f"  {s['photo']}: {s['label']}, rather {s['better']} ({s['own']:.0%})" for s in found["suspects"]]
        strangers = [f"  {s['photo']} ({s['label']})" for s in found["strangers"]]
        lines = _listed("labels that the other photos contradict, with the label's probability", suspects)
        lines += _listed("pairs of copies or near-duplicates", pairs)
        lines += _listed("photos unlike all others", strangers)
        if self.curve:
            lines.append("validation accuracy of a linear head, by the number of training photos:")
            lines += [f"  {p.photos:>7,}  {p.accuracy:.3f} ({p.low:.3f} to {p.high:.3f})" for p in self.curve]
        lines += [weakest.sentence for weakest in self.weakest[:1]]
        return lines

    def _name(self, photo: int) -> str:
        return Path(self.examined.split.items[photo]).relative_to(self.examined.root).as_posix()


def inspect(recipe: Recipe, examined: Examined, workspace: Path) -> Generator[FeaturesMade, None, Insight]:
    """Inspect the checked photos of a recipe; their features are cached in the workspace."""
    split = examined.split
    predictor = backbone_of(recipe, split.vocab)
    features = yield from photo_features(split.items, examined.digests, predictor, workspace)
    used = split.used()
    photos = [i for i, readable in enumerate(features.readable) if readable and used[i]]
    place = {photo: i for i, photo in enumerate(photos)}
    twins = _with_said(find_twins(examined.digests, features), examined)
    twins = [p for p in twins if p.first in place and p.second in place]
    values, labels = features.values[photos], [split.labels[i] for i in photos]
    own = [Twins(place[p.first], place[p.second], p.kind) for p in twins]
    suspects = find_suspects(values, labels, own, recipe.training.seed)
    targets = torch.tensor([split.vocab.index(label) for label in labels])
    train, valid = ([place[i] for i in side if i in place] for side in (split.train, split.valid))
    return Insight(
        examined,
        [
            Suspect(photos[s.photo], s.better, s.own, s.score)
            for s in suspects
            if examined.digests[photos[s.photo]] not in examined.corrections.right
        ],
        twins,
        [(photos[i], distance) for i, distance in find_strangers(values)],
        learning_curve(values, targets, len(split.vocab), train, valid, recipe.training.seed),
        weakest_labels(labels, [labels[s.photo] for s in suspects]),
    )


def _with_said(twins: list[Twins], examined: Examined) -> list[Twins]:
    """The twins with the pairs that a person said are the same, which are copies at least."""
    photo_of = {content: i for i, content in reversed(list(enumerate(examined.digests)))}
    pairs = [(photo_of[a], photo_of[b]) for a, b in sorted(examined.corrections.same) if {a, b} <= photo_of.keys()]
    said = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    exact = {(pair.first, pair.second) for pair in twins if pair.kind != "alike"}
    added = [Twins(*pair, "copy") for pair in sorted(said - exact)]
    alike = [pair for pair in twins if pair.kind == "alike" and (pair.first, pair.second) not in said]
    return [*(pair for pair in twins if pair.kind != "alike"), *added, *alike]


def _difference(what: str, pair: dict[str, Any]) -> str:
    one, other = pair[what]
    return f", {one} and {other}" if one != other else ""


def _listed(title: str, lines: list[str]) -> list[str]:
    shown = [f"{len(lines):,} {title}{':' if lines else ''}", *lines[:SHOWN]]
    return shown + ([f"  and {len(lines) - SHOWN:,} more; --json lists all"] if len(lines) > SHOWN else [])
