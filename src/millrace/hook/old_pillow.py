"""How large a text is drawn, as Pillow told before version 10."""

from __future__ import annotations

from typing import Any


def is_image(value: Any) -> bool:
    """Whether a value is a Pillow image."""
    return hasattr(value, "im")


def _extent(box: tuple[float, float, float, float]) -> tuple[int, int]:
    """Width, and height from the top of the line, as before."""
    left, _, right, bottom = box
    return int(right - left), int(bottom)


def getsize(font: Any, text: Any, *args: Any, **kwargs: Any) -> tuple[int, int]:
    """Width and height of one line of text in a font."""
    return _extent(font.getbbox(text, *(a or "" for a in args), **kwargs))


def getsize_multiline(font: Any, text: str, direction: Any = None, spacing: float = 4, **kwargs: Any) -> Any:
    """Width of the longest line and height of all lines in a font."""
    from PIL import Image, ImageDraw

    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    return textsize(draw, text, font, spacing, direction, **kwargs)


def getoffset(font: Any, text: Any) -> tuple[int, int]:
    """Where a text begins, from the left and from the top of its line."""
    left, top, _, _ = font.getbbox(text)
    return int(left), int(top)


def textsize(
    draw: Any, text: str, font: Any = None, spacing: float = 4, direction: Any = None, features: Any = None,
    language: Any = None, **kwargs: Any,
) -> tuple[int, int]:  # fmt: skip
    """Width and height of a text, one line or several, as it would be drawn."""
    ways = {"direction": direction, "features": features, "language": language, **kwargs}
    return _extent(draw.textbbox((0, 0), text, font, spacing=spacing, **ways))
