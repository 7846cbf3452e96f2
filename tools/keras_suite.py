"""Runs the tests of Keras from the package index on millrace, through the import hook.

    python tools/keras_suite.py 2.2.5 [--folder DIR] [--path DIR] [--reference PYTHON] [--reference-path DIR]
        [--only PART ...]

Keras and its source distribution are fetched by pip into a folder; the tests run from there and are never
copied. They need flaky and pandas, which `--path` may hold. With `--reference`, a Python that has TensorFlow
1.15, they run there as well, and those that pass there and not here are listed; `--reference-path` may hold
its pytest, flaky and pandas. `--only` names parts of the suite by the ends of their paths ("keras/layers").
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

_PARTS = (
    "tests/keras/backend",
    "tests/keras/layers",
    "tests/keras/engine",
    "tests/keras/legacy",
    "tests/keras/utils",
    "tests/keras/metrics_*test.py",
    "tests/keras/*_test.py",
    "tests/keras/test_*.py",
    "tests/test_*.py",
)
_NOT = {"tests/test_api.py", "tests/test_multiprocessing.py"}  # about packaging, and about processes


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "-q", *arguments], check=True)


def fetch(version: str, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Installs Keras into a folder and unpacks its source distribution; returns both places."""
    installed, source = folder / f"keras-{version}", folder / f"source-{version}"
    if not installed.exists():
        wanted = [f"keras=={version}", "keras-applications==1.0.8", "keras-preprocessing==1.1.0"]
        _pip("install", "--no-deps", "--target", str(installed), *wanted)
    if not source.exists():
        source.mkdir(parents=True)
        _pip("download", "--no-deps", "--no-binary", ":all:", "-d", str(source), f"keras=={version}")
        with tarfile.open(next(source.glob("*.tar.gz"))) as archive:
            archive.extractall(source, filter="data")
    return installed, next(p for p in source.iterdir() if p.is_dir())


def chosen_parts(source: pathlib.Path, only: list[str] | None) -> list[str]:
    """The files and folders of tests to run, relative to the source distribution."""
    patterns = [p for p in _PARTS if not only or p.endswith(tuple(only))]
    found = dict.fromkeys(
        str(p.relative_to(source)) for pattern in patterns for p in sorted(source.glob(pattern))
    )
    return [p for p in found if p not in _NOT]


def run(
    command: list[str],
    installed: pathlib.Path,
    source: pathlib.Path,
    more: str | None,
    only: list[str] | None = None,
) -> set[str]:
    """The tests that pass, with a folder of more packages."""
    with tempfile.TemporaryDirectory() as home:
        # Nothing but the tests: `import keras` must find the installed package.
        os.symlink(source / "tests", pathlib.Path(home, "tests"))
        path = os.pathsep.join(filter(None, [str(installed), more, os.environ.get("PYTHONPATH", "")]))
        done = subprocess.run(
            [
                *command, "-m", "pytest", "-q", "-rA", "--tb=line", "-p", "no:cacheprovider", "-o",
                "addopts=", "--continue-on-collection-errors", *chosen_parts(source, only),
            ],
            cwd=home,
            env={**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "tensorflow", "KERAS_HOME": home},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )  # fmt: skip
    print(done.stdout.strip().splitlines()[-1])
    return set(re.findall(r"^PASSED (\S+)", done.stdout, re.MULTILINE))


def main() -> None:
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    parser.add_argument(
        "--folder", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir(), "keras-suite")
    )
    parser.add_argument("--path")
    parser.add_argument("--reference")
    parser.add_argument("--reference-path")
    parser.add_argument("--only", nargs="+")
    chosen = parser.parse_args()
    installed, source = fetch(chosen.version, chosen.folder)
    ours = run([sys.executable, "-m", "millrace", "run"], installed, source, chosen.path, chosen.only)
    print(f"keras {chosen.version}: {len(ours)} tests pass on millrace")
    if chosen.reference:
        theirs = run([chosen.reference], installed, source, chosen.reference_path, chosen.only)
        missing = sorted(theirs - ours)
        share = 1 - len(missing) / len(theirs) if theirs else 0.0
        print(f"of {len(theirs)} that pass on the reference {share:.1%} pass here; these do not:")
        print("\n".join(missing))


if __name__ == "__main__":
    main()
