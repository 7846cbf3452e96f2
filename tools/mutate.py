"""Which small changes of the core no test notices: cosmic-ray over each file, judged by the file's own tests.

    python tools/mutate.py                        a sample of each file below
    python tools/mutate.py --each 0 planner       every mutant of the files whose path holds "planner"

Works in a copy; prints each mutant that survived, and the share that was killed. By hand, not in `.ci/run`:
a mutant takes as long as the tests of its file.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {
    "runtime/plan/planner.py": ["runtime/plan/test_planner.py"],
    "runtime/plan/simplify.py": ["runtime/plan/test_simplify.py", "runtime/plan/test_planner.py"],
    "runtime/plan/segments.py": ["runtime/plan/test_cutting.py"],
    "runtime/stepwise.py": ["runtime/test_parts.py", "runtime/test_stepwise.py"],
    "runtime/interpret.py": ["runtime/test_interpret.py", "runtime/plan/test_planner.py"],
    "runtime/store.py": ["runtime/test_store.py", "runtime/test_interpret.py"],
    "session/session.py": ["session"],
    "session/feed.py": ["session/test_feed.py"],
    "session/fetch.py": ["session"],
    "session/partial.py": ["session"],
    "graph/graph.py": ["graph", "building/test_create.py"],
    "graph/attrs.py": ["building", "graph"],
    "building/create.py": ["building", "graph"],
    "building/apply.py": ["building", "graph"],
    "building/convert.py": ["building", "graph"],
    "building/body.py": ["runtime/plan", "building"],
}  # fmt: skip
_SKIPPED = WorkResult(WorkerOutcome.SKIPPED, "not in the sample", TestOutcome.KILLED)
_NOTHING = ("BitOr_", "Eq_Is", "NotEq_IsNot")  # types in signatures; numbers that are the same or not equal
_CONFIG = """\
[cosmic-ray]
module-path = "src/millrace/{module}"
timeout = {timeout}
excluded-modules = []
test-command = "{command}"
[cosmic-ray.distributor]
name = "local"
"""


def judge(copy: Path, module: str, tests: list[str], each: int, seed: int, timeout: float) -> tuple[int, int]:
    """Prints the mutants of one file that survive; how many of them were tried and killed."""
    paths = " ".join(f"tests/{test}" for test in tests)
    marks = "not xla and not slow"
    command = f"{sys.executable} -m pytest -q -x -n 0 -p no:cacheprovider -m '{marks}' {paths}"
    config, session = copy / "mutation.toml", copy / "mutation.sqlite"
    config.write_text(_CONFIG.format(module=module, command=command, timeout=timeout))
    session.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1"}

    def cosmic_ray(*arguments: str) -> None:
        program = [sys.executable, "-m", "cosmic_ray.cli", *arguments]
        subprocess.run(program, cwd=copy, env=environment, check=True)

    cosmic_ray("init", config.name, session.name)
    chosen = _sample(session, each, seed)
    cosmic_ray("exec", config.name, session.name)
    killed = 0
    with use_db(str(session), WorkDB.Mode.open) as database:
        for item, result in database.completed_work_items:
            if item.job_id in chosen:
                killed += result.is_killed
                if not result.is_killed:
                    print(f"survived in {module}:\n{result.diff}", flush=True)
    print(f"{module}: {killed} of {len(chosen)} killed", flush=True)
    return len(chosen), killed


def _sample(session: Path, each: int, seed: int) -> set[str]:
    """Marks all but some mutants as done; the numbers of those to be tried."""
    with use_db(str(session), WorkDB.Mode.open) as database:
        items = [
            item
            for item in database.work_items
            if not any(kind in item.mutations[0].operator_name for kind in _NOTHING)
        ]
        items.sort(key=lambda item: (item.mutations[0].start_pos, item.mutations[0].operator_name,
                                     item.mutations[0].occurrence))  # fmt: skip
        if each:
            items = random.Random(seed).sample(items, min(each, len(items)))
        chosen = {item.job_id for item in items}
        rest = [item.job_id for item in database.work_items if item.job_id not in chosen]
        database.set_multiple_results(rest, _SKIPPED)
    return chosen


def main() -> None:
    """Runs the tool."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])  # type: ignore[union-attr]
    parser.add_argument("only", nargs="*", help="parts of paths; default: all files")
    parser.add_argument("--each", type=int, default=12, help="mutants of each file; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=90.0, help="seconds for the tests of one mutant")
    arguments = parser.parse_args()
    tried = killed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        copy.mkdir()
        for name in ("src", "tests", "pyproject.toml"):
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        for module, tests in TARGETS.items():
            if not arguments.only or any(part in module for part in arguments.only):
                more = judge(copy, module, tests, arguments.each, arguments.seed, arguments.timeout)
                tried, killed = tried + more[0], killed + more[1]
    print(f"{killed} of {tried} killed: {killed / max(tried, 1):.0%}")


if __name__ == "__main__":
    main()
