"""The picture of a certified run, in the terminal and as SVG."""

import xml.etree.ElementTree as ET

from rowsight.surfaces import picture

HISTOGRAM = {"edges": [-2.0, -1.0, 0.0, 1.0], "asked": [5, 20, 0], "proxied": [400, 0, 90], "cuts": [-0.5]}


def test_the_terminal_shows_proxied_above_and_asked_below():
    lines = picture.terminal(HISTOGRAM, height=3).splitlines()
    assert lines[3] == "───"
    assert [line[1] for line in lines[:3]] == [" "] * 3
    assert lines[2][0] == "█"
    assert lines[6][2] == " "
    assert "400" in lines[8]


def test_the_svg_stands_alone_and_shows_hostile_words_as_words():
    drawn = picture.svg(HISTOGRAM, "<script>alert(1)</script> & more")
    root = ET.fromstring(drawn)
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "<script>alert(1)</script> & more"
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}line"))) == 2
    ends = [
        float(e.get("y")) + float(e.get("height")) for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("y")
    ]
    assert max(ends) <= 280


def test_nothing_asked_draws_nothing():
    empty = {"edges": [0.0, 1.0], "asked": [0], "proxied": [0]}
    assert picture.terminal(empty)
    assert ET.fromstring(picture.svg(empty, "t")) is not None
