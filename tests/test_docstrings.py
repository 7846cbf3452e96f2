"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
import pathlib

import numpy as np
import pytest

import millrace as tf

SOURCE = pathlib.Path(tf.__file__).parent
ROOMS = sorted(
    path.relative_to(SOURCE.parent).with_suffix("").as_posix().replace("/", ".")
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("room", ROOMS)
def test_examples_print_what_they_say(room: str) -> None:
    report: list[str] = []
    tests = doctest.DocTestFinder().find(importlib.import_module(room), globs={"tf": tf, "np": np})
    examples = [test for test in tests if test.examples]
    assert examples
    for test in examples:
        tf.reset_default_graph()
        doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not report, "".join(report)


# The functions and classes that surveyed programs use most.
MOST_USED = [
    "placeholder",
    "Session",
    "reshape",
    "global_variables_initializer",
    "reduce_mean",
    "variable_scope",
    "cast",
    "train.Saver",
    "Variable",
    "nn.relu",
    "concat",
    "train.AdamOptimizer",
    "reduce_sum",
    "get_variable",
    "matmul",
    "shape",
    "summary.scalar",
    "summary.FileWriter",
    "name_scope",
    "nn.softmax",
    "constant",
    "transpose",
    "zeros",
    "trainable_variables",
    "expand_dims",
    "argmax",
    "equal",
    "nn.conv2d",
    "square",
    "control_dependencies",
    "summary.histogram",
    "gradients",
    "maximum",
    "summary.merge_all",
    "squeeze",
    "random_uniform",
    "device",
    "stack",
    "Graph",
    "sigmoid",
    "tanh",
    "log",
    "abs",
    "clip_by_value",
    "get_collection",
    "constant_initializer",
    "assign",
    "range",
    "sqrt",
    "gather",
    "global_variables",
    "random_normal",
    "exp",
    "ones",
    "one_hot",
    "split",
    "get_default_graph",
    "set_random_seed",
    "nn.dropout",
    "cond",
    "random_normal_initializer",
    "group",
    "zeros_initializer",
    "nn.embedding_lookup",
    "add_n",
    "train.RMSPropOptimizer",
    "pow",
    "minimum",
    "reduce_max",
    "multiply",
    "convert_to_tensor",
    "identity",
    "zeros_like",
    "nn.softmax_cross_entropy_with_logits",
    "ones_like",
    "train.latest_checkpoint",
    "stop_gradient",
    "where",
    "nn.bias_add",
    "no_op",
    "clip_by_global_norm",
    "slice",
    "nn.sigmoid_cross_entropy_with_logits",
    "nn.l2_loss",
    "train.get_checkpoint_state",
    "add",
    "pad",
    "train.GradientDescentOptimizer",
    "tile",
    "get_variable_scope",
    "nn.sparse_softmax_cross_entropy_with_logits",
    "layers.dense",
    "to_float",
    "nn.max_pool",
    "nn.softplus",
    "reset_default_graph",
    "unstack",
    "summary.image",
    "summary.merge",
    "train.Coordinator",
    "nn.moments",
    "nn.conv2d_transpose",
    "subtract",
]


@pytest.mark.parametrize("name", MOST_USED)
def test_the_most_used_names_have_an_example(name: str) -> None:
    value = tf
    for part in name.split("."):
        value = getattr(value, part)
    assert ">>> " in (value.__doc__ or "")
