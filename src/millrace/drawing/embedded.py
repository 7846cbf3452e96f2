"""A drawing as an image that holds its own data, which notebooks, GitHub and mail programs show as it is."""

from __future__ import annotations

import base64
import re

from millrace.drawing.svg import escape

# An image is a document of its own: the rule touches nothing else on the page.
_DARK = "<style>@media (prefers-color-scheme: dark){svg{filter:invert(.9) hue-rotate(180deg)}}</style>"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 0; font: 14px system-ui, sans-serif; overflow: hidden; height: 100vh }}
h1 {{ font-size: 14px; margin: 0; padding: 8px 12px; position: fixed; background: #ffffffd0; color: #1f2733 }}
svg {{ transform-origin: 0 0; cursor: grab; position: absolute; top: 0; left: 0 }}
@media (prefers-color-scheme: dark) {{ html {{ filter: invert(.9) hue-rotate(180deg); background: #fff }} }}
</style></head><body><h1>{title}</h1>
{svg}
<script>
const picture = document.querySelector("svg");
let x = 12, y = 44, scale = Math.min(1, (innerWidth - 24) / picture.width.baseVal.value), held = null;
const place = () => picture.style.transform = `translate(${{x}}px,${{y}}px) scale(${{scale}})`;
addEventListener("wheel", event => {{
  event.preventDefault();
  const by = Math.exp(-event.deltaY / 500);
  x = event.clientX - (event.clientX - x) * by;
  y = event.clientY - (event.clientY - y) * by;
  scale *= by;
  place();
}}, {{ passive: false }});
addEventListener("pointerdown", event => held = [event.clientX - x, event.clientY - y]);
addEventListener("pointermove", event => {{
  if (held) {{ x = event.clientX - held[0]; y = event.clientY - held[1]; place(); }}
}});
addEventListener("pointerup", () => held = null);
place();
</script></body></html>
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


def page(svg: str, title: str) -> str:
    """An HTML document that shows an SVG document, to zoom with the wheel and to drag."""
    return _PAGE.format(title=escape(title), svg=svg)
