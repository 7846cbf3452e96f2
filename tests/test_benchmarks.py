"""The benchmarks print figures and the table is right; nothing here looks at how large a figure is."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def run_all():
    spec = importlib.util.spec_from_file_location("run_all_under_test", BENCHMARKS / "run_all.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PRINTED = [("import_time.py", {"import_s", "result_s"}), ("build.py", {"forward_us", "backward_us"})]


@pytest.mark.parametrize(("file", "figures"), PRINTED)
def test_programs_print_figures(run_all, file, figures):
    done = subprocess.run([sys.executable, BENCHMARKS / file], capture_output=True, text=True, check=True)
    row = json.loads(done.stdout)
    assert row["side"].startswith("millrace ")
    assert set(row) == {"workload", "side", *figures}
    assert set(row) - {"workload", "side"} <= set(run_all.FIGURES)


def test_table_holds_medians_and_ratios(run_all):
    seen = {
        ("tiny", "step_us"): {"ours": [3.0, 1.0, 2.0], "theirs": [40.0, 50.0]},
        ("build", "forward_us"): {"ours": [12.0]},
        ("tiny", "first"): {"ours": [0.0125], "theirs": [2.5]},
    }
    head, *rows = run_all.table(seen)
    assert head == ["workload", "figure", "ours", "theirs", "ratio to theirs"]
    assert rows == [
        ["tiny", "a warm run", "2 µs", "45 µs", "0.044"],
        ["build", "an operation forward", "12 µs", "", ""],
        ["tiny", "the first run", "12.5 ms", "2.5 s", "0.005"],
    ]


def test_growth_stands_across(run_all):
    seen = {
        ("growth, 10 operations", "plan_us"): {"ours": [70.0]},
        ("growth, 10 operations", "graph_bytes"): {"ours": [1234.5]},
        (run_all.MANY, "objects_left"): {"ours": [0]},
    }
    assert run_all.growth_table(seen) == [
        ["", "an operation planned", "an operation in the graph", "objects left over"],
        ["growth, 10 operations", "70 µs", "1,234 B", ""],
        [run_all.MANY, "", "", "0"],
    ]


def test_markdown_stands_between_its_markers(run_all):
    made = run_all.markdown([[["workload", "figure", "ours"], ["tiny", "a warm run", "2 µs"]]], "Said.")
    assert made.splitlines() == [
        "<!-- figures -->",
        "Said.",
        "",
        "| workload | figure | ours |",
        "| --- | --- | ---: |",
        "| tiny | a warm run | 2 µs |",
        "<!-- end of figures -->",
    ]


def test_fills_a_page_between_its_markers(run_all, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{run_all.BEGIN}old{run_all.END}\nafter\n")
    run_all.fill(page, f"{run_all.BEGIN}new{run_all.END}")
    assert page.read_text() == f"before\n{run_all.BEGIN}new{run_all.END}\nafter\n"
    (tmp_path / "bare.md").write_text("nothing\n")
    with pytest.raises(SystemExit, match="has no place"):
        run_all.fill(tmp_path / "bare.md", "")


@pytest.mark.parametrize("page", ["docs/benchmarks.md", "README.md"])
def test_pages_have_a_place_for_the_table(run_all, page):
    text = (BENCHMARKS.parent / page).read_text()
    assert text.index(run_all.BEGIN) < text.index(run_all.END)
