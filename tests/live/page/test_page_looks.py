"""The page for everyone: axe-core finds nothing, in light and dark, on a desk and on a phone; screenshots are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from conftest import SCREENSHOTS, Open

AXE = Path(__file__).parents[3] / "web/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


def keep_screenshot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def problems_of(page: Page) -> list[str]:
    """What axe-core finds; it is put in past the page's content policy."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("(rules) => axe.run({ runOnly: rules })", RULES)
    return [f"{issue['id']}: {node['html']}" for issue in result["violations"] for node in issue["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_accessible(open_page: Open, portrait: tuple[Path, object], viewport: dict[str, int], scheme: str) -> None:
    page = open_page(viewport=viewport, color_scheme=scheme)
    assert problems_of(page) == []
    page.set_input_files("#file", portrait[0])
    expect(page.locator("#figure-state")).to_have_text("sharpening")
    assert problems_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out to the right"
    keep_screenshot(page, f"{'phone' if viewport is PHONE else 'desk'}-{scheme}")


def test_accessible_while_the_server_sharpens(open_page: Open) -> None:
    page = open_page(viewport=DESK, color_scheme="dark")
    page.check("#on-server")
    page.click("#camera")
    expect(page.locator("#figure-delay")).to_contain_text(" ms")
    assert problems_of(page) == []
    keep_screenshot(page, "desk-server")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out to the right"
    keep_screenshot(page, "phone-server")


def test_buttons_keep_their_height_where_the_groups_stand_side_by_side(open_page: Open) -> None:
    page = open_page(viewport={"width": 800, "height": 1100})
    heights = page.evaluate("[...document.querySelectorAll('.controls button')].map((one) => one.offsetHeight)")
    assert max(heights) == min(heights), heights
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep_screenshot(page, "tablet-idle")


def test_it_says_that_nothing_leaves(open_page: Open) -> None:
    page = open_page()
    expect(page.locator("header")).to_contain_text("Nothing leaves this computer")
    assert page.evaluate("crossOriginIsolated")
    expect(page.locator("#news")).to_contain_text("WebAssembly, ")
