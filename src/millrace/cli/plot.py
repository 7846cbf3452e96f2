"""A scatter plot with lines, drawn with Pillow: enough for `millrace tour`, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_FINE = 3  # draw so many times larger, then shrink: lines and circles come out smooth
_SIZE = 960, 600
_BOX = 90, 70, 930, 520  # left, top, right, bottom of the plotting area
_INK = "#1f2733"
_FAINT = "#e6eaf0"
_AXIS = "#8994a5"


@dataclass(frozen=True)
class Points:
    """Dots at (x, y)."""

    x: Sequence[float]
    y: Sequence[float]
    label: str
    color: str = "#5b8def"


@dataclass(frozen=True)
class Line:
    """The straight line slope * x + offset, across the plot."""

    slope: float
    offset: float
    label: str
    color: str = "#d9480f"
    dashed: bool = False


def ticks(low: float, high: float, count: int = 7) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them, 1, 2 or 5 times a power of ten apart.

    Args:
      low: the smallest number to cover.
      high: the largest; above `low`.
      count: how many are wanted.

    Returns:
      Rising numbers inside [low, high].
    """
    raw = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def draw(title: str, x_label: str, y_label: str, parts: Sequence[Points | Line]) -> Image.Image:
    """Draws dots and lines with axes, a grid and a legend.

    Args:
      title: above the plot.
      x_label: below the horizontal axis.
      y_label: beside the vertical axis.
      parts: what to draw, from back to front; at least one `Points` with two different places.

    Returns:
      A 960 by 600 RGB picture.
    """
    return _Canvas(parts).picture(title, x_label, y_label, parts)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = float(min(values)), float(max(values))
    margin = (high - low) * 0.05 or 1.0
    return low - margin, high + margin


class _Canvas:
    """A large picture, and the way from data to its pixels."""

    def __init__(self, parts: Sequence[Points | Line]) -> None:
        points = [p for p in parts if isinstance(p, Points)]
        self.across = _span([v for p in points for v in p.x])
        self.up = _span([v for p in points for v in p.y])
        self.image = Image.new("RGB", (_SIZE[0] * _FINE, _SIZE[1] * _FINE), "white")
        self.pen = ImageDraw.Draw(self.image)

    def picture(self, title: str, x_label: str, y_label: str, parts: Sequence[Points | Line]) -> Image.Image:
        left, top, right, bottom = _BOX
        self._axes()
        for part in parts:
            if isinstance(part, Points):
                self._points(part)
            else:
                self._line(part)
        self._frame()
        self._legend(parts)
        self._text((left, top - 30), title, 22, "lm")
        self._text(((left + right) / 2, bottom + 48), x_label, 16, "mm")
        self._upright(y_label, 28, (top + bottom) / 2)
        return self.image.resize(_SIZE, Image.Resampling.LANCZOS)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The pixel (of the final picture) of a point."""
        left, top, right, bottom = _BOX
        (x0, x1), (y0, y1) = self.across, self.up
        return left + (x - x0) / (x1 - x0) * (right - left), bottom - (y - y0) / (y1 - y0) * (bottom - top)

    def _axes(self) -> None:
        left, top, right, bottom = _BOX
        for value in ticks(*self.across):
            x, _ = self.place(value, self.up[0])
            self._stroke([(x, top), (x, bottom)], _FAINT, 1)
            self._stroke([(x, bottom), (x, bottom + 5)], _AXIS, 1.3)
            self._text((x, bottom + 17), _number(value), 14, "mm")
        for value in ticks(*self.up):
            _, y = self.place(self.across[0], value)
            self._stroke([(left, y), (right, y)], _FAINT, 1)
            self._stroke([(left - 5, y), (left, y)], _AXIS, 1.3)
            self._text((left - 10, y), _number(value), 14, "rm")

    def _frame(self) -> None:
        left, top, _, bottom = _BOX
        self._stroke([(left, top), (left, bottom)], _AXIS, 1.3)
        self._stroke([(left, bottom), (_BOX[2], bottom)], _AXIS, 1.3)

    def _points(self, points: Points) -> None:
        for x, y in zip(points.x, points.y, strict=True):
            self._dot(*self.place(float(x), float(y)), points.color)

    def _dot(self, x: float, y: float, color: str) -> None:
        box = [(v + d) * _FINE for d in (-3.2, 3.2) for v in (x, y)]
        self.pen.ellipse(box, fill=color, outline="white", width=_FINE - 1)

    def _line(self, line: Line) -> None:
        """The part of the line inside the plotting area."""
        (x0, x1), (y0, y1) = self.across, self.up
        if line.slope:
            crossings = sorted((y - line.offset) / line.slope for y in (y0, y1))
            x0, x1 = max(x0, crossings[0]), min(x1, crossings[1])
        if x0 < x1:
            ends = [self.place(x, line.slope * x + line.offset) for x in (x0, x1)]
            self._stroke(ends, line.color, 3, line.dashed)

    def _legend(self, parts: Sequence[Points | Line]) -> None:
        font = self._font(15)
        width = max(font.getlength(p.label) for p in parts) / _FINE + 58
        right, top = _BOX[2] - 12, _BOX[1] + 12
        left, bottom = right - width, top + 26 * len(parts) + 10
        box = [v * _FINE for v in (left, top, right, bottom)]
        self.pen.rounded_rectangle(box, 6 * _FINE, fill="white", outline="#d5dbe3", width=_FINE)
        for i, part in enumerate(parts):
            y = top + 18 + 26 * i
            if isinstance(part, Points):
                self._dot(left + 25, y, part.color)
            else:
                self._stroke([(left + 10, y), (left + 40, y)], part.color, 3, part.dashed)
            self._text((left + 48, y), part.label, 15, "lm")

    def _stroke(
        self, ends: Sequence[tuple[float, float]], color: str, width: float, dashed: bool = False
    ) -> None:
        (x0, y0), (x1, y1) = ends
        count = max(int(math.hypot(x1 - x0, y1 - y0) / 7), 1) if dashed else 1
        for i in range(0, count, 2):
            a, b = i / count, (i + 1) / count
            dash = [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (a, b)]
            self.pen.line(
                [(x * _FINE, y * _FINE) for x, y in dash], fill=color, width=max(round(width * _FINE), 1)
            )

    def _font(self, size: int) -> Any:
        return ImageFont.load_default(size * _FINE)

    def _text(self, at: tuple[float, float], text: str, size: int, anchor: str) -> None:
        self.pen.text((at[0] * _FINE, at[1] * _FINE), text, fill=_INK, font=self._font(size), anchor=anchor)

    def _upright(self, text: str, x: float, y: float) -> None:
        """Text turned by a quarter, centred on (x, y)."""
        font = self._font(16)
        width, height = math.ceil(font.getlength(text)) + 8, 24 * _FINE
        label = Image.new("RGB", (width, height), "white")
        ImageDraw.Draw(label).text((width / 2, height / 2), text, fill=_INK, font=font, anchor="mm")
        turned = label.rotate(90, expand=True)
        self.image.paste(turned, (round(x * _FINE - turned.width / 2), round(y * _FINE - turned.height / 2)))


def _number(value: float) -> str:
    return f"{value:,.10g}"  # the font that comes with Pillow has no proper minus sign
