"""Draws bytes and seconds of some ways as horizontal bars on two logarithmic scales, as SVG by hand.

It brings its own background, light or dark as the reader's machine is set: it can be read on any page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP, HEAD = 980, 210, 120, 26, 12, 62
STYLE = """
    .card { fill: #ffffff; stroke: #d0d7de } .t { fill: #1f2328; font-weight: 600 }
    .s { fill: #57606a; font-size: 12.5px } .grid { stroke: #d8dee4 }
    .other { fill: #8c959f } .mine { fill: #1a7f64 }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #30363d } .t { fill: #e6edf3 } .s { fill: #9198a1 }
      .grid { stroke: #30363d } .other { fill: #6e7681 } .mine { fill: #3fb68b }
    }
"""


class Panel(NamedTuple):
    """One scale: bars are name, value and whether it is ours; `word` says a value in words."""

    title: str
    bars: Sequence[tuple[str, float, bool]]
    word: Callable[[float], str]


def svg(title: str, note: str, panels: Sequence[Panel]) -> str:
    """The whole picture."""
    parts: list[str] = []
    top = 66
    for panel in panels:
        drawn, top = _panel(panel, top)
        parts += drawn
    said = "; ".join(
        f"{panel.title}: " + ", ".join(f"{name} {panel.word(value)}" for name, value, _ in panel.bars)
        for panel in panels
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 34}" role="img" '
        'aria-labelledby="title desc" '
        "font-family=\"-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\" "
        f'font-size="14">\n  <title id="title">{escape(title)}</title>\n'
        f'  <desc id="desc">{escape(said)}</desc>\n  <style>{STYLE}  </style>\n'
        f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{top + 33}" rx="12"/>\n'
        f'  <text class="t" x="24" y="36" font-size="17">{escape(title)}</text>\n'
        + "".join(f"  {part}\n" for part in parts)
        + f'  <text class="s" x="24" y="{top + 14}">{escape(note)}</text>\n</svg>\n'
    )


def _panel(panel: Panel, top: int) -> tuple[list[str], int]:
    values = [value for _, value, _ in panel.bars]
    first, last = math.floor(math.log10(min(values))), math.log10(max(values))
    if first == math.log10(min(values)):
        first -= 1

    def at(value: float) -> float:
        return LEFT + (math.log10(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    bottom = top + HEAD - 24 + len(panel.bars) * (BAR + GAP)
    parts = [f'<text class="t" x="24" y="{top + 14}">{escape(panel.title)}</text>']
    for power in range(first, math.floor(last) + 1):
        x = at(10.0**power)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{top + 26}" x2="{x:.1f}" y2="{bottom}"/>')
        label = escape(panel.word(10.0**power))
        parts.append(f'<text class="s" x="{x:.1f}" y="{top + 20}" text-anchor="middle">{label}</text>')
    for number, (name, value, mine) in enumerate(panel.bars):
        y = top + HEAD - 28 + number * (BAR + GAP)
        kind = "mine" if mine else "other"
        middle = y + BAR - 8
        parts.append(f'<text class="{"t" if mine else "s"}" x="24" y="{middle}">{escape(name)}</text>')
        width = at(value) - LEFT
        parts.append(
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="4"/>'
            f'<text class="t" x="{at(value) + 8:.1f}" y="{middle}">{escape(panel.word(value))}</text>'
        )
    return parts, bottom + 22
