"""Names for groups of texts: one call a group, one call to merge what means the same, and words where a call fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rowsight.operators.themes import merging_question, naming_question, plain_line
from rowsight.proxies.clusters import telling_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rowsight.execution.asking import Told
    from rowsight.execution.executor import Work
    from rowsight.execution.themes.found import Naming
    from rowsight.plan.nodes import Themes
    from rowsight.proxies.clusters import Clusters

NEAREST, RANDOM = 8, 6
"""Texts of a group that the model sees: near the centre, and drawn at random from the others."""
NEIGHBOURS, CONTRASTS = 2, 2
"""Groups next to it that it sees beside them, and texts of each."""
MEMBER_LENGTH, CONTRAST_LENGTH = 500, 80
"""Most characters of a text as the model sees it."""
_NAME_LENGTH = 40


@dataclass(frozen=True)
class Draft:
    """A theme before any row was asked: its name, and the groups of texts that it is made of (none for a known label)."""

    name: str
    description: str
    naming: Naming
    groups: tuple[int, ...]
    reason: str | None = None
    words: tuple[str, ...] = ()


async def drafted(
    node: Themes, clusters: Clusters | None, texts: Sequence[str], work: Work, notes: list[str]
) -> list[Draft]:
    """Return the themes of a table: the known labels first, then the groups, named and merged."""
    given = [Draft(name, description, "given", ()) for name, description in node.theming.labels]
    if clusters is None or not clusters.count:
        return given
    named = await _named(node, clusters, texts, work, notes)
    return await _merged(_alike([*given, *named]), work, notes)


async def _named(node: Themes, clusters: Clusters, texts: Sequence[str], work: Work, notes: list[str]) -> list[Draft]:
    groups = [np.flatnonzero(clusters.owner == g) for g in range(clusters.count)]
    words = telling_words([[texts[i] for i in members.tolist()] for members in groups])
    seen = [_shown(clusters, groups, g, texts, work.options.seed) for g in range(clusters.count)]
    told = await work.alone(naming_question(node.question.template, node.theming.lang)).ask(seen)
    drafts = [_draft(g, t, words[g]) for g, t in enumerate(told)]
    failed = sum(d.naming == "words" for d in drafts)
    if failed:
        notes.append(f"{failed} of {len(drafts)} groups could not be named by the model; their own words name them")
    return drafts


def _shown(
    clusters: Clusters, groups: list[NDArray[np.int64]], group: int, texts: Sequence[str], seed: int
) -> tuple[str, str]:
    """Return the two blocks about a group: its texts, and shorter ones of its neighbours."""
    near, rest = _near(clusters, groups[group], NEAREST)
    random = np.random.default_rng([seed, group]).permutation(rest)[:RANDOM]
    likeness = clusters.centres @ clusters.centres[group]
    beside = [g for g in np.argsort(-likeness, kind="stable").tolist() if g != group][:NEIGHBOURS]
    contrast = [i for g in beside for i in _near(clusters, groups[g], CONTRASTS)[0]]
    members = _listed([texts[i] for i in (*near.tolist(), *random.tolist())], MEMBER_LENGTH)
    return members, _listed([texts[i] for i in contrast], CONTRAST_LENGTH) or "(there is no other group)"


def _near(clusters: Clusters, members: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = members[np.argsort(-clusters.nearness[members], kind="stable")]
    return order[:count], order[count:]


def nearest_texts(clusters: Clusters, groups: Sequence[int], count: int) -> list[int]:
    """Return the texts nearest to the centres of some groups, ``count`` in all, taken in turn from each group."""
    ranked = [_near(clusters, np.flatnonzero(clusters.owner == g), count)[0].tolist() for g in groups]
    turns = [row[i] for i in range(count) for row in ranked if i < len(row)]
    return turns[:count]


def _listed(texts: Sequence[str], length: int) -> str:
    return "\n\n".join(text if len(text) <= length else text[: length - 1] + "…" for text in texts)


def _draft(group: int, told: Told, words: list[str]) -> Draft:
    if told.status == "asked":
        return Draft(told.value["name"], told.value["description"], "model", (group,), words=tuple(words))
    name = plain_line(" ".join(words), _NAME_LENGTH) or f"group {group + 1}"
    reason = told.reason or told.status
    return Draft(name, "", "words", (group,), reason, tuple(words))


def _alike(drafts: list[Draft]) -> list[Draft]:
    """Make one of the themes whose names differ by case and spaces alone; the first keeps its name."""
    found: dict[str, Draft] = {}
    for draft in drafts:
        key = " ".join(draft.name.casefold().split())
        kept = found.get(key)
        found[key] = draft if kept is None else _joined(kept, [draft])
    return list(found.values())


def _joined(kept: Draft, others: Sequence[Draft]) -> Draft:
    groups = (*kept.groups, *(g for other in others for g in other.groups))
    words = kept.words or next((o.words for o in others if o.words), ())
    description = kept.description or next((o.description for o in others if o.description), "")
    return replace(kept, groups=groups, words=words, description=description)


async def _merged(drafts: list[Draft], work: Work, notes: list[str]) -> list[Draft]:
    """Merge the themes that the model says mean the same. A known label keeps its name, and two of them stay two."""
    if len(drafts) < 2 or all(not d.groups for d in drafts):  # noqa: PLR2004
        return drafts
    lines = [f"{i}. {d.name}" + (f": {d.description}" if d.description else "") for i, d in enumerate(drafts, 1)]
    [told] = await work.alone(merging_question(len(drafts))).ask([("\n".join(lines),)])
    if told.status != "asked":
        notes.append(f"themes of the same meaning were not looked for: {told.reason or told.status}")
        return drafts
    merged: dict[int, Draft] = dict(enumerate(drafts, 1))
    for group in told.value["groups"]:
        first = group[0]  # numbers ascend: a known label, else the larger group of texts
        rest = [n for n in group[1:] if drafts[n - 1].naming != "given"]
        merged[first] = _joined(merged[first], [merged.pop(n) for n in rest])
    return list(merged.values())
