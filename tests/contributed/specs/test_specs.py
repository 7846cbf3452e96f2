"""Networks written as expressions."""

from __future__ import annotations

import random

import pytest

import millrace as tf

specs = tf.contrib.specs

# What TensorFlow 1.15.5 gives: expression, shape of the input, shape of the output, structure, variables.
RECORDED = [
    ("Cr(64, [5, 5])", "_ variablev2 conv variablev2 biasadd relu", [1, 18, 19, 64], 2),
    ("Cs(64,5)", "_ variablev2 conv variablev2 biasadd sig", [1, 18, 19, 64], 2),
    ("Cl(4,3)", "_ variablev2 conv variablev2 biasadd", [1, 18, 19, 4], 2),
    ("Mp(2)", "_ maxpool", [1, 9, 9, 5], 0),
    ("Ap(2)", "_ avgpool", [1, 9, 9, 5], 0),
    ("Relu", "_ relu", [1, 18, 19, 5], 0),
    ("Id", "_", [1, 18, 19, 5], 0),
    ("Lrn", "_ lrn", [1, 18, 19, 5], 0),
    ("Squeeze", "_ squeeze", [18, 19, 5], 0),
    ("Expand(1)", "_ _ expanddims", [1, 1, 18, 19, 5], 0),
    ("Dwm(10)", "_ variablev2 conv variablev2 biasadd softmax", [1, 18, 19, 10], 2),
    ("Bn", "_ _ variablev2 _ _ fusedbatchnormv3", [1, 18, 19, 5], 3),
    (
        "Cr(8,3)|Mp(2)|Flat|Fr(10)|Fs(3)",
        "_ variablev2 conv variablev2 biasadd relu maxpool _ reshape variablev2 dot variablev2 biasadd relu "
        "variablev2 dot variablev2 biasadd sig",
        [1, 3],
        6,
    ),
    (
        "Cr(8,3)**2",
        "_ variablev2 conv variablev2 biasadd relu variablev2 conv variablev2 biasadd relu",
        [1, 18, 19, 8],
        4,
    ),
]


@pytest.mark.parametrize(("spec", "structure", "shape", "variables"), RECORDED)
def test_structures_of_1_15(spec, structure, shape, variables):
    with tf.Graph().as_default():
        net = specs.create_net(f"net = {spec}", tf.placeholder(tf.float32, [1, 18, 19, 5]))
        assert net.shape.as_list() == shape
        assert len(tf.global_variables()) == variables
        assert specs.tf_structure(net) == structure


def test_summaries():
    with tf.Graph().as_default():
        net = specs.create_net("net = Fr(3)|Fs(4)", tf.zeros([2, 5]))
        assert specs.tf_num_params(net) == 34
        lines: list[str] = []
        specs.tf_parameter_summary(net, printer=lines.append)
        assert lines == [
            "         0 zeros                [2, 5]",
            "        18 fully_connected      [2, 3]",
            "        16 fully_connected_1    [2, 4]",
        ]
        lines.clear()
        specs.tf_print(net, printer=lines.append)
        assert lines[:3] == [
            "fully_connected_1/Sigmoid Sigmoid [2, 4]",
            "  fully_connected_1/BiasAdd BiasAdd [2, 4]",
            "    fully_connected_1/MatMul MatMul [2, 4]",
        ]
        assert specs.tf_left_split(net.op)[0].op.name == "fully_connected_1/BiasAdd"
        assert specs.tf_structure(net, include_shapes=True).startswith(
            "[2, 5] _ [5, 3] variablev2 [2, 3] dot"
        )


def test_of_expressions(capsys):
    with tf.Graph().as_default():
        assert specs.tf_spec_structure("net = Fs(4)", input_shape=[3, 2]).startswith("_ variablev2 dot")
        specs.tf_spec_summary("net = Fs(4)", input_shape=[3, 2])
        specs.tf_spec_print("net = Fs(4)", inputs=tf.zeros([2, 5]))
    printed = capsys.readouterr().out
    assert "        12 fully_connected" in printed
    assert "zeros Const [2, 5]" in printed


def test_shared_variables_and_joins():
    with tf.Graph().as_default():
        x = tf.zeros([2, 5])
        shared = specs.Shared(specs.Fr(3))
        shared.funcall(x)
        shared.funcall(x)
        assert len(tf.global_variables()) == 2
        assert specs.create_net("net = Conc(1, Fr(2), Idx())", x).shape.as_list() == [2, 7]
        assert specs.create_net("net = Fr(2) + Ft(2) * Fs(2)", x).shape.as_list() == [2, 2]
        assert specs.create_net("net = Var('v', shape=[3])", x).name == "v:0"


def test_functions():
    add, double = specs.Function(lambda x: x + 1), specs.Function(lambda x: x * 2)
    assert (add | double).funcall(3) == 8
    assert (add**4).funcall(3) == 7
    assert specs.Composition(add, double).funcall(3) == 8
    both = specs.Function(lambda *args, **kw: (args, kw), 1, k=3)
    assert both(2, j=5).funcall("X") == (("X", 2, 1), {"k": 3, "j": 5})
    assert specs.External("math", "sqrt").funcall(9.0) == 3
    assert specs.Import("import math; f = math.sqrt").funcall(4.0) == 2
    assert specs.Callable(abs).funcall(-3) == 3
    with pytest.raises(ValueError, match="is not callable"):
        specs.Function(1)
    with pytest.raises(ValueError, match="failed to define f"):
        specs.Import("g = 1")
    with pytest.raises(AssertionError):
        add**0
    assert specs.get_positional([1, 2], {"_2": 5, "a": 1}) == ([1, 2, 5], {"a": 1})
    assert specs.get_positional([1], {"_3": 3}) == ([1, None, None, 3], {})
    assert specs.get_positional([1], {"_0": 3}) == ([1], {})
    assert specs.get_positional([1], {"_0": 3}, True) == ([3], {})


def test_parameters_as_1_15_draws_them():
    for spec, expected in (
        ("Uf(0, 1)", 0.13436424411240122),
        ("Ui(2, 9)", 4),
        ("Lf(1, 10)", 1.362587009261349),
        ("Li(1, 100)", 1),
        ("Nt(0, 1)", 1.2881847531554629),
    ):
        random.seed(1)
        assert specs.eval_params(f"a = {spec}")["a"] == pytest.approx(expected)
    assert sorted(specs.eval_spec("a = 3; net = Fr(a)")) == ["a", "net"]


@pytest.mark.parametrize("spec", ["import os", "def f(): pass", "while 1: pass", "exec('1')"])
def test_statements_are_refused(spec):
    with pytest.raises(ValueError, match="found in spec"):
        specs.check_keywords(spec)
    specs.check_keywords('a = "import"')


def test_a_network_is_needed():
    with pytest.raises(ValueError, match="failed to create 'net'"):
        specs.create_net("x = 1", None)


def test_names_inside_a_with_statement():
    with specs.LocalImport(specs.specs_ops):
        assert Fr(3).args == [3]  # type: ignore[name-defined]  # noqa: F821
    assert "Fr" not in globals()


def test_debugging_logs(caplog):
    specs.debug()
    try:
        assert specs.Function(lambda x: x).funcall(3) == 3
    finally:
        specs.debug(False)
