"""The page of what there is: read from a list, told by namespace."""

import importlib.util
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "tools" / "gen_api_doc.py"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("gen_api_doc_under_test", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LIST = """\
# facts
[tf function]
add mul
sub
[tf class]
GraphKeys
[tf.GraphKeys constant]
LOSSES
NOTHING
[tf.far function]
a b
[raw operations op]
Add Sub
"""


def test_reads_the_list(generator):
    symbols = generator.read_symbols(LIST)
    assert symbols["tf"] == {"add": "function", "mul": "function", "sub": "function", "GraphKeys": "class"}
    assert symbols["raw operations"] == {"Add": "op", "Sub": "op"}


def test_tells_what_is_there_and_what_is_not(generator):
    ours = {"tf": {"add", "GraphKeys", "nn", "own"}, "tf.nn": {"more"}}
    text = generator.page(generator.read_symbols(LIST), ours, {"Add", "Twin"})
    assert "3 of 8 public names, 1 of 2 operation types." in text
    assert "| [`tf`](#tf) | 2 | 4 |" in text
    assert "`add`, `GraphKeys`" in text
    assert "Not there (2): `mul`, `sub`" in text
    assert "Not there (1): `NOTHING`" in text
    assert "`tf.far` (2)" in text
    assert "does not list: `Twin`" in text
    assert "* `tf`: `own`" in text
    assert "* `tf.nn`: `more`" in text


def test_the_list_names_what_programs_use(generator):
    symbols = generator.read_symbols(generator.SYMBOLS.read_text())
    assert symbols["tf"]["placeholder"] == "function"
    assert symbols["tf.train"]["Saver"] == "class"
    assert symbols["tf"]["float32"] == "constant"
    assert "MatMul" in symbols["raw operations"]
