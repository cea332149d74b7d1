"""The report is one self-contained page: nothing is requested, everything is escaped."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from clearcall.errors import InputError
from clearcall.evaluation.report import Fact, Report

SHARP = data.coffee()[:120, :160]
VOID = {"meta", "link", "img", "input"}


class Page(HTMLParser):
    """Collects tags and text, and checks that the tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID and tag != "polyline":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def full_report(text: str = "x") -> Report:
    report = Report(text, text)
    report.facts([Fact(text, text, text)]).heading(text, text).links(text, [text])
    report.table([text, text], [[text, text], [text, "2"]], best={0: 1}, totals=[0])
    report.table([text], [[text]], folded=text)
    report.curve({text: [0.9, 0.91], text + "2": [0.92, 0.95]}, across=text, caption=text)
    return report.comparison(SHARP // 2, SHARP, SHARP, caption=text, notes=[text] * 3)


def test_page_is_well_formed_and_asks_for_nothing() -> None:
    html = full_report().html("the end")
    page = Page(html)
    assert "://" not in html
    assert [source["src"][:11] for source in page.all("img")] == ["data:image/"] * 5
    assert not any("src" in attributes for attributes in page.all("script"))
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_every_text_is_escaped() -> None:
    hostile = "</style><script>alert('1')</script>\"><img src=x onerror=alert(1)>&amp;"
    page = Page(full_report(hostile).html(hostile))
    assert len(page.all("script")) == 1
    assert not any("onerror" in attributes for attributes in page.all("img"))
    assert hostile in "".join(page.text)


def test_pictures_inside_are_the_frames() -> None:
    sources = [str(source["src"]) for source in Page(full_report().html()).all("img")]
    frames = [np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))) for source in sources]
    assert np.abs(frames[1].astype(int) - SHARP).mean() < 3  # JPEG
    assert frames[3].shape == (90, 120, 3)
    assert (frames[3] == frames[4]).all()  # the output is the ground truth here
    assert frames[2].mean() < frames[3].mean()


def test_curve_keeps_within_its_axes() -> None:
    page = Page(Report("a", "b").curve({"one": [0.913, 0.931, 0.927]}, across="frame").html())
    points = [tuple(map(float, p.split(","))) for p in str(page.all("polyline")[0]["points"]).split()]
    assert [x for x, _ in points] == [0, 50, 100]
    assert all(0 <= y <= 100 for _, y in points)
    assert points[1][1] < points[2][1] < points[0][1]
    assert {"0.910", "0.935"} <= {text.strip() for text in page.text}


@given(st.lists(st.floats(-1, 100), min_size=1, max_size=30))
def test_any_curve_can_be_drawn(values: list[float]) -> None:
    page = Page(Report("a", "b").curve({"one": values}, across="frame").html())
    heights = [float(p.split(",")[1]) for p in str(page.all("polyline")[0]["points"]).split()]
    assert all(-0.01 <= y <= 100.01 for y in heights)
    assert 2 <= sum("bottom:" in str(span.get("style")) for span in page.all("span")) <= 7


def test_frames_that_differ_are_one_sentence() -> None:
    with pytest.raises(InputError, match="differ in shape"):
        Report("a", "b").comparison(SHARP, SHARP[1:], SHARP)
