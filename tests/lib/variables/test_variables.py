"""`tf.Variable`, both makes of it, and the functions on sets of variables. Names are TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf

MAKES = pytest.mark.parametrize("resource", [False, True], ids=["reference", "handle"])


def _names() -> list[str]:
    return [op.name for op in tf.get_default_graph().get_operations()]


def _initialised() -> tf.Session:
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


def test_the_operations_of_a_reference_variable() -> None:
    variable = tf.Variable([1.0, 2.0])
    assert _names() == ["Variable/initial_value", "Variable", "Variable/Assign", "Variable/read"]
    assert repr(variable) == "<tf.Variable 'Variable:0' shape=(2,) dtype=float32_ref>"
    assert (variable.op.type, variable.value().name) == ("VariableV2", "Variable/read:0")
    assert variable.read_value().name == "read:0"


def test_the_operations_of_a_resource_variable() -> None:
    variable = tf.Variable([1.0, 2.0], use_resource=True)
    assert _names() == [
        "Variable/Initializer/initial_value",
        "Variable",
        "Variable/IsInitialized/VarIsInitializedOp",
        "Variable/Assign",
        "Variable/Read/ReadVariableOp",
    ]
    assert repr(variable) == "<tf.Variable 'Variable:0' shape=(2,) dtype=float32>"
    assert (variable.op.type, variable.value().name) == ("VarHandleOp", "ReadVariableOp:0")
    assert variable.handle.dtype is tf.resource


def test_a_function_makes_the_initial_value_inside_the_scope() -> None:
    tf.Variable(lambda: tf.ones([2]), name="v")
    assert _names() == ["v/Initializer/ones", "v", "v/Assign", "v/read"]


@pytest.mark.parametrize(
    ("make", "error", "rule"),
    [
        (lambda: tf.Variable(), ValueError, "initial_value must be specified"),
        (lambda: tf.Variable(tf.placeholder(tf.float32)), ValueError, "must have a shape specified"),
        (lambda: tf.Variable(1.0, collections="x"), ValueError, "must be a list, tuple, or set"),
        (lambda: tf.Variable(1.0, constraint=3), ValueError, "must be a callable"),
        (lambda: iter(tf.Variable([1.0])), TypeError, "is not iterable"),
        (
            lambda: tf.convert_to_tensor(tf.Variable(1.0), tf.int32),
            ValueError,
            "Incompatible type conversion",
        ),
        (lambda: tf.assign(tf.Variable([1.0]), [1.0, 2.0]), ValueError, "equal where both are known"),
        (lambda: tf.Variable([1.0], use_resource=True).assign([1.0, 2.0]), ValueError, "Received"),
        (lambda: tf.assign(tf.constant(1.0), 2.0), AttributeError, "mutable tensor"),
    ],
)
def test_misuse(make: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        make()


@MAKES
def test_operators_read_the_variable(resource: bool) -> None:
    v = tf.Variable([1.0, 4.0], use_resource=resource)
    found = [v + 1.0, 1.0 - v, v * v, -v, v / 2.0, v**2.0, v > 2.0, v[1], v[tf.newaxis]]
    with _initialised() as session:
        values = session.run(found)
    expected = [[2, 5], [0, -3], [1, 16], [-1, -4], [0.5, 2], [1, 16], [False, True], 4, [[1, 4]]]
    assert [np.asarray(x).tolist() for x in values] == expected


@MAKES
def test_a_variable_computed_from_others_in_the_run_that_initialises_all(resource: bool) -> None:
    a = tf.Variable([1.0, 2.0], use_resource=resource)
    b = tf.Variable(a * 2.0, use_resource=resource)
    c = tf.Variable(a.initialized_value() + b, use_resource=resource)
    with _initialised() as session:
        assert [x.tolist() for x in session.run([a, b, c])] == [[1, 2], [2, 4], [3, 6]]
        session.run(a.assign([5.0, 6.0]))
        session.run(b.initializer)
        assert session.run(b).tolist() == [10, 12]


@MAKES
def test_writes_and_reads_in_one_run(resource: bool) -> None:
    v = tf.Variable(1.0, use_resource=resource)
    before = v + 0.0
    add = v.assign_add(1.0)
    with tf.control_dependencies([add]):
        after = v.read_value()
        identity = tf.identity(v)
    with _initialised() as session:
        assert session.run([before, add, after, identity, v]) == [1, 2, 2, 2, 2]


def test_a_written_resource_variable_is_a_variable() -> None:
    v = tf.Variable(1.0, use_resource=True)
    written = v.assign(3.0).assign_add(1.0)
    assert written.op.type == "AssignAddVariableOp"
    assert v.assign(1.0, read_value=False).type == "AssignVariableOp"
    with _initialised() as session:
        assert session.run(written) == 4
        assert session.run(written * 2.0) == 8


@MAKES
def test_load_and_eval(resource: bool) -> None:
    v = tf.Variable([1, 2], use_resource=resource)
    with _initialised() as session:
        v.load([7, 8])
        assert v.eval().tolist() == [7, 8]
        v.load([9, 9], session)
        assert session.run(v).tolist() == [9, 9]


def test_identity_and_hashing() -> None:
    v, w = tf.Variable(1.0), tf.Variable(1.0)
    assert v == v and v != w and len({v, w, v}) == 2
    assert v.experimental_ref() == v.experimental_ref() != w.experimental_ref()
    assert v.experimental_ref().deref() is v


@MAKES
def test_definitions_travel(resource: bool) -> None:
    with tf.name_scope("q"):
        v = tf.Variable([1.0], name="w", trainable=False, use_resource=resource)
    message = v.to_proto()
    again = tf.Variable.from_proto(message)
    assert (again.name, again.trainable, again.initializer) == ("q/w:0", False, v.initializer)
    assert type(again) is type(v)
    assert v.to_proto(export_scope="q").variable_name == "w:0"
    assert v.to_proto(export_scope="other") is None
    with _initialised() as session:
        assert session.run(again + 1.0).tolist() == [2]


def test_collections() -> None:
    tf.Variable(1.0, name="a")
    tf.Variable(1.0, name="b", trainable=False)
    tf.Variable(1.0, name="c", collections=["mine"])
    tf.get_local_variable("d", [1])
    assert [v.name for v in tf.global_variables()] == ["a:0", "b:0"]
    assert [v.name for v in tf.trainable_variables()] == ["a:0", "c:0"]
    assert [v.name for v in tf.local_variables()] == ["d:0"]
    assert [v.name for v in tf.get_collection("mine")] == ["c:0"]


def test_checks_of_initialisation() -> None:
    a, b = tf.Variable(1.0, name="a"), tf.Variable(1.0, name="b")
    missing, check = tf.report_uninitialized_variables(), tf.assert_variables_initialized()
    with tf.Session() as session:
        session.run(a.initializer)
        assert session.run(missing).tolist() == [b"b"]
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(check)
        session.run(tf.variables_initializer([b]))
        assert session.run(missing).tolist() == []
        session.run(check)


def test_creators_change_what_is_made() -> None:
    def renamed(next_creator: Any, **arguments: Any) -> Any:
        arguments["name"] = "made_" + (arguments.get("name") or "x")
        return next_creator(**arguments)

    def untrained(next_creator: Any, **arguments: Any) -> Any:
        return next_creator(**{**arguments, "trainable": False})

    with tf.variable_creator_scope(renamed), tf.variable_creator_scope(untrained):
        assert tf.Variable(1.0).name == "made_x:0"
        assert tf.get_variable("v", [1]).name == "made_v:0"
    assert tf.trainable_variables() == []
    assert tf.Variable(1.0).name == "Variable:0"


def test_the_default_make() -> None:
    tf.enable_resource_variables()
    try:
        assert tf.resource_variables_enabled()
        assert tf.Variable(1.0).op.type == tf.get_variable("v", [1]).op.type == "VarHandleOp"
        assert tf.Variable(1.0, use_resource=False).op.type == "VariableV2"
    finally:
        tf.disable_resource_variables()
    assert tf.Variable(1.0).op.type == "VariableV2"


def test_control_dependencies_do_not_reach_into_a_variable() -> None:
    with tf.control_dependencies([tf.constant(1.0, name="before")]):
        v = tf.Variable(lambda: tf.constant(1.0))
    assert all(not op.control_inputs for op in v.graph.get_operations())


def test_a_constraint_and_other_facts() -> None:
    v = tf.Variable([1.0], constraint=tf.abs, trainable=False)
    assert v.constraint is tf.abs
    assert not v.trainable
    assert (v.synchronization, v.aggregation) == (
        tf.VariableSynchronization.AUTO,
        tf.VariableAggregation.NONE,
    )


@pytest.mark.parametrize(("asked", "given"), [(None, False), (False, False), (True, True)])
def test_a_variable_that_replicas_update_apart_is_trained_where_it_says_so(asked, given) -> None:
    mode = tf.VariableSynchronization.ON_READ
    v = tf.get_variable("v", [1], trainable=asked, synchronization=mode)
    assert v.trainable is given and tf.trainable_variables() == [v] * given


def test_a_written_resource_has_the_name_of_its_write() -> None:
    v = tf.get_variable("v", initializer=[1.0, 2.0], use_resource=True)
    assert (v.assign([3.0, 4.0]).name, v.assign_add([3.0, 4.0], name="more").name) == (
        "AssignVariableOp",
        "more",
    )
    assert v[0:1].assign([1.0]).name == "strided_slice/_assign"


def test_a_template_made_at_once_has_its_name_scope_at_the_first_call() -> None:
    def layer():
        return tf.get_variable("v", [1]) + tf.get_variable("w", [1], trainable=False)

    template = tf.make_template("foo", layer, create_scope_now_=True)
    other = tf.make_template("foo", layer, create_scope_now_=True)
    assert [template().name, template().name, other().name] == ["foo/add:0", "foo_1/add:0", "foo_1_1/add:0"]
    assert [v.name for v in template.trainable_variables] == ["foo/v:0"]
    assert [v.name for v in template.non_trainable_variables] == ["foo/w:0"]
    assert template.var_scope.name == "foo" and other.var_scope.name == "foo_1"


def test_who_waits_for_a_variable_just_written_waits_for_the_write():
    with tf.Graph().as_default():
        v = tf.get_variable("v", initializer=1.0, use_resource=True)
        both = tf.group(v.assign_add(2.0, name="add"), v)
        assert [op.name for op in both.control_inputs] == ["add", "v"]
        with tf.control_dependencies([v.assign(5.0, name="set")]):
            after = v.read_value()
        with tf.Session() as sess:
            sess.run(v.initializer)
            sess.run(both)
            assert sess.run(v) == 3.0 and sess.run(after) == 5.0


def test_an_operation_in_place_of_the_initializer():
    with tf.Graph().as_default(), tf.Session() as session:
        for variable in (tf.Variable(1.0), tf.Variable(1.0, use_resource=True)):
            assert variable._initializer_op is variable.initializer
            assert variable._initial_value is variable.initial_value
            variable._initializer_op = tf.assign(variable, 3.0).op
            session.run(variable.initializer)
            assert session.run(variable) == 3.0
        assert variable._handle is variable.handle
        assert session.run(variable._graph_element) == 3.0
