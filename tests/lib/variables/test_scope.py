"""`tf.variable_scope`, `tf.get_variable`, templates and partitions, with the names of TensorFlow 1.15."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf


def _variables() -> list[str]:
    return [v.name for v in tf.global_variables()]


def test_names_depend_on_variable_scopes_and_operations_on_name_scopes() -> None:
    with tf.variable_scope("a"):
        v, c = tf.get_variable("v", [1]), tf.constant(1.0)
    with tf.variable_scope("a"):
        w, d = tf.get_variable("w", [1]), tf.constant(1.0)
    with tf.name_scope("n"):
        x, y = tf.get_variable("v", [1]), tf.Variable(1.0, name="w")
        with tf.variable_scope("s"):
            z = tf.get_variable("v", [1])
    names = [t.name for t in (v, c, w, d, x, y, z)]
    assert names == ["a/v:0", "a/Const:0", "a/w:0", "a_1/Const:0", "v:0", "n/w:0", "s/v:0"]


def test_scopes_entered_again() -> None:
    with tf.variable_scope("a") as a, tf.variable_scope("b") as b:
        pass
    with tf.variable_scope("x"):
        with tf.variable_scope(b) as again:
            assert (again.name, again.original_name_scope) == ("a/b", "a/b/")
            assert tf.get_variable("q", [1]).name == "a/b/q:0"
            assert tf.constant(1.0).name == "x/b/Const:0"
        with tf.variable_scope(b, auxiliary_name_scope=False):
            assert tf.constant(1.0).name == "x/Const:0"
    assert (a.name, a.original_name_scope) == ("a", "a/")


def test_default_names_are_numbered() -> None:
    found = []
    for _ in range(2):
        with tf.variable_scope(None, "d") as scope:
            found.append((scope.name, tf.get_variable("v", [1]).name))
    assert found == [("d", "d/v:0"), ("d_1", "d_1/v:0")]
    with tf.variable_scope("o"), tf.variable_scope(None, "d") as first:
        pass
    with tf.variable_scope("o"), tf.variable_scope(None, "d") as second:
        pass
    assert first.name == second.name == "o/d"


def test_the_empty_scope() -> None:
    with tf.variable_scope("") as scope:
        assert (scope.name, tf.get_variable("v", [1]).name, tf.constant(1.0).name) == ("", "v:0", "Const:0")


def test_reuse() -> None:
    with tf.variable_scope("s") as scope:
        v = tf.get_variable("v", [1])
    with tf.variable_scope(scope, reuse=True), tf.variable_scope("inner") as inner:
        assert inner.reuse is True
    with tf.variable_scope("s", reuse=True):
        assert tf.get_variable("v") is v
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE) as auto:
        assert tf.get_variable("v", [1]) is v
        w = tf.get_variable("w", [1])
        assert tf.get_variable("w", [1]) is w
        assert auto.reuse is tf.AUTO_REUSE
    tf.get_variable_scope().reuse_variables()
    assert tf.get_variable("s/v", [1]) is v


@pytest.mark.parametrize(
    ("program", "error", "rule"),
    [
        (lambda: [tf.get_variable("v", [1]) for _ in range(2)], ValueError, "already exists, disallowed"),
        (lambda: _reused("v", [1]), ValueError, "does not exist"),
        (
            lambda: (tf.get_variable("v", [1]), _reused("v", [2])),
            ValueError,
            r"shape \(2,\) and found shape \(1,\)",
        ),
        (
            lambda: (tf.get_variable("v", [1]), _reused("v", [1], tf.int32)),
            ValueError,
            "dtype int32 and found",
        ),
        (lambda: tf.get_variable("v", [2], initializer=tf.ones([2])), ValueError, "do not specify shape"),
        (lambda: tf.get_variable("v"), ValueError, "fully defined"),
        (lambda: tf.get_variable("v", dtype=tf.int32, initializer=tf.ones([1])), ValueError, "must agree"),
        (lambda: tf.get_variable("v", [1], tf.complex64), ValueError, "An initializer for variable v"),
        (lambda: tf.variable_scope(None), TypeError, "name_or_scope is required"),
        (lambda: tf.variable_scope(3).__enter__(), TypeError, "must be a string or VariableScope"),
        (lambda: tf.variable_scope("a", reuse="yes"), ValueError, "reuse must be"),
        (lambda: tf.variable_scope(None, "d", reuse=True).__enter__(), ValueError, "without a name_or_scope"),
    ],
)
def test_misuse(program: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        program()


def _reused(*arguments: Any) -> Any:
    with tf.variable_scope("", reuse=True):
        return tf.get_variable(*arguments)


def test_settings_are_inherited() -> None:
    with tf.variable_scope(
        "s", initializer=tf.constant_initializer(3.0), regularizer=tf.reduce_sum, dtype=tf.float64
    ):
        v = tf.get_variable("v", [2])
        with tf.variable_scope("t"):
            tf.get_variable("v", [2])
        with tf.variable_scope("u", regularizer=tf.no_regularizer):
            tf.get_variable("v", [2])
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert v.dtype.base_dtype is tf.float64
    assert [loss.op.name for loss in losses] == ["s/v/Regularizer/Sum", "s/t/v/Regularizer/Sum"]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(v).tolist() == [3, 3]


def test_default_initial_values() -> None:
    for dtype, zero in ((tf.int32, 0), (tf.bool, False), (tf.string, b"")):
        v = tf.get_variable(dtype.name, [2], dtype)
        with tf.Session() as session:
            session.run(v.initializer)
            assert session.run(v).tolist() == [zero, zero]
    assert tf.get_variable("w", [2]).initializer.inputs[1].op.name == "w/Initializer/random_uniform"


def test_initial_values_of_every_kind() -> None:
    assert tf.get_variable("a", initializer=np.ones([2])).dtype.base_dtype is tf.float64
    assert tf.get_variable("b", initializer=3).dtype.base_dtype is tf.int32
    assert tf.get_variable("c", initializer=lambda: tf.ones([4])).shape.as_list() == [4]
    assert tf.get_variable("d", [2], initializer=tf.zeros_initializer).initializer.inputs[1].op.name == (
        "d/Initializer/zeros"
    )


def test_custom_getters_are_told_whether_it_is_trained() -> None:
    told = []

    def told_getter(getter: Any, *args: Any, **kwargs: Any) -> Any:
        told.append(kwargs["trainable"])
        return getter(*args, **kwargs)

    with tf.variable_scope("s", custom_getter=told_getter):
        tf.get_variable("a", [1])
        tf.get_variable("b", [1], trainable=False)
        tf.get_variable("c", [1], synchronization=tf.VariableSynchronization.ON_READ)
    assert told == [True, False, False]


def test_custom_getters_nest() -> None:
    def suffixed(suffix: str) -> Any:
        return lambda getter, name, *args, **kwargs: getter(name + suffix, *args, **kwargs)

    with tf.variable_scope("s", custom_getter=suffixed("_outer")):
        assert tf.get_variable("v", [1]).name == "s/v_outer:0"
        with tf.variable_scope("t", custom_getter=suffixed("_inner")):
            assert tf.get_variable("v", [1]).name == "s/t/v_inner_outer:0"
    assert tf.get_variable("v", [1], custom_getter=lambda getter, *a, **k: 5) == 5


def test_scope_collections() -> None:
    with tf.variable_scope("s") as scope:
        a, b = tf.get_variable("a", [1]), tf.get_variable("b", [1], trainable=False)
    tf.get_variable("other", [1])
    assert scope.global_variables() == [a, b]
    assert scope.trainable_variables() == [a]
    assert tf.global_variables("s/a") == [a]


def test_the_old_argument_order() -> None:
    with tf.variable_op_scope([tf.constant(1.0)], None, "d") as scope:
        assert scope.name == "d"


# --- partitions -------------------------------------------------------------------------------------------


def test_a_partitioned_variable() -> None:
    with tf.variable_scope("s", partitioner=tf.fixed_size_partitioner(3)):
        v = tf.get_variable("v", [5, 2], initializer=tf.ones_initializer())
        assert tf.get_variable("scalar", []).name == "s/scalar:0"
    assert [p.name for p in v] == ["s/v/part_0:0", "s/v/part_1:0", "s/v/part_2:0"]
    assert [p.shape.as_list() for p in v] == [[2, 2], [2, 2], [1, 2]]
    assert [p._get_save_slice_info().spec for p in v] == ["5 2 0,2:0,2", "5 2 2,2:0,2", "5 2 4,1:0,2"]
    assert (v.name, v.shape.as_list(), len(v)) == ("s/v", [5, 2], 3)
    whole = tf.convert_to_tensor(v)
    assert whole.name == "s/v:0"
    write = v.assign(np.arange(10.0, dtype=np.float32).reshape(5, 2))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(whole).tolist() == np.ones((5, 2)).tolist()
        session.run(write)
        assert session.run(whole)[:, 0].tolist() == [0, 2, 4, 6, 8]
    with tf.variable_scope("s", reuse=True):
        assert tf.get_variable("v", [5, 2]) is v


def test_a_partitioned_value() -> None:
    value = np.arange(12.0).reshape(6, 2)
    parts = tf.get_variable(
        "v", initializer=tf.constant(value), dtype=tf.float64, partitioner=tf.fixed_size_partitioner(2)
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(np.concatenate(session.run(list(parts))), value)


def test_partitions_and_whole_variables_do_not_mix() -> None:
    split = tf.fixed_size_partitioner(2)
    tf.get_variable("v", [4], partitioner=split)
    with pytest.raises(ValueError, match="No partitioner was provided"):
        tf.get_variable("v", [4])
    tf.get_variable("w", [4])
    with pytest.raises(ValueError, match="A partitioner was provided"):
        tf.get_variable("w", [4], partitioner=split)
    with pytest.raises(ValueError, match="only slice a variable along one dimension|along one dimension"):
        tf.get_variable("x", [4, 4], partitioner=lambda shape, dtype: [2, 2])


def test_partitioners() -> None:
    shape = tf.TensorShape([10, 3])
    assert tf.min_max_variable_partitioner(4, min_slice_size=8)(shape=shape, dtype=tf.float32) == [4, 1]
    assert tf.variable_axis_size_partitioner(40)(shape=shape, dtype=tf.float32) == [4, 1]
    assert tf.variable_axis_size_partitioner(40, axis=1, max_shards=2)(shape=shape, dtype=tf.float32) == [
        1,
        2,
    ]


def test_create_partitioned_variables() -> None:
    tf.create_partitioned_variables([4, 2], [2, 1], tf.zeros_initializer())
    tf.create_partitioned_variables([4, 2], [2, 1], tf.ones([4, 2]), name="n")
    assert _variables() == [
        "PartitionedVariable/part_0:0",
        "PartitionedVariable/part_1:0",
        "n/part_0:0",
        "n/part_1:0",
    ]


# --- templates --------------------------------------------------------------------------------------------


def test_a_template_shares_its_variables() -> None:
    scaled = tf.make_template("t", lambda x: x * tf.get_variable("w", [1]))
    assert [scaled(1.0).name, scaled(2.0).name] == ["t/mul:0", "t_1/mul:0"]
    assert [v.name for v in scaled.variables] == ["t/w:0"] == _variables()
    other = tf.make_template("t", lambda x: x * tf.get_variable("w", [1]))
    assert other(1.0).name == "t_2/mul:0"
    assert tf.make_template("t", lambda: tf.get_variable("w", [1]), unique_name_="u")().name == "u/w:0"


def test_a_template_makes_no_new_variables_later() -> None:
    template = tf.make_template("t", lambda: tf.Variable(1.0))
    template()
    with pytest.raises(ValueError, match="after the first time"):
        template()


def test_initializers_of_programs_are_told_of_parts():
    told = []

    def without_defaults(shape, dtype, partition_info):
        told.append((shape, partition_info and partition_info.var_offset))
        return tf.zeros(shape, dtype)

    def with_keywords(shape, dtype=tf.float32, **more):
        told.append(sorted(more))
        return tf.zeros(shape, dtype)

    tf.get_variable("told_whole", [4], initializer=without_defaults)
    tf.get_variable("told_parts", [4], initializer=without_defaults, partitioner=tf.fixed_size_partitioner(2))
    tf.get_variable("told_keywords", [4], initializer=with_keywords)
    assert told == [([4], None), ([2], [0]), ([2], [2]), ["partition_info"]]


def test_a_scope_keeps_its_settings_where_tensorflow_does():
    with tf.Graph().as_default(), tf.variable_scope("a", initializer=tf.ones_initializer()) as scope:
        assert scope._initializer is scope.initializer
        scope._custom_getter = lambda getter, *args, **kwargs: getter(*args, **kwargs)
        assert scope.custom_getter is scope._custom_getter
        assert (scope._dtype, scope._reuse, scope._partitioner) == (tf.float32, False, None)
