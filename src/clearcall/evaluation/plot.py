"""Lines as SVG for the HTML report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]
"""Rate and quality."""

_ROUND_RATES = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def step_plot(series: Sequence[Sequence[float]], across: str) -> str:
    """Draw lines over a common axis, one value per step.

    The SVG stretches with the page; the text around it is HTML, so that it keeps its size.

    Args:
        series: The values of each line.
        across: What one step is, as in ``"frame"``.

    Returns:
        HTML.

    Example:
        >>> step_plot([[0.1, 0.2]], "frame").count("<polyline")
        1
    """
    ticks = _ticks([value for line in series for value in line])
    low, span = ticks[0], ticks[-1] - ticks[0]
    steps = max(len(line) for line in series)
    lines = "".join(
        f'<polyline class="s{index}" points="{_points(line, steps, low, span)}"/>' for index, line in enumerate(series)
    )
    foot = f"<p><span>{escape(across)} 1</span><span>{steps}</span></p>"
    return f'<div class="plot">{_grid(ticks)}{_svg(lines)}</div>{foot}'


def rate_plot(series: Sequence[Points], across: str) -> str:
    """Draw lines of quality over rate, the rate's axis logarithmic, with a dot at each point.

    Args:
        series: The points (rate above 0, quality) of each line, by rate.
        across: Unit of the rate, as in ``"kbit/s"``.

    Returns:
        HTML.

    Example:
        >>> rate_plot([[(100, 0.8), (400, 0.9)]], "kbit/s").count("h0")
        2
    """
    ticks = _ticks([quality for line in series for _, quality in line])
    rates = [rate for line in series for rate, _ in line]
    left, right = math.log(min(rates)), max(math.log(max(rates)), math.log(min(rates)) + 0.1)

    def place(rate: float, quality: float) -> tuple[float, float]:
        down = 100 - 100 * (quality - ticks[0]) / (ticks[-1] - ticks[0])
        return 100 * (math.log(rate) - left) / (right - left), down

    lines = "".join(_marked([place(*point) for point in line], f"s{index}") for index, line in enumerate(series))
    marks = "".join(
        f'<span style="left:{place(rate, 0)[0]:.2f}%">{rate}</span>'
        for rate in _ROUND_RATES
        if left <= math.log(rate) <= right
    )
    foot = f'<p class="rates">{marks}</p><p class="unit">{escape(across)}</p>'
    return f'<div class="plot">{_grid(ticks)}{_svg(lines)}</div>{foot}'


def _marked(points: Sequence[tuple[float, float]], style: str) -> str:
    corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    dots = "".join(f"M{x:.2f} {y:.2f}h0" for x, y in points)
    return f'<polyline class="{style}" points="{corners}"/><path class="{style}" d="{dots}"/>'


def _grid(ticks: Sequence[float]) -> str:
    span, digits = ticks[-1] - ticks[0], _decimals(ticks)
    return "".join(f'<span style="bottom:{(tick - ticks[0]) / span:.2%}">{tick:.{digits}f}</span>' for tick in ticks)


def _svg(lines: str) -> str:
    return f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{lines}</svg>'


def _points(line: Sequence[float], steps: int, low: float, span: float) -> str:
    across = 100 / max(steps - 1, 1)
    return " ".join(f"{step * across:.2f},{100 - 100 * (value - low) / span:.2f}" for step, value in enumerate(line))


def _ticks(values: Sequence[float]) -> list[float]:
    """Two to six round numbers that enclose the values."""
    low, high = min(values), max(values)
    span = max(high - low, 1e-3)
    unit = 10.0 ** math.floor(math.log10(span))
    step = next(step for step in (unit / 5, unit / 2, unit, unit * 2, unit * 5) if span / step <= 4)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [step * number for number in range(first, last + 1)]


def _decimals(ticks: Sequence[float]) -> int:
    return max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
