"""A drawing as an image that holds its own data, which notebooks, GitHub and mail programs show as it is."""

from __future__ import annotations

import base64
import re

from millrace.drawing.svg import escape

# An image is a document of its own: the rule touches nothing else on the page.
_DARK = "<style>@media (prefers-color-scheme: dark){svg{filter:invert(.9) hue-rotate(180deg)}}</style>"
_SIZE = re.compile(r'<svg [^>]*?width="([0-9.]+)" height="([0-9.]+)"[^>]*>')


def image(svg: str, text: str) -> str:
    """An `<img>` of an SVG document: never wider than its place, and darker where the reader's screen is.

    Args:
      svg: the document, with its size in pixels.
      text: what is read where images are not shown.
    """
    start = _SIZE.search(svg)
    assert start is not None
    document = f"{svg[: start.end()]}{_DARK}{svg[start.end() :]}"
    data = base64.b64encode(document.encode()).decode()
    return (
        f'<img alt="{escape(text)}" width="{start[1]}" style="max-width:100%;height:auto" '
        f'src="data:image/svg+xml;base64,{data}">'
    )
