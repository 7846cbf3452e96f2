"""`millrace error [NAME]`: the page of `docs/errors` about a class of error."""

import difflib
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "errors", _HERE.parents[2] / "docs" / "errors")  # in an installation, in a checkout


def show_page(name: str | None) -> int:
    """Prints a page, or the list of pages.

    Args:
      name: a class of `tf.errors`, with or without what stands in front of it; None lists all.

    Returns:
      The exit status: 0, or 2 where there is no such page.
    """
    folder = next((place for place in _PLACES if place.is_dir()), None)
    if folder is None:
        print("millrace error: this installation has no pages", file=sys.stderr)
        return 2
    pages = {page.stem: page for page in sorted(folder.glob("*.md"))}
    given = "readme" if name is None else name.rpartition(".")[2].lower()
    wanted = next((page for page in pages if page.lower() in (given, f"{given}error")), "")
    if not wanted:
        near = difflib.get_close_matches(f"{given.removesuffix('error')}error".title(), pages, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"millrace error: no page about {name!r}{hint}", file=sys.stderr)
        return 2
    text = pages[wanted].read_text("utf-8")
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        print(text, end="")
    return 0
