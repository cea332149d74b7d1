"""One self-contained HTML page: figures, tables, curves and pictures with a before/after slider.

The page makes no request: style, script and pictures are inside it. It follows the reader's light or dark theme,
reads well on a phone, and shows everything but the slider's movement without JavaScript.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearcall.evaluation.panels import LABELS, find_detail
from clearcall.evaluation.plot import Points, rate_plot, step_plot

Frame = NDArray[np.uint8]

_LARGEST_SIDE = 1920
_DETAIL_WIDTH, _DETAIL_HEIGHT = 120, 90
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Fact:
    """One figure to see first: what it is, its value, and what to know about it."""

    label: str
    value: str
    note: str = ""


class Report:
    """A page that grows from top to bottom; every text given is escaped.

    Args:
        title: Head of the page.
        lead: One or two sentences under it.

    Example:
        >>> page = Report("A call", "sent over a thin link").facts([Fact("SSIM", "0.91")]).html()
        >>> page.startswith("<!doctype html>"), "://" in page
        (True, False)
    """

    def __init__(self, title: str, lead: str) -> None:
        self._title = title
        self._parts = [f"<header><h1>{escape(title)}</h1><p>{escape(lead)}</p></header>"]

    def facts(self, facts: Sequence[Fact]) -> Self:
        """Add a row of large figures."""
        cells = "".join(
            f"<div><dt>{escape(fact.label)}</dt><dd>{escape(fact.value)}<small>{escape(fact.note)}</small></dd></div>"
            for fact in facts
        )
        return self._add(f'<dl class="facts">{cells}</dl>')

    def heading(self, text: str, note: str = "") -> Self:
        """Add a section's head, with a note under it."""
        return self._add(f"<h2>{escape(text)}</h2>" + (f'<p class="note">{escape(note)}</p>' if note else ""))

    def links(self, intro: str, names: Sequence[str]) -> Self:
        """Add a line that names files beside the page."""
        anchors = ", ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in names)
        return self._add(f'<p class="note">{escape(intro)} {anchors}</p>')

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        best: Mapping[int, int] | None = None,
        totals: Sequence[int] = (),
        folded: str = "",
    ) -> Self:
        """Add a table, its first column text, the others figures.

        Args:
            columns: Heads of the columns.
            rows: One sequence of cells per row.
            best: For a row's index, the index of the cell to emphasise.
            totals: Indices of rows to emphasise.
            folded: What the reader clicks to see the table; empty: it is shown.
        """
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        body = "".join(_row(row, (best or {}).get(index), index in totals) for index, row in enumerate(rows))
        table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        return self._add(f"<details><summary>{escape(folded)}</summary>{table}</details>" if folded else table)

    def comparison(
        self,
        degraded: Frame,
        output: Frame,
        sharp: Frame,
        *,
        caption: str = "",
        labels: Sequence[str] = LABELS,
        notes: Sequence[str] = ("", "", ""),
    ) -> Self:
        """Add a before/after slider and, under it, the detail of input, output and ground truth that gains most.

        Args:
            degraded: What came in, uint8 ``(height, width, 3)`` RGB.
            output: What came out, same shape.
            sharp: The ground truth, same shape.
            caption: What is shown.
            labels: What the three are called.
            notes: What stands beside the three labels, as in ``"SSIM 0.912"``.

        Raises:
            InputError: The three frames differ in shape.
        """
        box = find_detail(degraded, output, sharp, _DETAIL_WIDTH, _DETAIL_HEIGHT)
        details = "".join(
            f'<figure><img src="{_uri(frame[box.rows, box.columns], lossless=True)}" alt="Detail: {escape(label)}">'
            f"<figcaption><b>{escape(label)}</b> {escape(note)}</figcaption></figure>"
            for frame, label, note in zip((degraded, output, sharp), labels, notes, strict=True)
        )
        return self._add(
            f'<figure><div class="slider"><img src="{_uri(degraded)}" alt="{escape(labels[0])}">'
            f'<img src="{_uri(output)}" alt="{escape(labels[1])}">'
            f"<span>{escape(labels[0])}</span><span>{escape(labels[1])}</span>"
            '<input type="range" min="0" max="100" step="0.1" value="50" aria-label="Move to compare"></div>'
            f'<div class="details">{details}</div><figcaption>{escape(caption)}</figcaption></figure>'
        )

    def curve(self, series: Mapping[str, Sequence[float]], *, across: str, caption: str = "") -> Self:
        """Add lines over a common axis, one value per step.

        Args:
            series: For each line its name and values; the second line is the one to look at.
            across: What one step is, as in ``"frame"``.
            caption: What is shown.
        """
        return self._add(
            f'<figure class="curve">{_key(series)}{step_plot(list(series.values()), across)}'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def rate_curves(self, curves: Mapping[str, Mapping[str, Points]], *, across: str, caption: str = "") -> Self:
        """Add small plots side by side, each of quality over rate, the rate's axis logarithmic.

        Args:
            curves: For each plot its head, and in it for each line its name and points (rate, quality); the order of
                the names gives the colours, so let it be the same in all.
            across: Unit of the rate, as in ``"kbit/s"``.
            caption: What is shown.
        """
        plots = "".join(
            f'<div class="curve"><b>{escape(head)}</b>{_key(lines)}{rate_plot(list(lines.values()), across)}</div>'
            for head, lines in curves.items()
        )
        return self._add(f'<figure><div class="plots">{plots}</div><figcaption>{escape(caption)}</figcaption></figure>')

    def html(self, footer: str = "") -> str:
        """The finished page."""
        style, script = (_part(f"report.{kind}") for kind in ("css", "js"))
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            f'<link rel="icon" href="data:,"><title>{escape(self._title)}</title><style>{style}</style></head>'
            f"<body><main>{''.join(self._parts)}<footer>{escape(footer)}</footer></main>"
            f"<script>{script}</script></body></html>\n"
        )

    def _add(self, part: str) -> Self:
        self._parts.append(part)
        return self


def _key(names: Iterable[str]) -> str:
    marks = "".join(f'<span><i class="s{index}"></i>{escape(name)}</span>' for index, name in enumerate(names))
    return f'<div class="key">{marks}</div>'


def _part(name: str) -> str:
    return files("clearcall.evaluation").joinpath(name).read_text("utf-8")


def _row(cells: Sequence[str], best: int | None, is_total: bool) -> str:
    marked = "".join(
        f"<td{' class=best' if index == best else ''}>{escape(cell)}</td>" for index, cell in enumerate(cells)
    )
    return f"<tr{' class=total' if is_total else ''}>{marked}</tr>"


def _uri(frame: Frame, *, lossless: bool = False) -> str:
    """A frame as a data URI: lossless WebP, or JPEG without chroma subsampling and no larger than 1920 pixels."""
    picture, file = Image.fromarray(np.ascontiguousarray(frame)), io.BytesIO()
    if lossless:
        picture.save(file, "WEBP", lossless=True)
        kind = "webp"
    else:
        picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.LANCZOS)
        picture.save(file, "JPEG", quality=90, subsampling=0, optimize=True)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
