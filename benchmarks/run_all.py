"""Runs the benchmarks, one fresh process for each, and prints a table.

    python benchmarks/run_all.py
    python benchmarks/run_all.py --peer PYTHON:tensorflow.compat.v1 --jax --torch PYTHON --rounds 3
    python benchmarks/run_all.py ... --markdown docs/benchmarks.md --summary README.md

Sides take turns within a round, so that a noisy machine is noisy for all of them; shown are medians over the
rounds.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
from collections import defaultdict

HERE = pathlib.Path(__file__).resolve().parent
TRAINING = (
    "mlp",
    "cnn",
    "lstm",
    "transformer",
    "elementwise",
    "embedding",
    "adam_small",
    "nce",
    "dynamic_rnn",
    "resnet",
)
SEQUENCES = ("attention_training", "beam_search")
INPUT = ("pictures", "texts")
FURTHER = (
    *("residual", "separable", "word_convolutions", "unrolled_characters", "scanned_states", "variational"),
    *("adversarial", "convolutional_autoencoder", "q_learning", "actor_critic", "factors", "wide_and_deep"),
    *("graph_convolutions", "connected", "both_directions"),
)
KERAS = ("dense", "cnn", "text", "masked")
PROGRAMS = {
    "import": ["import_time.py"],
    "tiny": ["tiny.py"],
    "linreg": ["linreg.py"],
    "build": ["build.py"],
    **{name: ["training.py", name] for name in TRAINING},
    **{name: ["sequences.py", name] for name in SEQUENCES},
    **{name: ["input.py", name] for name in INPUT},
    **{name: ["further.py", name] for name in FURTHER},
    **{f"keras_{name}": ["keras_fit.py", name] for name in KERAS},
    "canned": ["canned.py"],
    "growth": ["growth.py"],
}
FIGURES = {
    "import_s": "import",
    "result_s": "import and a first result",
    "step_us": "a warm run",
    "first": "the first run",
    "first_epoch_s": "the first epoch",
    "batch_us": "a batch",
    "megabytes": "memory it grew by",
    "train_s": "1,000 steps of an estimator",
    "forward_us": "an operation forward",
    "backward_us": "an operation backward",
    "plan_us": "an operation planned",
    "run_us": "an operation run",
    "graph_bytes": "an operation in the graph",
    "plan_bytes": "an operation in the plan",
    "bytes_left": "memory left over",
    "objects_left": "objects left over",
}
SUMMARY = (
    "import and a first result",
    "a warm run",
    "a batch",
    "an operation forward",
    "an operation backward",
)
MANY = "1,000,000 runs"  # how growth.py calls its last line
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def run(command, timeout):
    """The figures that a program prints; an empty list when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        print(f"no answer in {timeout} s: {' '.join(command)}", file=sys.stderr)
        return []
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not rows:
        print(f"no figures: {' '.join(command)}\n{done.stderr[-800:]}", file=sys.stderr)
    return rows


def commands(name, peers, twins):
    """The programs that measure one workload, ours first."""
    file, *words = PROGRAMS[name]
    yield [sys.executable, str(HERE / file), "millrace", *words]
    if name == "growth":
        return
    for python, _, module in (peer.rpartition(":") for peer in peers):
        yield [python, str(HERE / file), module, *words]
    for library, python in twins.items():
        twin = HERE / f"{library}_{name}.py"
        if python and twin.exists():
            yield [python, str(twin)]


def measure(names, peers, twins, rounds, timeout):
    """(workload, figure) -> side -> values."""
    seen = defaultdict(lambda: defaultdict(list))
    for name in names:
        for _ in range(1 if name == "growth" else rounds):
            for command in commands(name, peers, twins):
                for row in run(command, timeout):
                    side = row.get("side", "JAX by hand")
                    for figure in FIGURES:
                        if figure in row:
                            seen[row["workload"], figure][side].append(row[figure])
        print(f"{name} done", file=sys.stderr, flush=True)
    return seen


def readable(figure, value):
    """A figure with its unit, to three digits."""
    if figure == "objects_left":
        return f"{value:,.0f}"
    if figure == "megabytes":
        return f"{value:,.0f} MB"
    if "bytes" in figure:
        return f"{value:,.0f} B"
    seconds = value / 1e6 if figure.endswith("_us") else value
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:.0f} {unit}"
    raise AssertionError(seconds)


def table(seen):
    """Rows of cells, the head first: medians, and ours divided by the others'."""
    sides = list(dict.fromkeys(side for values in seen.values() for side in values))
    others = sides[1:]
    rows = [["workload", "figure", *sides, *(f"ratio to {side}" for side in others)]]
    for (workload, figure), values in seen.items():
        middle = {side: statistics.median(v) for side, v in values.items()}
        cells = [readable(figure, middle[side]) if side in middle else "" for side in sides]
        ours = middle.get(sides[0])
        ratios = [f"{ours / middle[s]:.3f}" if ours is not None and middle.get(s) else "" for s in others]
        rows.append([workload, FIGURES[figure], *cells, *ratios])
    return rows


def is_central(row):
    """Whether a row of the table belongs into its summary: a warm run, of what is not a further workload."""
    return row[1] in SUMMARY and row[0] not in (*FURTHER, *SEQUENCES)


def growth_table(seen):
    """Rows of cells, the head first: a line for each size, its figures across."""
    lines = defaultdict(dict)
    for (workload, figure), values in seen.items():
        (value,) = values.values()
        lines[workload][figure] = readable(figure, statistics.median(value))
    figures = [f for f in FIGURES if any(f in line for line in lines.values())]
    head = ["", *(FIGURES[f] for f in figures)]
    return [head, *([name, *(line.get(f, "") for f in figures)] for name, line in lines.items())]


def conditions(rounds):
    """One sentence: when and on what the figures were measured."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        cpu = re.search(r"model name\s*:\s*(.+)", text)[1]
    except (OSError, TypeError):
        cpu = platform.processor()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "jax"))
    load = os.getloadavg()[0]
    calm = "a quiet machine" if load < 0.5 else "the machine was busy with other work"
    return (
        f"{datetime.date.today():%Y-%m-%d}, {cpu}, {os.cpu_count()} virtual cores, Python "
        f"{platform.python_version()}, {versions}; medians of {rounds} round{'s' if rounds > 1 else ''}. "
        f"The load average before the start was {load:.1f}: {calm}."
    )


def aligned(rows):
    """Rows as text for a terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [f"{cell:{'<' if i < 2 else '>'}{width}}" for i, (cell, width) in enumerate(zip(row, widths))]
        yield "  ".join(cells)


def markdown(tables, said):
    """Tables between their markers."""
    parts = [said]
    for head, *body in tables:
        ruler = ["---" if i == 0 or cell == "figure" else "---:" for i, cell in enumerate(head)]
        parts.append("\n".join("| " + " | ".join(row) + " |" for row in (head, ruler, *body)))
    return "\n".join([BEGIN, "\n\n".join(parts), END])


def fill(path, made):
    """Puts the table between the markers of a page."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no place for the table: {BEGIN} ... {END}")
    path.write_text(before + made + after, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Runs the benchmarks and prints a table.")
    parser.add_argument(
        "--peer", action="append", default=[], metavar="PYTHON:MODULE", help="measure this as well"
    )
    parser.add_argument("--jax", action="store_true", help="measure the steps written by hand in JAX as well")
    parser.add_argument("--torch", metavar="PYTHON", help="measure the steps written in PyTorch as well")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timeout", type=int, default=600, help="seconds for one program")
    parser.add_argument("--markdown", nargs="+", default=[], metavar="FILE", help="put the table in here")
    parser.add_argument("--summary", nargs="+", default=[], metavar="FILE", help="put the main ones in here")
    parser.add_argument("names", nargs="*", metavar="WORKLOAD", help=f"default all: {', '.join(PROGRAMS)}")
    args = parser.parse_args()
    unknown = set(args.names) - set(PROGRAMS)
    if unknown:
        parser.error(f"there is no workload {sorted(unknown)[0]!r}; there are {', '.join(PROGRAMS)}")
    said = conditions(args.rounds)
    twins = {"jax": sys.executable if args.jax else None, "torch": args.torch}
    seen = measure(args.names or PROGRAMS, args.peer, twins, args.rounds, args.timeout)
    alone = {key: values for key, values in seen.items() if key[0].startswith("growth") or key[0] == MANY}
    rows = table({key: values for key, values in seen.items() if key not in alone})
    tables = [rows] * (len(rows) > 1) + [growth_table(alone)] * bool(alone)
    print(said)
    for made in tables:
        print("", *aligned(made), sep="\n")
    kept = [i for i, cell in enumerate(rows[0]) if i < 3 or cell.startswith("ratio")]
    summary = [[row[i] for i in kept] for row in rows if row is rows[0] or is_central(row)]
    for paths, chosen in ((args.markdown, tables), (args.summary, [summary])):
        for path in paths:
            fill(pathlib.Path(path), markdown(chosen, said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
