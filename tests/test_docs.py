"""The documentation tells the truth: links lead somewhere, names exist, and the examples run."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _defined(path: pathlib.Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
            found.update(f"{node.name}.{f.name}" for f in node.body if isinstance(f, ast.FunctionDef))
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def test_names_on_the_walk_exist() -> None:
    """`name` ... [file](path): the name is defined in the file."""
    text = (ROOT / "docs" / "walk.md").read_text()
    pairs = re.findall(r"`([\w.]+)`\s+(?:in\s+|\(?\s*)\[[^\]]+\]\((\.\./src/[^)]+)\)", text)
    assert len(pairs) >= 10
    for name, target in pairs:
        path = (ROOT / "docs" / target).resolve()
        assert name in _defined(path), f"{name} is not defined in {path.name}"


def test_tiny_millrace_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "tiny_millrace.py")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("y = 3.0")
    assert len((ROOT / "docs" / "tiny_millrace.py").read_text().splitlines()) <= 600


def _examples(page: pathlib.Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.S)


GUIDES = sorted(ROOT.glob("docs/guides/*.md"))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "docs" / "walk.md", *GUIDES], ids=lambda p: p.name
)
def test_examples_run(page: pathlib.Path) -> None:
    examples = _examples(page)
    assert examples
    for example in examples:
        done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for line, printed in re.findall(r"^(.*print\(.*\).*?)\s+#\s+(.+)$", example, re.M):
            assert printed.strip() in done.stdout, f"{line} printed {done.stdout!r}"
