"""What MkDocs cannot know of the site: the API's pages, files linked to from docs/, plots of ratios.

`mkdocs.yml` names this file as a hook. Nothing is written into docs/.
"""

from __future__ import annotations

import importlib
import inspect
import math
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Namespaces that repeat others, or hold nothing that is called.
REPEATED = re.compile(r"(compat|python|raw_ops|core|examples)(\.|$)")
SECTIONS = ("Args", "Returns", "Raises", "Yields", "Attributes", "Example", "Examples", "Note")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the README as the first page, a page for each namespace, and each file that a page links to."""
    pages = {"index.md": (ROOT / "README.md").read_text(encoding="utf-8"), **dict(reference())}
    linked = {"CHANGELOG.md", "docs/tiny_millrace.py"}
    for file in files.documentation_pages():
        for target in re.findall(r"\]\(([^)#\s:]+)", file.content_string):
            linked.add(outside(file.src_uri, target))
    for target in re.findall(r"\]\(([^)#\s:]+)", pages["index.md"]):
        linked.add(outside("index.md", target))
    for path in sorted(linked - {""}):
        pages[f"source/{path}" if path.endswith(".md") else f"source/{path}.md"] = listing(path)
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that leave docs/ lead to the copy in the site; tables of ratios get a plot."""
    uri = page.file.src_uri

    def link(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        path = outside(uri, target)
        if not path:
            inside = uri == "index.md" and target.startswith("docs/")
            return f"]({target.removeprefix('docs/') if inside else target}{anchor})"
        copy = f"source/{path}" if path.endswith(".md") else f"source/{path}.md"
        return f"]({posixpath.relpath(copy, posixpath.dirname(uri))}{anchor})"

    if not uri.startswith(("reference/", "source/")):
        markdown = re.sub(r"\]\(([^)#\s:]+)(#[^)]*)?\)", link, markdown)
    return plotted(markdown) if uri == "benchmarks.md" else markdown


def outside(uri: str, target: str) -> str:
    """The path from the root of the repository of a link that leaves docs/; "" for any other link."""
    base = Path("README.md") if uri == "index.md" else Path("docs") / uri
    path = posixpath.normpath((base.parent / target).as_posix())
    kept = path.startswith("docs/") and path.endswith(".md")
    return "" if kept or uri.startswith(("source/", "reference/")) else path


def listing(path: str) -> str:
    """A file or folder of the repository as a page."""
    source = ROOT / path
    if source.is_dir():
        rows = sorted(p.name for p in source.iterdir() if not p.name.startswith(("_", ".")))
        return f"# {path}\n\n" + "".join(f"* `{row}`\n" for row in rows)
    text = source.read_text(encoding="utf-8")
    if path.endswith(".md"):
        return re.sub(r"\]\((?!https?:)[^)]*\)", "]", text)
    language = {".py": "python", ".c": "c"}.get(source.suffix, "text")
    return f"# {path}\n\n````{language}\n{text}````\n"


# The API --------------------------------------------------------------------------------------------------


def reference() -> Iterator[tuple[str, str]]:
    """(address, Markdown) of a page for each public namespace, and of their index."""
    sys.path.insert(0, str(ROOT / "src"))  # here, since MkDocs restores the path after it has loaded a hook
    from millrace.api._namespaces import NAMESPACES

    spaces = ["", *sorted(s for s in NAMESPACES if not REPEATED.match(s))]
    home: dict[int, str] = {}  # where an object is described: the first namespace that has it
    rows = []
    for space in spaces:
        title = f"tf.{space}" if space else "tf"
        module = importlib.import_module(f"millrace.api.{space}" if space else "millrace.api")
        entries = []
        for name in sorted(module.__all__, key=str.lower):
            value = getattr(module, name)
            if inspect.ismodule(value):
                continue
            described = (
                home.setdefault(id(value), f"{title}.{name}") if callable(value) else f"{title}.{name}"
            )
            entries.append(entry(f"{title}.{name}", value, described))
        if entries:
            rows.append(f"* [`{title}`]({title}.md): {len(entries)}\n")
            yield f"reference/{title}.md", f"# {title}\n\n" + "\n".join(entries)
    yield (
        "reference/index.md",
        "# API\n\nEvery namespace, with the number of its names. `tf.compat.v1` has all that `tf` has.\n\n"
        + "".join(rows),
    )


def entry(name: str, value: Any, described: str) -> str:
    """One public name: its signature, its docstring and, of a class, its documented methods."""
    head = f"## {name}\n\n"
    if described != name:
        return head + f"The same as `{described}`.\n"
    if not callable(value):
        return head + f"A value: `{short(value)}`.\n"
    text = head + code(name, value) + prose(inspect.getdoc(value) or "")
    if inspect.isclass(value):
        for method, function in sorted(vars(value).items()):
            if method.startswith("_") or not (
                function_of(function) and inspect.getdoc(function_of(function))
            ):
                continue
            inner = function_of(function)
            text += f"\n### {method}\n\n{code(method, inner)}{prose(inspect.getdoc(inner) or '')}"
    return text


def function_of(member: Any) -> Any:
    """The function behind a method, class method, static method or property; None behind anything else."""
    if isinstance(member, property):
        return member.fget
    member = getattr(member, "__func__", member)
    return member if inspect.isfunction(member) else None


def code(name: str, value: Any) -> str:
    """The signature as a block of code, types left out where they say nothing."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parts = [
        p.replace(
            annotation=p.empty if "Any" in str(p.annotation) else Bare(p.annotation), default=shown(p.default)
        )
        for p in signature.parameters.values()
    ]
    back = signature.return_annotation
    plain = signature.replace(
        parameters=parts,
        return_annotation=Bare(back) if isinstance(back, str) and back != "Any" else signature.empty,
    )
    line = f"{name}{plain}"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {p},\n" for p in parts) + ")"
    return f"```python\n{line}\n```\n\n"


class Bare:
    """A text whose `repr` has no quotes, for signatures."""

    def __init__(self, text: Any) -> None:
        self.text = text if isinstance(text, str) else getattr(text, "__name__", str(text))

    def __repr__(self) -> str:
        return self.text


def shown(default: Any) -> Any:
    """A default as one would write it."""
    if default is inspect.Parameter.empty or isinstance(default, (str, int, float, bool, tuple, type(None))):
        return default
    return Bare(short(default))


def short(value: Any) -> str:
    """A value in one line, without an address in memory."""
    text = re.sub(r" object at 0x[0-9a-f]+", "", re.sub(r"\s+", " ", repr(value)))
    text = re.sub(r"<(?:\w+\.)*(\w+)>", r"\1", text)
    return text if len(text) <= 80 else text[:77] + "..."


def prose(doc: str) -> str:
    """A docstring as Markdown: sections as bold headings, arguments as lists, sessions as code."""
    out: list[str] = []
    section = ""
    session = False
    for line in doc.splitlines():
        bare = line.strip()
        if session and not bare:
            out.append("```")
            session = False
        if bare.startswith(">>>") and not session:
            out += ["", "```pycon"]
            session = True
        if session:
            out.append(bare)
        elif bare.rstrip(":") in SECTIONS and bare.endswith(":") and line == bare:
            section = bare.rstrip(":")
            out += ["", f"**{section}**", ""]
        elif section in ("Args", "Raises", "Attributes") and re.match(r" {2,4}[*\w`][^:]*: ", line):
            item, _, rest = bare.partition(": ")
            out.append(f"* `{item.strip('`')}`: {escaped(rest)}")
        elif section in ("Args", "Raises", "Attributes"):
            out.append(f"  {escaped(bare)}" if bare else "")
        else:
            out.append(escaped(bare) if section or not line.startswith("    ") else line)
    if session:
        out.append("```")
    return "\n".join(out) + "\n"


def escaped(text: str) -> str:
    """Text in which only what stands between backticks is markup."""
    parts = text.split("`")
    for k in range(0, len(parts), 2):
        parts[k] = re.sub(r"([*_<>\[\]])", r"\\\1", parts[k])
    return "`".join(parts)


# Plots ----------------------------------------------------------------------------------------------------


def plotted(markdown: str) -> str:
    """Puts a plot below each table with columns "ratio to ..."."""
    blocks = re.split(r"(\n\n)", markdown)
    return "".join(
        block + plot(block) if block.startswith("| workload |") and "ratio to" in block else block
        for block in blocks
    )


def plot(table: str) -> str:
    """The ratios of a table as bars on a logarithmic scale, the line at 1 where both are equally fast."""
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()
    ]
    columns = [k for k, title in enumerate(head) if title.startswith("ratio to")]
    bars = [
        (f"{row[0]}, {row[1]}", head[k].removeprefix("ratio to "), float(row[k]))
        for row in rows
        for k in columns
        if k < len(row) and row[k]
    ]
    if not bars:
        return ""
    low = min(-2.5, *(math.log10(b[2]) for b in bars))
    high = max(0.6, *(math.log10(b[2]) for b in bars))

    def x(log: float) -> float:
        return 330 + 400 * (log - low) / (high - low)

    lines = [
        f'<svg viewBox="0 0 760 {16 * len(bars) + 30}" role="img" aria-label="Ratios" '
        'style="width:100%;font:11px sans-serif;fill:currentColor">'
    ]
    for k, (label, peer, ratio) in enumerate(bars):
        y = 16 * k + 20
        left, right = sorted((x(0), x(math.log10(ratio))))
        colour = "#2e9e5b" if ratio <= 1 else "#d2553d"
        lines.append(f'<text x="322" y="{y}" text-anchor="end">{label} / {peer}</text>')
        box = f'x="{left:.1f}" y="{y - 9}" width="{max(right - left, 1):.1f}" height="11"'
        lines.append(f'<rect {box} fill="{colour}"/>')
    foot = 16 * len(bars) + 14
    for power in (0.01, 0.1, 1):
        at = f"{x(math.log10(power)):.1f}"
        lines.append(f'<line x1="{at}" x2="{at}" y1="6" y2="{foot}" stroke="currentColor" opacity=".4"/>')
        lines.append(f'<text x="{at}" y="{foot + 12}" text-anchor="middle">{power:g}</text>')
    return "\n\n" + "".join(lines) + "</svg>"
