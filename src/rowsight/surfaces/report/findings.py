"""The sections of a report that a model had a part in, and the rows worth reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsight.execution.understand.understood import Understanding
from rowsight.surfaces.report.charts import Charts, grid, intervals, lines
from rowsight.surfaces.report.markup import Child, Html, table, tag
from rowsight.surfaces.report.words import Words, percent, shown

if TYPE_CHECKING:
    from rowsight.execution.summaries.summary import GroupSummary, Sentence
    from rowsight.execution.themes.found import Cell, Theme, Themes

MOST_DRAWN = 30
"""Themes in one chart of shares; MOST_LINES in one over time."""
MOST_LINES = 8


def quoted(found: Understanding, row: int, say: Words) -> Html:
    """Return a row that stands in the table, with an anchor to cite it by."""
    held = found.rows.get(row)
    text = held.text if held is not None and held.text is not None else say("(no text)")
    return tag("blockquote", text, tag("cite", _label(found, row, say)), dir="auto")


def _label(found: Understanding, row: int, say: Words) -> str:
    held = found.rows.get(row)
    if held is None or found.columns.key is None:
        return say("row {row}", row=str(row))
    return say("{key} {value}, row {row}", key=found.columns.key, value=held.key, row=str(row))


def summary(found: Understanding, say: Words) -> Child:
    """Return the summary, each sentence with the rows that support it."""
    said = found.summary
    if said is None:
        return tag("p", say("No summary was made."), class_="warn")
    parts: list[Child] = [_group(found, g, say) for g in said.groups]
    if said.sampled is not None:
        part = say(
            "The summary was made of {share} of the distinct texts, drawn at random: the budget reached no further.",
            share=percent(said.sampled),
        )
        parts.append(tag("p", part, class_="soft"))
    check = say(
        "Every sentence was checked by the model against the rows that it cites. {n} sentences that no row supported were "
        "dropped, and {cites} citations of rows that don't exist.",
        n=said.dropped.sentences,
        cites=said.dropped.citations,
    )
    return [*parts, tag("p", check, class_="soft")]


def _group(found: Understanding, group: GroupSummary, say: Words) -> Html:
    items = [tag("li", s.text, " ", _cites(found, s, say), dir="auto") for s in group.sentences]
    empty = None if items else tag("p", say("Nothing that rows support was said."))
    return tag("div", tag("ol", items, class_="said"), empty)


def _cites(found: Understanding, sentence: Sentence, say: Words) -> Html:
    rows = [quoted(found, row, say) for row in sentence.rows]
    count = say("Rows cited: {n}", n=len(sentence.rows))
    return tag("details", tag("summary", count), rows)


def themes(found: Understanding, charts: Charts, say: Words) -> Child:
    """Return the themes: shares with bounds, time, groups, examples."""
    result = found.themes
    if result is None:
        return tag("p", say("No themes were looked for."), class_="warn")
    if not result.themes:
        return tag("p", say("No theme was found that is large enough to be named."))
    certain = say(
        "The bounds hold for all themes at once with probability {confidence}: of the share that the model would give on all "
        "{rows} rows with a text. {drawn} rows were drawn at random and asked about; the shares themselves are estimates.",
        confidence=f"{result.confidence:g}",
        rows=result.askable,
        drawn=result.drawn,
    )
    parts: list[Child] = [_shares(result, charts, say), tag("p", certain, class_="soft")]
    parts += [_over_time(result, charts, say), _between(result, charts, say)]
    return [*parts, [_theme_card(found, t, say) for t in (*result.themes, result.unassigned)]]


def _every(result: Themes, say: Words) -> list[tuple[str, Theme]]:
    return [*((t.name, t) for t in result.themes), (say("(none of these)"), result.unassigned)]


def _shares(result: Themes, charts: Charts, say: Words) -> Html:
    known = [(name, t) for name, t in _every(result, say) if t.share is not None]
    drawn = [(name, t.share or 0.0, t.low or 0.0, t.high or 0.0) for name, t in known][:MOST_DRAWN]
    rows = [
        [name, percent(t.share), percent(t.low), percent(t.high), shown(t.count)] for name, t in _every(result, say)
    ]
    head = [say("Theme"), say("Share"), say("At least"), say("At most"), say("Rows, about")]
    return charts.figure(intervals(drawn), say("Share of the rows, with its bounds"), say("As a table"), head, rows)


def _over_time(result: Themes, charts: Charts, say: Words) -> Child:
    shares = [(t.name, c.name, c.share) for t in result.themes[:MOST_LINES] for c in t.by_time]
    drawn = [(name, at, share) for name, at, share in shares if at is not None and share is not None]
    if len({at for _, at, _ in drawn}) < 2:  # noqa: PLR2004 - one point is no change
        return None
    caption = say("Share over {column}, each {span}", column=result.time, span=say(result.span or ""))
    title = tag("h3", say("Change over time"))
    return [title, charts.figure(lines(drawn), caption, say("As a table"), *_crossed(result, "by_time", say))]


def _between(result: Themes, charts: Charts, say: Words) -> Child:
    shares = [(t.name, c.name, c.share) for t in result.themes[:MOST_DRAWN] for c in t.by_group]
    drawn = [(name, str(group), share) for name, group, share in shares if share is not None]
    if len({group for _, group, _ in drawn}) < 2:  # noqa: PLR2004 - one group has nothing beside it
        return None
    sure = [line for t in result.themes for line in _differing(t, say)]
    told: Child = tag("ul", [tag("li", line) for line in sure]) if sure else None
    title = tag("h3", say("Difference between groups"))
    caption = say("Share in each group of {column}", column=result.by)
    figure = charts.figure(grid(drawn), caption, say("As a table"), *_crossed(result, "by_group", say))
    return [title, told, figure]


def _differing(theme: Theme, say: Words) -> list[str]:
    """Return the pairs of groups whose bounds don't meet: all bounds hold at once, so these differ as surely."""
    known = [c for c in theme.by_group if c.low is not None and c.high is not None]
    highest = max(known, key=lambda c: c.low or 0.0, default=None)
    lowest = min(known, key=lambda c: c.high or 0.0, default=None)
    if highest is None or lowest is None or (highest.low or 0.0) <= (lowest.high or 0.0):
        return []
    line = say(
        "{theme}: more in {high} (at least {low_share}) than in {low} (at most {high_share})",
        theme=theme.name,
        high=_part(highest),
        low=_part(lowest),
        low_share=percent(highest.low),
        high_share=percent(lowest.high),
    )
    return [line]


def _part(cell: Cell) -> str:
    return "–" if cell.name is None else cell.name


def _crossed(result: Themes, name: str, say: Words) -> tuple[list[Child], list[list[Child]]]:
    """Return the table of shares by theme and part, with bounds."""
    parts = [_part(c) for c in getattr(result.themes[0], name)]
    head: list[Child] = [say("Theme"), *parts]
    rows: list[list[Child]] = [[t.name, *(_bounded(c) for c in getattr(t, name))] for t in result.themes]
    return head, rows


def _bounded(cell: Cell) -> str:
    if cell.share is None or cell.low is None or cell.high is None:
        return "–"
    return f"{cell.share:.0%} ({cell.low:.0%}–{cell.high:.0%})"


def _theme_card(found: Understanding, theme: Theme, say: Words) -> Child:
    unassigned = found.themes is not None and theme is found.themes.unassigned
    name = say("(none of these)") if unassigned else theme.name
    named = {"given": say("name given"), "words": say("named by its words: {reason}", reason=theme.reason or "")}.get(
        theme.naming
    )
    badge = tag("span", named, class_="badge") if named and not unassigned else None
    share = tag("span", percent(theme.share), class_="badge")
    lead = tag("p", theme.description, dir="auto") if theme.description else None
    rows = [quoted(found, e.row, say) for e in theme.examples]
    return tag("article", tag("h3", tag("bdi", name), share, badge), lead, rows, class_="card")


def anomalies(found: Understanding, say: Words) -> Child:
    """Return the rows worth reading, by what makes them so."""
    if not found.anomalies:
        return tag("p", say("No row stands out."))
    kinds = list(dict.fromkeys(a.kind for a in found.anomalies))
    cards = [_anomalous(found, kind, say) for kind in kinds]
    lead = say("Found without a model: by their words, their length, and their encoding.")
    return [tag("p", lead, class_="soft"), cards]


def _anomalous(found: Understanding, kind: str, say: Words) -> Html:
    rows = [quoted(found, a.row, say) for a in found.anomalies if a.kind == kind]
    return tag("article", tag("h3", say(kind)), rows, class_="card")


def costs(found: Understanding, say: Words) -> Child:
    """Return what it cost, what was asked, and what is certified."""
    names = ("Step", "Calls", "From the ledger", "Tokens in", "Tokens out", "USD", "Seconds", "Run")
    head = [say(name) for name in names]
    rows: list[list[Child]] = [
        [
            say(s.step),
            shown(s.calls),
            shown(s.from_ledger),
            shown(s.prompt_tokens),
            shown(s.completion_tokens),
            _dollars(s.cost),
            f"{s.seconds:,.1f}",
            s.run,
        ]
        for s in found.spent
    ]
    total = say(
        "{calls} calls of {model}; the budget was {budget}.", calls=found.calls, model=found.model, budget=found.budget
    )
    money = say(
        "Cost: {cost}", cost=_dollars(found.cost) if found.cost is not None else say("unknown (no price was given)")
    )
    return [tag("p", f"{total} {money}"), table(head, rows, numbers=range(1, 7)), _standing(found, say)]


def _dollars(cost: float | None) -> str:
    return "–" if cost is None else f"${cost:,.4f}"


def _standing(found: Understanding, say: Words) -> Html:
    """Return what is certified and what isn't."""
    items: list[Child] = []
    if found.themes is not None and found.themes.themes:
        items.append(say("Certified: the bounds of the themes' shares, as answers of this model about this table."))
    if found.themes is not None and found.themes.certificate is not None:
        items.append(say("Certified: the themes of the single rows."))
    return tag("ul", [tag("li", item) for item in (*items, *(say(line) for line in _NOT_CERTIFIED))])


_NOT_CERTIFIED = (
    "Not certified: the shares between the bounds, the names and descriptions of themes, and which rows they hold.",
    "Checked, not certified: each sentence of the summary, by a second call of the model. A check finds most inventions.",
    (
        "Measured without a model: the profile and the rows that stand out. Near-duplicates are estimates; personal data is "
        "what its form shows."
    ),
    "Whether the model is right is not said by any of this: bounds are about its answers.",
)
