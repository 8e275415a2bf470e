# SPDX-License-Identifier: LGPL-3.0-or-later
"""Draws what benchmarks.scale has found: messages over brokers, both logarithmic, as SVG text."""

from __future__ import annotations

import math
from typing import Any

_WIDTH, _HEIGHT, _PANEL, _LEFT, _TOP = 1010, 420, 300, 60, 50
_COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8e5ea2", "#c47f17", "#4a4a4a", "#00897b", "#795548")
_PANELS = ((1, "messages in all"), (2, "on the busiest link, one way"), (3, "in and out of rank 0"))


def draw(found: list[dict[str, Any]]) -> str:
    """The picture."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT + 70}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT + 70}" fill="white"/>',
    ]
    for number, (column, title) in enumerate(_PANELS):
        out += _panel(found, column, title, _LEFT + number * (_PANEL + 20))
    names = [cost[0] for cost in found[0]["costs"]]
    for index, name in enumerate(names):
        x, y = _LEFT + index % 4 * 240, _HEIGHT + 20 + index // 4 * 20
        out.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{_COLOURS[index]}"/>')
        out.append(f'<text x="{x + 15}" y="{y}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _panel(found: list[dict[str, Any]], column: int, title: str, left: int) -> list[str]:
    right, bottom = left + _PANEL - 40, _HEIGHT - 40
    sizes = [each["size"] for each in found]
    most = max(cost[column] for each in found for cost in each["costs"])
    decades = max(1, math.ceil(math.log10(max(most, 2))))
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size: float) -> float:
        return left + (right - left) * (math.log10(size) - low) / ((high - low) or 1)

    def y(count: float) -> float:
        return bottom - (bottom - _TOP) * math.log10(max(count, 1)) / decades

    out = [f'<text x="{left}" y="{_TOP - 20}" font-weight="bold">{title}</text>']
    for decade in range(decades + 1):
        level = y(10**decade)
        out.append(f'<line x1="{left}" y1="{level:.1f}" x2="{right}" y2="{level:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{level + 4:.1f}" text-anchor="end">{10**decade}</text>')
    for size in sizes:
        out.append(f'<line x1="{x(size):.1f}" y1="{_TOP}" x2="{x(size):.1f}" y2="{bottom}" stroke="#eee"/>')
        out.append(f'<text x="{x(size):.1f}" y="{bottom + 18}" text-anchor="middle">{size}</text>')
    for index in range(len(found[0]["costs"])):
        points = [(x(each["size"]), y(each["costs"][index][column])) for each in found]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS[index]}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{_COLOURS[index]}"/>' for a, b in points]
    return out
