"""The page: sections between a head and a script, everything in one file, and nothing that a cell could start.

The Content-Security-Policy lets one script run, by its hash: nothing else on the page can. No address is contacted.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib import resources

from rowsight.surfaces.report.charts import Charts
from rowsight.surfaces.report.markup import Child, Html, joined, tag, text
from rowsight.surfaces.report.words import Words

Section = tuple[str, str, Child]
"""Its anchor, its heading, what it holds."""


def page(title: str, lead: Child, sections: list[Section], charts: Charts, say: Words) -> str:
    """Return the page as one HTML file."""
    links = tag("nav", [tag("a", heading, href=f"#{anchor}") for anchor, heading, _ in sections])
    parts = [tag("section", tag("h2", heading), content, id=anchor) for anchor, heading, content in sections]
    body = tag(
        "body",
        tag("header", tag("h1", title, dir="auto"), lead),
        links,
        tag("main", parts),
        charts.data(),
        _script(charts),
    )
    return f"<!doctype html>\n{tag('html', _head(title), body, lang='zh-Hans' if say.lang == 'zh' else 'en')}\n"


def _head(title: str) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        Html(f"<title>{text(title)}</title>"),
        Html(f"<style>{_file('style.css')}</style>"),
    )


def _script(charts: Charts) -> Html:
    return Html(f"<script>{script()}</script>") if charts.specs else joined(None)


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@lru_cache(maxsize=1)
def script() -> str:
    """Return the script that draws the charts: Vega-Lite, Vega and its interpreter (see ``charts`` in the repository)."""
    return _file("charts.min.js")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
