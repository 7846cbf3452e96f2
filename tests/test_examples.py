"""The scripts of examples/ run under `millrace run`, and the notebooks are stored as they were executed."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def run(script, *arguments):
    """What `millrace run` of a script prints."""
    command = [sys.executable, "-m", "millrace", "run", str(EXAMPLES / "scripts" / script), *arguments]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.xla
def test_digits_are_read():
    printed = run("mlp.py", "--steps", "100")
    shares = [float(share) for share in re.findall(r"([\d.]+) % of unseen", printed)]
    assert len(shares) == 3
    assert shares[-1] > 85


def test_letters_are_learned():
    printed = run("char_rnn.py", "50")
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", printed)]
    assert losses == [pytest.approx(3.079, abs=2e-3), pytest.approx(0.564, abs=0.1)]  # as TensorFlow 1.15
    assert len(printed.splitlines()[-1]) == 61


def test_words_find_their_groups():
    printed = run("word2vec.py", "400")
    assert "IndexedSlices" in printed
    assert int(re.search(r"(\d+) % of the nearest", printed)[1]) >= 80


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_stored_as_executed(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    assert any("data:image/svg+xml;base64," in page for page in pages)  # a graph shows itself
    assert not [page for page in pages if "<svg" in page]  # stripped where a notebook is not trusted
    assert not [cell for cell in code if re.search(r"sys\.path|open\(", "".join(cell["source"]))]
