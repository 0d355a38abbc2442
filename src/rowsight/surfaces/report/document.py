"""A report as one HTML file."""

from __future__ import annotations

from functools import partial

from rowsight.execution.profile import Profile
from rowsight.execution.understand.understood import Understanding
from rowsight.surfaces.report import columns, findings
from rowsight.surfaces.report.charts import Charts
from rowsight.surfaces.report.markup import Child, Html, tag
from rowsight.surfaces.report.page import Section, page
from rowsight.surfaces.report.words import Words


def document(reported: Profile | Understanding, lang: str | None = None) -> str:
    """Return the report of a profile or of an understood table, in ``lang`` or the texts' own language."""
    profile = reported if isinstance(reported, Profile) else reported.profile
    say, charts = Words.of(lang or spoken(profile)), Charts()
    glance: Section = ("glance", say("At a glance"), columns.glance(profile, say))
    if isinstance(reported, Profile):
        sections = [glance, *_profile(profile, charts, say, None)]
        return page(profile.source, _lead(say("A profile: no model was asked.")), sections, charts, say)
    lead = say("{rows} rows, {calls} calls of {model}", rows=profile.rows, calls=reported.calls, model=reported.model)
    sections = [glance, *_found(reported, charts, say)]
    return page(profile.source, _lead(lead), sections, charts, say)


def _lead(line: str) -> Html:
    return tag("p", line, class_="soft")


def _found(found: Understanding, charts: Charts, say: Words) -> list[Section]:
    quote = partial(_quote, found, say)
    notes: Child = [tag("p", note, class_="warn") for note in found.notes]
    return [
        ("summary", say("Summary"), [notes, findings.summary(found, say)]),
        ("themes", say("Themes"), findings.themes(found, charts, say)),
        ("anomalies", say("Worth reading"), findings.anomalies(found, say)),
        *_profile(found.profile, charts, say, quote),
        ("costs", say("Cost, and what is certain"), findings.costs(found, say)),
    ]


def _quote(found: Understanding, say: Words, row: int) -> Child:
    return findings.quoted(found, row, say)


def _profile(profile: Profile, charts: Charts, say: Words, quote: columns.Quote | None) -> list[Section]:
    alike = columns.resembling(profile, say, quote)
    notes: Child = [tag("p", note, class_="soft") for note in profile.notes]
    found: list[Section] = [("personal", say("Personal data"), [columns.personal(profile, say), notes])]
    if alike is not None:
        found.append(("alike", say("Repeated texts"), alike))
    return [*found, ("columns", say("Columns"), columns.column_cards(profile, charts, say))]


def spoken(profile: Profile) -> str:
    """Return ``zh`` where most texts are Chinese, else ``en``."""
    languages = profile.column(profile.text).languages if profile.text is not None else None
    return "zh" if languages and languages[0][0] == "zh" else "en"
