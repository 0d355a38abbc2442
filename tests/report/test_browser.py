"""Reports in a real headless Chromium: nothing in a cell runs, no error is logged, no address is asked for."""

import browser
import pytest
from made import ATTACKS, hostile, understood

from rowsight.surfaces.report import write_report
from rowsight.worlds import generate

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "attacked.html"
    write_report(understood(hostile(), list(ATTACKS), name=lambda i: ATTACKS[i % len(ATTACKS)]), path)
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    table = generate("support", "en", rows=800, seed=2).select(["id", "created_at", "region", "text"])
    path = tmp_path_factory.mktemp("report") / "plain.html"
    texts = [t or "" for t in table.column("text").to_pylist()[:40]]
    write_report(understood(table, texts), path)
    return path


async def test_nothing_in_a_cell_runs(report):
    async with browser.page() as page:
        await page.open(report)
        assert await page.value("document.documentElement.dataset.ran") is None
        assert page.errors == []
        assert [u for u in page.requests if not u.startswith("file:")] == []
        for event in ("mouseover", "focus", "click"):
            await page.value(
                f"document.querySelectorAll('*').forEach(e => e.dispatchEvent(new Event('{event}', {{bubbles: true}})))"
            )
        assert await page.value("document.documentElement.dataset.ran") is None
        assert (
            await page.value("document.querySelectorAll('iframe, img, input, base, object, embed, svg a').length") == 0
        )


async def test_the_policy_stops_a_script_that_is_put_in(report, tmp_path):
    broken = tmp_path / "broken.html"
    held = report.read_text(encoding="utf-8")
    broken.write_text(held.replace("<main>", f'<main>{ATTACKS[0]}<img src=x onerror="{ATTACKS[0][8:-9]}">', 1))
    async with browser.page() as page:
        await page.open(broken)
        assert await page.value("document.documentElement.dataset.ran") is None
        assert any("Content Security Policy" in e for e in page.errors)


@pytest.mark.parametrize(("width", "dark"), [(1100, False), (390, True)])
async def test_charts_are_drawn_and_the_page_fits(plain, width, dark):
    async with browser.page() as page:
        await page.open(plain, width=width, dark=dark, mobile=width < 600)
        assert page.errors == []
        assert await page.value("document.querySelectorAll('figure').length") == await page.value(
            "document.querySelectorAll('figure .drawing svg').length"
        )
        assert await page.value("document.querySelectorAll('figure details[open]').length") == 0
        assert await page.value("document.documentElement.scrollWidth") <= width
        shade = await page.value("getComputedStyle(document.body).backgroundColor")
        assert (shade == "rgb(255, 255, 255)") is not dark


async def test_without_a_script_the_tables_show(plain):
    async with browser.page() as page:
        await page.open(plain, script=False)
    held = plain.read_text(encoding="utf-8")
    assert held.count("<details open>") == held.count("<figure")


async def test_it_prints(plain):
    async with browser.page() as page:
        await page.open(plain, dark=True)
        assert (await page.pdf()).startswith(b"%PDF")


async def test_text_runs_its_own_way(tmp_path):
    texts = [f"مرحبا، أين طردي الذي طلبته منذ أسبوع؟ رقم {i}" for i in range(120)]
    import pyarrow as pa

    write_report(understood(pa.table({"body": texts}), texts[:8]), tmp_path / "r.html")
    async with browser.page() as page:
        await page.open(tmp_path / "r.html")
        assert await page.value("getComputedStyle(document.querySelector('blockquote')).direction") == "rtl"
        assert await page.value("getComputedStyle(document.body).direction") == "ltr"
        assert page.errors == []
