"""The cases that come out otherwise than in TensorFlow, and why; writes them into docs/differences.md.

python tests/conformance/differences.py
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "differences.md"
_TABLE = pathlib.Path(__file__).with_name("differences.json")
_START = (
    "<!-- From tests/conformance/differences.json by tests/conformance/differences.py; do not edit. -->\n"
)
_END = "<!-- End of the generated part. -->\n"


def entries() -> list[dict[str, Any]]:
    """Rows of `why`, `cases`, and `tier` where only one of "interpreted" and "compiled" differs."""
    return json.loads(_TABLE.read_text())


def load(tier: str = "interpreted") -> dict[str, str]:
    """The reason for each case that differs in a tier."""
    found: dict[str, str] = {}
    for entry in entries():
        if entry.get("tier", tier) == tier:
            for case in entry["cases"]:
                assert case not in found, f"{case} is listed twice"
                found[case] = entry["why"]
    return found


def page() -> str:
    """The text of the page with the list as it should be."""
    before, _, rest = PAGE.read_text().partition(_START)
    after = rest.partition(_END)[2]
    lines = []
    for entry in entries():
        tier = f" ({entry['tier']} only)" if "tier" in entry else ""
        lines.append(f"* {entry['why']}{tier}\n  " + ", ".join(f"`{case}`" for case in entry["cases"]) + "\n")
    return before + _START + "\n" + "".join(lines) + "\n" + _END + after


if __name__ == "__main__":
    PAGE.write_text(page())
