"""Executes the notebooks of this folder.

    python examples/run.py [NOTEBOOK ...]          fail when one fails or shows something else than is stored
    python examples/run.py --write [NOTEBOOK ...]  store what they show

"Something else" means other kinds of output (text, picture, table), or fewer; numbers may differ between
machines in the last digits.
"""

import argparse
import os
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = pathlib.Path(__file__).resolve().parent

# What takes long says so on a slow machine only; the stored outputs are without it.
os.environ["MILLRACE_PROGRESS"] = "0"


def shown(cell):
    """The kinds of output of a cell, in order; neighbouring lines of one stream are one."""
    kinds = []
    for output in cell.outputs:
        kind = output.name if output.output_type == "stream" else " ".join(sorted(output.get("data", {})))
        if output.output_type != "stream" or kinds[-1:] != [kind]:
            kinds.append(kind)
    return kinds


def strip(notebook):
    """Drops what differs between two runs and two installations."""
    for cell in notebook.cells:
        cell.metadata = {}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def execute(path, write):
    """Executes one notebook; returns what is wrong with it, "" for nothing."""
    stored = nbformat.read(path, as_version=4)
    before = [shown(cell) for cell in stored.cells if cell.cell_type == "code"]
    client = NotebookClient(
        stored,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(HERE)}},
        extra_arguments=["--log-level=40"],  # errors only: no advice about its sockets
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return str(error)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    if write:
        strip(stored)
        nbformat.write(stored, path)
        return ""
    for cell, old in zip(code, before, strict=True):
        if shown(cell) != old:
            return f"shows {shown(cell)} where {old} is stored, after\n{cell.source}"
    return ""


def main():
    parser = argparse.ArgumentParser(description="Executes the notebooks of this folder.")
    parser.add_argument("--write", action="store_true", help="store what they show")
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path, help="default: all")
    chosen = parser.parse_args()
    failed = 0
    for path in chosen.notebooks or sorted(HERE.glob("*.ipynb")):
        start = time.perf_counter()
        wrong = execute(path, chosen.write)
        failed += bool(wrong)
        print(f"{path.name}: {wrong or 'ok'} ({time.perf_counter() - start:.1f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
