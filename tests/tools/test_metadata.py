"""The README as a package index shows it."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """tools/metadata.py, which imports what builds the package."""
    interface: Any = types.ModuleType("hatchling.metadata.plugin.interface")

    class Hook:
        def __init__(self, root: str, config: dict[str, Any]) -> None:
            self.root, self.config = root, config

    interface.MetadataHookInterface = Hook
    for name in ("hatchling", "hatchling.metadata", "hatchling.metadata.plugin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("metadata_tool", ROOT / "tools" / "metadata.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_between_files(tool: Any) -> None:
    text = "See [docs/a.md](docs/a.md), [a guide](docs/b.md) and [it](https://x.org/y), [above](#top)."
    assert tool.for_index(text) == (
        "See `docs/a.md`, a guide (`docs/b.md`) and [it](https://x.org/y), [above](#top)."
    )
    assert tool.for_index(text, "https://x.org/f/") == (
        "See [docs/a.md](https://x.org/f/docs/a.md), [a guide](https://x.org/f/docs/b.md) and "
        "[it](https://x.org/y), [above](#top)."
    )


def test_the_readme_of_the_package(tool: Any) -> None:
    metadata: dict[str, Any] = {}
    tool.Metadata(str(ROOT), {}).update(metadata)
    assert metadata["readme"]["content-type"] == "text/markdown"
    assert "](docs/" not in metadata["readme"]["text"] and "`docs/install.md`" in metadata["readme"]["text"]
    tool.Metadata(str(ROOT), {"files": "https://x.org/"}).update(metadata)
    assert "](https://x.org/docs/install.md)" in metadata["readme"]["text"]
