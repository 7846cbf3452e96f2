"""The shape of the package: what importing it costs, what it exports, that generated files are fresh."""

import ast
import graphlib
import importlib
import inspect
import itertools
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import millrace
from millrace.api._namespaces import NAMESPACES

ROOT = Path(__file__).resolve().parents[1]


def in_fresh_python(source: str) -> str:
    """Runs `source` in a new interpreter and returns what it prints."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    return done.stdout


def public_objects():
    """Yields (dotted name, object) of the whole public API."""
    for space in ("", *sorted(NAMESPACES)):
        module = importlib.import_module(f"millrace.api.{space}".rstrip("."))
        for name in module.__all__:
            yield f"{space}.{name}".lstrip("."), getattr(module, name)


def test_import_time():
    # The best of five: the figure is about the package, not about what else the machine does.
    times = []
    for _ in range(5):
        before = time.perf_counter()
        in_fresh_python("pass")
        bare = time.perf_counter() - before
        before = time.perf_counter()
        in_fresh_python("import millrace")
        times.append(time.perf_counter() - before - bare)
    assert min(times) < 0.3, times


def test_import_takes_only_what_it_needs():
    loaded = json.loads(in_fresh_python("import millrace, sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert not {"jax", "jaxlib", "google.protobuf", "PIL", "rich"} & set(loaded)
    assert not [m for m in loaded if m.startswith(("millrace.ops.", "millrace.training."))]


def test_first_program_needs_no_compiler():
    source = (
        "import millrace as tf, sys\n"
        "with tf.Session() as sess: assert sess.run(tf.constant(1) + 2) == 3\n"
        "print([m for m in ('jax', 'google.protobuf') if m in sys.modules])"
    )
    assert in_fresh_python(source).strip() == "[]"


def test_generated_files_are_fresh():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "gen_api.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_resolves_and_is_listed():
    for name, thing in public_objects():
        space, _, leaf = name.rpartition(".")
        module = importlib.import_module(f"millrace.api.{space}".rstrip("."))
        assert leaf in dir(module)
        assert getattr(module, leaf) is thing


def test_every_public_function_and_class_has_a_docstring():
    bare = [
        name
        for name, thing in public_objects()
        if (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__.startswith("millrace.")
        and not inspect.getdoc(thing)
    ]
    assert not bare


def test_every_room_declares_what_the_table_says():
    from millrace.graph import opdef
    from millrace.graph._rooms import ROOMS

    ours = [n for n in opdef.declared() if opdef.lookup(n).room.startswith("millrace.")]  # not those of tests
    assert sorted(ours) == sorted(ROOMS)


def test_every_operation_has_a_gradient_or_says_that_it_has_none():
    from millrace.graph import opdef
    from millrace.graph._rooms import ROOMS

    assert not [
        n
        for n in ROOMS
        if not callable(grad := opdef.lookup(n).grad) and grad is not opdef.NOT_DIFFERENTIABLE
    ]


def test_public_namespaces_are_attributes_and_modules():
    import millrace.version as version

    assert version is millrace.version is importlib.import_module("millrace.api.version")
    assert importlib.import_module("millrace.compat.v1") is millrace.compat.v1


def test_unknown_names_are_refused_by_name():
    with pytest.raises(AttributeError, match=r"module 'millrace' has no attribute 'no_such_function'"):
        millrace.no_such_function  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match=r"module 'millrace.version' has no attribute 'no_such'"):
        millrace.version.no_such
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("millrace.no_such_namespace")


def imported_modules(path: Path, known: set[str]) -> set[str]:
    """The modules among `known` that a file imports, inside of functions too, but not for type checkers."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for a in node.names:
                found.add(full if (full := f"{node.module}.{a.name}") in known else node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found & known


def test_imports_between_files_go_in_no_circle():
    source = ROOT / "src"
    files = {
        ".".join(p.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): p
        for p in source.rglob("*.py")
        if "api" not in p.relative_to(source).parts
    }
    arrows = {name: imported_modules(path, set(files)) - {name} for name, path in files.items()}
    # Raises CycleError, which names the files of a circle.
    assert len(list(graphlib.TopologicalSorter(arrows).static_order())) == len(files)


def test_upward_references_name_modules():
    from millrace.core import late

    for name in late.PLACES:
        assert late.module(name).__name__ == late.PLACES[name]


def torn_lines(text: str) -> list[str]:
    """Lines of paragraphs that end where half a line more would have fitted, as a reflow leaves them."""
    found = []
    lines = text.splitlines()
    for line, following in itertools.pairwise(lines):
        words, rest = line.strip(), following.strip()
        indents = [len(each) - len(each.lstrip()) for each in (line, following)]
        is_list = re.match(r"(- |\* |\d+\. |>>>|\.\.\.|[|#]|[A-Z]\w*:$|[\w*, `.]+: )", rest)
        is_prose = re.match(r"[\w`(\"'][^|]*[\w,`'\"]$", words)
        alike = is_prose and not is_list and indents[0] == indents[1] and "   " not in rest
        if rest and alike and len(line) + 1 + len(rest.split()[0]) <= 65:
            found.append(f"{words} / {rest}")
    return found


def test_docstrings_are_not_torn():
    torn = {}
    for path in sorted((ROOT / "src" / "millrace").rglob("*.py")):
        if {"api", "schema"} & set(path.parts) or path.name.endswith("_pb2.py"):  # a grammar in lines
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found = torn_lines(ast.get_docstring(node, clean=False) or "")
                torn.update(dict.fromkeys(found, path.name))
    assert not torn
    assert torn_lines("A line of which half is missing, since dicts and\nattrs objects follow it.")
    assert not torn_lines(
        "A line that ends here.\nAnother one.\n\n  a: this\n  b: that, with an end\n  c: more"
    )
