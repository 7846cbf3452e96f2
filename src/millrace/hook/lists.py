"""The lists that come with the hook: facts about TensorFlow's names, as text."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator


def lines(file: str) -> Iterator[str]:
    """The lines of a list, comments left out."""
    text = importlib.resources.files("millrace.hook").joinpath(file).read_text("utf-8")
    return (line for line in text.splitlines() if line[:1] != "#")


def sections(file: str) -> Iterator[tuple[str, str]]:
    """The lines of a list that has sections: pairs of the title, "[title]" above them, and the line."""
    title = ""
    for line in lines(file):
        if line[:1] == "[":
            title = line.strip("[]")
        else:
            yield title, line
