"""Photos without a label that look alike, to be labelled together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from plugins.panels.kit.insight.insight import Insight
from plugins.panels.kit.project.labels import labels_now
from plugins.panels.kit.project.project import Project

MORE = 24  # photos offered as alike
AGREED = 0.5  # of the neighbours; a label that more of them have is suggested


def more_like(project: Project, chosen: list[int]) -> list[int]:
    """Photos without a label that look like the chosen ones, most alike first."""
    near, labels = Insight(project).found.get("near") or [], labels_now(project)
    votes = Counter(i for photo in chosen if photo < len(near) for i in near[photo] if labels[i] == "")
    for photo in chosen:
        del votes[photo]
    return [photo for photo, _ in votes.most_common(MORE)]


def next_group(project: Project, declined: Collection[int]) -> tuple[list[int], str]:
    """Photos without a label that look alike, the largest group first, and a likely label for them or "".

    Those that a person `declined` in their group come last, by the label that is likely for each.
    """
    found, labels = Insight(project).found, labels_now(project)
    near, groups = found.get("near") or [[]] * len(labels), found.get("groups") or [0] * len(labels)
    alike, alone = defaultdict[object, list[int]](list), defaultdict[object, list[int]](list)
    for photo, label in enumerate(labels):
        if label == "" and photo not in declined:
            alike[groups[photo]].append(photo)
    best = _largest(photos for photos in alike.values() if len(photos) > 1)
    if not best:
        for photo, label in enumerate(labels):
            if label == "":
                alone[_likely([photo], near, labels)].append(photo)
        best = _largest(photos for likely, photos in alone.items() if likely) or alone[""]
    return best, _likely(best, near, labels)


def _largest(groups: Iterable[list[int]]) -> list[int]:
    return max(groups, key=len, default=[])


def _likely(photos: Sequence[int], near: Sequence[Sequence[int]], labels: Sequence[str | None]) -> str:
    """The label of most of their neighbours, or "" if there is none; one label in all is no choice."""
    here = set(photos)
    votes = Counter(labels[i] for photo in photos for i in near[photo] if i not in here)
    label, n = next(iter(votes.most_common(1)), ("", 0))
    return label if label and n > AGREED * votes.total() and len({*labels} - {"", None}) > 1 else ""
