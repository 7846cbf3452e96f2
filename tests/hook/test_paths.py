"""Private modules that are empty here."""

import importlib
import sys

import pytest

import millrace as tf
from millrace.hook import finder, table
from millrace.hook.finder import EstimatorFinder


def test_lists_are_leaves_of_what_datasets_nest():
    nest = importlib.import_module("millrace.python.data.util.nest")
    assert nest.flatten(nested=([1, 2], {"b": 3, "a": (4,)})) == [[1, 2], 4, 3]
    assert not nest.is_sequence([1]) and nest.is_sequence((1,))
    assert nest.pack_sequence_as((1, {"a": [2]}), [5, 6]) == (5, {"a": 6})
    assert nest.flatten is not importlib.import_module("millrace.python.util.nest").flatten


def test_an_empty_module_can_be_imported():
    empty = importlib.import_module("millrace.python.autograph.converters.break_statements")
    with pytest.raises(AttributeError, match="transform"):
        empty.transform


def test_the_first_version_is_below_the_second():
    """Programs write `import tensorflow.compat.v2 as tf` and `tf.compat.v1.placeholder`."""
    assert tf.compat.v2.compat.v1 is tf.compat.v1
    assert tf.compat.v2.compat.v1.placeholder is tf.placeholder
    assert tf.compat.v2.compat.as_str(b"x") == "x"


@pytest.mark.parametrize(
    ("module", "name", "public"),
    [
        ("contrib.labeled_tensor.python.ops.core", "slice_function", "contrib.labeled_tensor.slice"),
        ("contrib.labeled_tensor.python.ops.ops", "matmul", "contrib.labeled_tensor.matmul"),
        ("contrib.distributions.python.ops.distribution_util", "tridiag", "contrib.distributions.tridiag"),
        (
            "contrib.distribute.python.one_device_strategy",
            "OneDeviceStrategy",
            "distribute.OneDeviceStrategy",
        ),
        ("contrib.metrics.python.ops.set_ops", "set_union", "sets.union"),
        ("contrib.optimizer_v2.optimizer_v2_symbols", "AdamOptimizer", "contrib.optimizer_v2.AdamOptimizer"),
    ],
)
def test_private_modules_of_contrib_lead_to_public_objects(module, name, public):
    thing = tf
    for part in public.split("."):
        thing = getattr(thing, part)
    assert getattr(importlib.import_module(f"millrace.{module}"), name) is thing


def test_modules_of_the_estimators_package():
    found = EstimatorFinder("tensorflow_estimator")
    for path, inner in (
        ("contrib.estimator.python.estimator.rnn", "contrib.estimator.python.estimator.rnn"),
        ("python.estimator.api._v1.estimator", "estimator"),
        ("python.estimator.api._v1.estimator.export", "estimator.export"),
        ("python.estimator.run_config", "python.estimator.run_config"),
        ("export", "estimator.export"),
    ):
        assert found._inner(path) == inner
    assert table.has("contrib.estimator.python.estimator.rnn") and table.has("python.estimator.api._v1")


@pytest.mark.parametrize(
    ("module", "name", "home", "own"),
    [
        ("python.ops.math_ops", "deprecated_endpoints", "python.util.deprecation", "deprecated_endpoints"),
        ("python.ops.gradients_util", "FuncGraph", "python.framework.func_graph", "FuncGraph"),
        ("python.ops.control_flow_grad", "enter", "python.ops.gen_control_flow_ops", "enter"),
    ],
)
def test_a_module_hands_on_what_it_imports_from_others(module, name, home, own):
    found = getattr(importlib.import_module(f"millrace.{module}"), name)
    assert found is getattr(importlib.import_module(f"millrace.{home}"), own)


def test_the_package_of_estimators():
    finder.install()
    try:
        package = importlib.import_module("tensorflow_estimator")
        names: dict = {}
        exec("from tensorflow_estimator import estimator, python", names)
        assert names["estimator"] is package.estimator is tf.estimator
        inner = importlib.import_module("tensorflow_estimator.python.estimator.estimator")
        assert inner.Estimator is tf.estimator.Estimator and package.python is names["python"]
        keys = importlib.import_module("tensorflow_estimator.python.estimator.mode_keys")
        models = importlib.import_module("tensorflow_estimator.python.estimator.keras")
        assert keys.ModeKeys is tf.estimator.ModeKeys
        assert models.model_to_estimator is tf.keras.estimator.model_to_estimator
    finally:
        finder.uninstall()
    assert "tensorflow_estimator" not in sys.modules
