"""What the package's metadata needs computed: the README for a package index, where links between files lead
nowhere.

hatchling runs this when it builds (`[tool.hatch.metadata.hooks.custom]` in pyproject.toml).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)")


def for_index(text: str, address: str = "") -> str:
    """A README whose links between files lead to `address`; without one, they name the file instead.

    Args:
      text: Markdown.
      address: of the folder of files, with a trailing slash.
    """

    def link(found: re.Match[str]) -> str:
        shown, path = found.groups()
        if address:
            return f"[{shown}]({address}{path})"
        return f"`{path}`" if shown == path else f"{shown} (`{path}`)"

    return _LINK.sub(link, text)


class Metadata(MetadataHookInterface):
    """Sets `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Completes the metadata.

        Args:
          metadata: the table `project`, changed in place.
        """
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": for_index(text, self.config.get("files", "")),
        }
