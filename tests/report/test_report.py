"""The page of a report: what it holds, what it never holds, in both languages."""

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import ATTACKS, hostile, understood

import rowsight
from rowsight.core.errors import OutputError
from rowsight.surfaces.report import check_report, write_report
from rowsight.surfaces.report.charts import inert
from rowsight.surfaces.report.document import document
from rowsight.surfaces.report.markup import tag, text
from rowsight.surfaces.report.words import chinese
from rowsight.worlds import generate

REPORT = Path(rowsight.__file__).parent / "surfaces" / "report"
ALLOWED = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "h2",
        "h3",
        "p",
        "nav",
        "a",
        "main",
        "section",
        "dl",
        "div",
        "dt",
        "dd",
        "article",
        "span",
        "bdi",
        "figure",
        "figcaption",
        "details",
        "summary",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ol",
        "ul",
        "li",
        "blockquote",
        "cite",
        "script",
    ]
)


class Reader(HTMLParser):
    """Collects a page's elements, attributes and text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.scripts, self.words, self._inside = [], [], [], [], None

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):  # noqa: ARG002 - the contract's
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside != "style":
            self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    return reader


@pytest.fixture(scope="module")
def attacked():
    return understood(hostile(), list(ATTACKS), name=lambda i: ATTACKS[i % len(ATTACKS)])


def test_a_report_holds_every_section(attacked):
    reader = read(document(attacked))
    anchors = {value for tag_, name, value in reader.attributes if name == "id" and tag_ == "section"}
    assert anchors == {"glance", "summary", "themes", "anomalies", "personal", "alike", "columns", "costs"}
    links = {value.removeprefix("#") for _, name, value in reader.attributes if name == "href"}
    assert links == anchors


def test_nothing_in_a_cell_is_markup(attacked):
    for reported in (attacked, attacked.profile):
        reader = read(document(reported))
        assert set(reader.elements) <= ALLOWED
        assert not [
            a for a in reader.attributes if a[1].startswith("on") or a[1] in ("src", "srcdoc", "style", "action")
        ]
        assert all(value.startswith("#") for _, name, value in reader.attributes if name == "href")
        assert reader.elements.count("meta") == 4
        running = [body for given, body in reader.scripts if given.get("type") != "application/json"]
        assert running == [(REPORT / "charts.min.js").read_text()]


def test_cells_are_shown_as_they_are(attacked):
    words = "".join(read(document(attacked)).words)
    for attack in ATTACKS[:12]:
        assert attack in words


def test_specs_are_data_and_names_of_fields_are_fixed(attacked):
    reader = read(document(attacked))
    specs = [json.loads(body) for given, body in reader.scripts if given.get("type") == "application/json"]
    assert len(specs) >= 6
    fields = {"low", "high", "rows", "name", "value", "share", "at", "group"}

    def encoded(spec):
        for key, value in spec.items() if isinstance(spec, dict) else enumerate(spec):
            if key == "field":
                assert value in fields
            assert key not in ("expr", "signal", "calculate", "labelExpr", "href", "url", "test", "transform", "params")
            if isinstance(value, (dict, list)) and key != "values":
                encoded(value)

    for spec in specs:
        encoded(spec)


def test_every_chart_has_a_table_that_shows_without_a_script(attacked):
    page = document(attacked)
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert figures
    assert all("<details open><summary>" in figure and "<tbody><tr>" in figure for figure in figures)


def test_no_address_is_named():
    profile = rowsight.read(generate("support", "en", rows=50, seed=1)).profile()
    page = document(profile).replace((REPORT / "charts.min.js").read_text(), "")
    named = set(re.findall(r"https?://[^\s\"'<>&]+", page))
    assert all(u.startswith("https://vega.github.io/schema/vega-lite/") for u in named)


def test_the_policy_names_the_script():
    page = document(rowsight.read(generate("support", "en", rows=50, seed=1)).profile())
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert re.search(r"script-src 'sha256-[^']+';", policy)


@settings(max_examples=200)
@given(st.text(), st.text())
def test_text_never_ends_its_place(content, value):
    reader = read(tag("p", content, data_x=value))
    assert reader.elements == ["p"]
    assert "<" not in text(content)
    assert "<" not in inert(json.dumps([content]))
    assert json.loads(inert(json.dumps([content]))) == [content]


def said():
    """Return every English sentence that the code says."""
    for path in REPORT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", None) == "say" and node.args
            if called and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def test_every_sentence_has_its_chinese():
    known = chinese()
    assert set(said()) <= set(known)
    for english, translated in known.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", translated)), english


def test_a_chinese_table_has_a_chinese_report(attacked):
    profile = rowsight.read(generate("support", "zh", rows=200, seed=1)).profile()
    assert "概览" in document(profile)
    assert "At a glance" in document(profile, "en")
    page = document(attacked, "zh")
    assert 'lang="zh-Hans"' in page
    words = "".join(read(page).words)
    assert not re.search(r"\b(Certified|Rows|Share|Theme|Found without)\b", words)


def test_personal_data_stays_masked():
    table = generate("support", "en", rows=1500, seed=3)
    mails = {m for t in table.column("text").to_pylist() if t for m in re.findall(r"[\w.]+@[\w.]+\w", t)}
    assert len(mails) > 10
    profile = rowsight.read(table.select(["id", "text"])).profile()
    page = document(profile)
    assert not [m for m in mails if m in page]


@pytest.mark.parametrize("name", ["r.pdf", "nowhere/r.html", "r"])
def test_a_report_that_cannot_be_written_is_refused(tmp_path, name):
    with pytest.raises(OutputError):
        check_report(tmp_path / name)


def test_a_report_is_written_whole(tmp_path, attacked):
    path = tmp_path / "r.html"
    write_report(attacked, path)
    assert path.read_text(encoding="utf-8") == document(attacked)
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    write_report(attacked, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["calls"] == 10
