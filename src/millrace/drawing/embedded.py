"""A drawing as an image that holds its own data, which notebooks, GitHub and mail programs show as it is; and
the script that makes it a picture to unfold, zoom and drag where scripts run.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from importlib.resources import files

from millrace.drawing.svg import escape

# An image is a document of its own: the rule touches nothing else on the page.
_DARK = "<style>@media (prefers-color-scheme: dark){svg{filter:invert(.9) hue-rotate(180deg)}}</style>"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 0; font: 14px system-ui, sans-serif; overflow: hidden; height: 100vh }}
h1 {{ font-size: 14px; margin: 0; padding: 8px 12px; position: fixed; z-index: 1; color: #1f2733;
  background: #ffffffd0 }}
@media (prefers-color-scheme: dark) {{ html {{ filter: invert(.9) hue-rotate(180deg); background: #fff }} }}
</style></head><body><h1>{title}</h1><div id="graph"></div>
<script>({viewer})(document.getElementById("graph"), {pictures}, true)</script></body></html>
"""
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


def unfolding(still: str, pictures: dict[str, str]) -> str:
    """What a notebook shows: `still`, and where scripts run a picture to unfold in its place.

    Args:
      still: markup that needs no script; it is what a reader sees who does not trust the notebook.
      pictures: as for `page`.
    """
    packed = _packed(pictures)
    name = f"graph-{zlib.crc32(packed.encode()):08x}"
    dark = f".{name} svg{{filter:invert(.9) hue-rotate(180deg)}}"
    each = f"host => ({_viewer()})(host, {packed}, false)"
    return (
        f'<div class="{name}">{still}</div>'
        f"<style>@media (prefers-color-scheme: dark){{{dark}}}</style>"
        f'<script>document.querySelectorAll(".{name}").forEach({each})</script>'
    )


def page(pictures: dict[str, str], title: str) -> str:
    """An HTML document that shows a graph, to unfold by a click, to zoom with the wheel and to drag.

    Args:
      pictures: name of a scope to the SVG document in which it is open; "" to the first.
      title: of the document.
    """
    return _PAGE.format(title=escape(title), viewer=_viewer(), pictures=_packed(pictures))


def _packed(pictures: dict[str, str]) -> str:
    return json.dumps(
        {n: base64.b64encode(zlib.compress(s.encode(), 9)).decode() for n, s in pictures.items()}
    ).replace("</", "<\\/")


def _viewer() -> str:
    """The script, without the comments above it."""
    text = files("millrace.drawing").joinpath("viewer.js").read_text(encoding="utf-8")
    return text[text.index("async") :].strip()
