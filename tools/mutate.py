"""Which small changes of the core no test notices: cosmic-ray's mutants, judged by the tests that reach them.

    python tools/mutate.py                        a sample of each file below
    python tools/mutate.py --each 0 planner       every mutant of the files whose path holds "planner"
    python tools/mutate.py --reference /tmp/r     keeps the reference run there, for the next call

A reference run of the core's tests notes which test reaches which line, and how long each takes. A mutant is
judged by the tests that reach its line: all of its own file, and the fastest of the others, up to `--budget`
seconds of them. So a survivor may yet be killed by a slower test elsewhere, and what no test reaches has
survived. Each runs in a fork of a process that has imported whatever does not depend on the changed file.

Left out, since they do not change behaviour: whatever stands in annotations, in the first argument of `cast`
or under `if TYPE_CHECKING`; `==` made `is` and `is` made `==`, which mean the same for small numbers, types,
interned strings and for what has no equality but identity (operations, tensors, graphs, bodies); `@overload`
and `@public` removed, which tools read; `strict` of `zip`, which asserts what holds by construction.
`session/export.py` and `devices.py` speak to JAX and are tested by tests that compile. By hand, not in
`.ci/run`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import difflib
import functools
import importlib
import importlib.machinery
import json
import os
import random
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "millrace"
FOLDERS = ("runtime/plan", "session", "graph", "building")
WITHOUT = ("session/export.py", "session/devices.py")
FILES = ("runtime/interpret.py", "runtime/stepwise.py", "runtime/store.py")
TESTS = ("runtime", "session", "graph", "building")
# What else is about these files: functions with graphs of their own, bodies in messages, private names.
BESIDE = ("datasets", "exchange", "lib/variables/test_graph_functions.py", "test_hook_names.py")
# Whole programs and measurements of growth: slow, and not what pins a line.
IGNORED = ("runtime/test_growth.py", "runtime/test_fuzzed_programs.py", "runtime/xla")
_NOTHING = ("Eq_Is", "NotEq_IsNot", "Is_Eq", "IsNot_NotEq", "Variable")
_MEMORY = 16 << 30


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    operator: str
    occurrence: int
    line: int
    column: int


@dataclasses.dataclass
class Reference:
    """What a run of the tests without changes has shown."""

    seconds: dict[str, float]
    reached: dict[str, dict[str, list[str]]]  # by file and line: the tests
    modules: list[str]  # of millrace, in the order they were imported


def targets(only: list[str]) -> list[str]:
    """The files of the core whose path holds one of these words; all if there are none."""
    paths = [
        f"{folder}/{path.name}" for folder in FOLDERS for path in sorted((SOURCE / folder).glob("[!_]*.py"))
    ]
    known = (path for path in (*paths, *FILES) if path not in WITHOUT)
    return [path for path in known if not only or any(part in path for part in only)]


def mutants(text: str) -> Iterator[Mutant]:
    """All changes of a file that are changes of behaviour."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    nodes, spans = list(ast_nodes(get_ast(text))), list(_silent(ast.parse(text)))
    for name in operator_names():
        if any(kind in name for kind in _NOTHING):
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in nodes:
            for start, end in operator.mutation_positions(node):
                if not any(first <= start and end <= last for first, last in spans):
                    yield Mutant(name, occurrence, *start)
                occurrence += 1


def _silent(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a file speaks to type checkers only: first and last position of each such piece."""
    for node in ast.walk(tree):
        pieces: list[ast.expr | ast.stmt | None] = []
        match node:
            case ast.FunctionDef():
                pieces = [node.returns, *(each for each in node.decorator_list if _speaks_to_tools(each))]
            case ast.ClassDef():
                pieces = [each for each in node.decorator_list if _speaks_to_tools(each)]
            case ast.arg() | ast.AnnAssign():
                pieces = [node.annotation]
            case ast.Call(func=ast.Name("cast"), args=[kind, *_]):
                pieces = [kind]
            case ast.Call(func=ast.Name("zip")):
                pieces = [keyword.value for keyword in node.keywords]
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                pieces = [node]
        for piece in filter(None, pieces):
            last = piece.end_lineno or piece.lineno
            if piece in getattr(node, "decorator_list", ()):  # with the @ before it, to the end of the line
                yield (piece.lineno, piece.col_offset - 1), (last + 1, 0)
            else:
                yield (piece.lineno, piece.col_offset), (last, (piece.end_col_offset or 0) + 1)


def _speaks_to_tools(decorator: ast.expr) -> bool:
    """True for `@overload`, and for `@public`, which the generator of the public names reads."""
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Name) and name.id in ("overload", "public")


def changed(text: str, mutant: Mutant) -> str:
    """The file with the change."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    result = mutate_code(text, get_operator(mutant.operator)(), mutant.occurrence)
    assert result is not None
    return result


# -- processes ----------------------------------------------------------------------------------------------


def in_fork(work: Callable[[], int], seconds: float = 3600.0, loud: bool = False) -> int | None:
    """What `work` returns in a child of this process, None if that took too long."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        if not loud:
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(silence, stream)
        code = 99
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    waiting = os.pidfd_open(child)
    in_time = bool(select.select([waiting], [], [], seconds)[0])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.close(waiting)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status) if in_time else None


def run_tests(arguments: list[str], *plugins: object) -> int:
    """Runs pytest in this process."""
    import pytest

    # What takes longer than most tests, and is there for the messages: plugins, and asserts that tell values.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["-q", "-x", "-p", "no:cacheprovider", "--assert=plain", "-m", "not xla and not slow"]
    # A mutant's time is bounded in `survives`; this may run beside other work.
    options += ["-p", "pytest_timeout", "-o", "timeout=0"]
    return int(pytest.main([*options, *arguments], list(plugins)))


def reference_run(file: Path) -> None:
    """Runs the tests without a change, in a child, and writes down what it has shown."""
    import pytest
    from coverage import Coverage

    class Watch:
        """Tells the coverage measurement which test runs."""

        def __init__(self, coverage: Coverage) -> None:
            self.coverage, self.seconds = coverage, dict[str, float]()

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
            self.coverage.switch_context(item.nodeid)
            before = time.perf_counter()
            result = yield
            self.seconds[item.nodeid] = time.perf_counter() - before
            self.coverage.switch_context("")
            return result

    def work() -> int:
        coverage = Coverage(data_file=None, config_file=False, include=[f"{SOURCE}/*"])
        coverage.start()
        for name in targets([]):  # so that what an import runs is no test's
            importlib.import_module("millrace." + name.removesuffix(".py").replace("/", "."))
        watch = Watch(coverage)
        ignored = [f"--ignore=tests/{name}" for name in IGNORED]
        code = run_tests([*(f"tests/{name}" for name in (*TESTS, *BESIDE)), *ignored], watch)
        coverage.stop()
        data, reached = coverage.get_data(), dict[str, dict[int, list[str]]]()
        for name in targets([]):
            contexts = data.contexts_by_lineno(str(SOURCE / name))
            reached[name] = {line: [test for test in tests if test] for line, tests in contexts.items()}
        modules = [name for name in sys.modules if name.split(".")[0] == "millrace"]
        file.write_text(json.dumps([watch.seconds, reached, modules]))
        return code

    if in_fork(work, loud=True):
        raise SystemExit("the tests fail without any change")


# -- judging ------------------------------------------------------------------------------------------------


class Changed(importlib.machinery.SourceFileLoader):
    """Loads a module from a text that is not what the file holds."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str):  # type: ignore[no-untyped-def]
        """The code of the changed text."""
        return compile(self.text, self.path, "exec", dont_inherit=True)

    def find_spec(self, name: str, path: object = None, target: object = None):  # type: ignore[no-untyped-def]
        """Finds that one module."""
        if name == self.name:
            return importlib.machinery.ModuleSpec(name, self, origin=self.path)
        return None


@functools.cache
def imports() -> Any:
    """Which module imports which."""
    import grimp

    return grimp.build_graph("millrace", cache_dir=None)


class Judge:
    """Tries the mutants of one file."""

    def __init__(self, file: str, reference: Reference, budget: float) -> None:
        self.file, self.reference, self.budget = file, reference, budget
        self.module = "millrace." + file.removesuffix(".py").replace("/", ".")
        self.text = (SOURCE / file).read_text()

    def tests(self, line: int) -> list[str]:
        """The tests that reach a line, in the order in which they are to be run."""
        reached = self.reference.reached[self.file]
        known = reached.get(str(line))
        own = f"tests/{Path(self.file).parent}/test_{Path(self.file).stem}"
        if known == []:  # reached while the module is imported: any test may show it
            others = {test for tests in reached.values() for test in tests}
            known = sorted(others.union(test for test in self.reference.seconds if test.startswith(own)))
        seconds, left = self.reference.seconds, self.budget
        chosen, slow = list[str](), list[str]()
        for test in sorted(known or (), key=lambda test: (seconds[test], test)):
            left -= seconds[test]
            if left > 0 or not chosen:
                chosen.append(test)
            elif test.startswith(own):
                slow.append(test)
        return [*chosen, *slow]

    def preload(self) -> None:
        """Imports what does not depend on the file."""
        above = imports().find_downstream_modules(self.module) | {self.module}
        for name in self.reference.modules:
            if name not in above and "jax" not in name and "xla" not in name:
                importlib.import_module(name)
        assert self.module not in sys.modules

    def survives(self, mutant: Mutant) -> bool:
        """Whether no test of those that reach the mutant fails."""
        statement = self._statement(mutant.line)
        tests = self.tests(statement)
        if not tests:
            return True
        text = changed(self.text, mutant)

        def work() -> int:
            sys.meta_path.insert(0, Changed(self.module, str(SOURCE / self.file), text))  # type: ignore[arg-type]
            return run_tests(tests)

        usual = sum(self.reference.seconds[test] for test in tests)
        return in_fork(work, 20 + 4 * usual) == 0

    def _statement(self, line: int) -> int:
        """The line by which coverage knows the statement or the head of the block on a line."""
        reached = self.reference.reached[self.file]
        if str(line) in reached:
            return line
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, ast.stmt) and not hasattr(node, "body"):
                lines = range(node.lineno, (node.end_lineno or 0) + 1)
                if line in lines:
                    return next((known for known in lines if str(known) in reached), line)
        return next((known for known in range(line, 0, -1) if str(known) in reached), line)

    def run(self, each: int, seed: int) -> tuple[int, int]:
        """Prints the mutants that survive; how many of them were tried and killed."""
        chosen = sorted(mutants(self.text), key=lambda mutant: (mutant.line, mutant.column, mutant.operator))
        if each:
            chosen = random.Random(seed).sample(chosen, min(each, len(chosen)))
        self.preload()
        survivors = 0
        for mutant in sorted(chosen, key=lambda mutant: mutant.line):
            if self.survives(mutant):
                survivors += 1
                self._show(mutant)
        print(f"{self.file}: {len(chosen) - survivors} of {len(chosen)} killed", flush=True)
        return len(chosen), len(chosen) - survivors

    def _show(self, mutant: Mutant) -> None:
        tests = len(self.tests(self._statement(mutant.line)))
        print(f"survived {tests} tests: {self.file}:{mutant.line} {mutant.operator.removeprefix('core/')}")
        before, after = self.text.splitlines(), changed(self.text, mutant).splitlines()
        for line in difflib.unified_diff(before, after, lineterm="", n=0):
            if not line.startswith(("---", "+++", "@@")):
                print("   ", line, flush=True)


def main() -> None:
    """Runs the tool."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])  # type: ignore[union-attr]
    parser.add_argument("only", nargs="*", help="parts of paths; default: all files of the core")
    parser.add_argument("--each", type=int, default=12, help="mutants of each file; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds of tests for one mutant")
    parser.add_argument("--reference", type=Path, default=Path(f"/tmp/mutate-{os.getpid()}.json"))
    arguments = parser.parse_args()
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    sys.path.insert(0, str(ROOT / "src"))
    sys.dont_write_bytecode = True
    import hypothesis
    import numpy  # noqa: F401 (so that no child imports it anew)
    import pytest  # noqa: F401

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, phases=phases)
    hypothesis.settings.load_profile("mutants")
    if not arguments.reference.exists():
        reference_run(arguments.reference)
    reference = Reference(*json.loads(arguments.reference.read_text()))
    imports()  # here, for all files
    tried = killed = 0
    for file in targets(arguments.only):
        reading, writing = os.pipe()

        def work(file: str = file, writing: int = writing) -> int:
            counts = Judge(file, reference, arguments.budget).run(arguments.each, arguments.seed)
            os.write(writing, json.dumps(counts).encode())
            return 0

        if in_fork(work, 24 * 3600.0, loud=True):
            raise SystemExit(f"{file}: the tool itself has failed")
        more = json.loads(os.read(reading, 100))
        tried, killed = tried + more[0], killed + more[1]
    print(f"{killed} of {tried} killed: {killed / max(tried, 1):.0%}")


if __name__ == "__main__":
    main()
