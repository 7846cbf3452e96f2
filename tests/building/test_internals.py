"""What programs take from TensorFlow's private modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import internals


def test_numbers_are_given_out_once() -> None:
    first = internals.uid()
    assert [internals.uid(), internals.uid()] == [first + 1, first + 2]


def test_names() -> None:
    assert [internals.name_from_scope_name(n) for n in ("a/b/", "a/b", "", "/")] == ["a/b", "a/b", "", ""]
    with tf.name_scope("outer"), tf.name_scope("inner"):
        assert internals.get_name_scope() == "outer/inner"
    assert internals.get_name_scope() == ""
    tf.add_to_collection("mine", 1)
    assert internals.get_all_collection_keys() == ["mine"]


def test_defaults() -> None:
    with tf.Graph().as_default():
        assert internals.has_default_graph() is True
    assert internals.inside_function() is False and internals.executing_eagerly_outside_functions() is False
    session = tf.Session()
    with internals.default_session(session):
        assert tf.get_default_session() is session
    assert tf.get_default_session() is None


def test_inside_a_function() -> None:
    inside: list[bool] = []

    tf.data.Dataset.range(2).map(lambda x: inside.append(internals.inside_function()) or x)
    assert inside == [True]


def test_the_graph_of_a_list() -> None:
    a = tf.constant(1.0)
    with tf.Graph().as_default() as other:
        b = tf.constant(1.0)
        rows = tf.IndexedSlices(b, tf.constant([0]))
        sparse = tf.SparseTensor([[0]], [1.0], [2])
    of = internals.get_graph_from_inputs
    assert of([]) is of(["text", None]) is tf.get_default_graph()
    assert of([None, b, b.op]) is of([rows]) is of([sparse]) is of([b], other) is other
    assert of([], other) is other
    with pytest.raises(TypeError, match="needs to be a Graph: 'g'"):
        of([b], "g")
    with pytest.raises(ValueError, match="Const:0.* is not from the passed-in graph"):
        of([a], other)
    with pytest.raises(ValueError, match="must be from the same graph as"):
        of([b.op, rows, a])


def test_elements() -> None:
    a, v = tf.constant(1.0), tf.Variable(1.0)
    assert internals.as_graph_element(a) is a and internals.as_graph_element(a.op) is a.op
    assert internals.as_graph_element(v).op.type in (
        "VariableV2",
        "VarHandleOp",
        "Identity",
        "ReadVariableOp",
    )
    assert internals.as_graph_element("Const:0") is None

    class Named:
        _as_graph_element = "not a function"

    assert internals.as_graph_element(Named()) is None


def test_a_graph_is_dismantled() -> None:
    graph = tf.Graph()
    with graph.as_default():
        tf.add_to_collection("x", tf.constant(1.0))
    internals.dismantle_graph(graph)
    assert graph.get_operations() == [] and graph.get_collection("x") == []


def test_nothing_happens_in_a_null_context() -> None:
    with internals.NullContextmanager(1, a=2) as entered:
        assert entered is None


def test_conversion() -> None:
    v = tf.Variable(1.0, use_resource=False)
    assert internals.internal_convert_to_tensor(v, as_ref=True).dtype.is_ref_dtype
    assert not internals.internal_convert_to_tensor(v).dtype.is_ref_dtype
    assert internals.internal_convert_to_tensor([1, 2], as_ref=True).shape == [2]
    a, b = internals.internal_convert_n_to_tensor([1, 2.5], name="n")
    assert (a.op.name, b.op.name, a.dtype, b.dtype) == ("n_0", "n_1", tf.int32, tf.float32)
    (c,) = internals.internal_convert_n_to_tensor([1], tf.float64)
    assert c.dtype == tf.float64 and c.op.name.startswith("Const")
    assert (
        internals.internal_convert_n_to_tensor([1], None, None, preferred_dtype=tf.int64)[0].dtype == tf.int64
    )


def test_composites_stay_as_they_are() -> None:
    sparse = tf.SparseTensor([[0]], [1.0], [2])
    rows = tf.IndexedSlices(tf.constant([1.0]), tf.constant([0]))
    one = internals.convert_to_tensor_or_composite
    assert one(sparse) is sparse and one(rows, tf.float32) is rows
    with pytest.raises(ValueError, match="requested dtype int32 for SparseTensor"):
        one(sparse, tf.int32)
    assert one([1, 2], tf.int64, "given").dtype == tf.int64
    many = internals.convert_n_to_tensor_or_composite([None, rows, 3], name="m")
    assert many[:2] == [None, rows] and many[2].op.name == "m_2"
    assert internals.convert_n_to_tensor_or_composite([3])[0].op.name.startswith("Const")


def test_types_that_count_as_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals._TensorLike, "types", internals._TensorLike.types)

    class Half:
        name = property(lambda self: "h")

    class Whole(Half):
        dtype = property(lambda self: tf.float32)

    alike = internals.is_dense_tensor_like
    with pytest.raises(TypeError, match="Type Half does not define a `dtype` property"):
        internals.register_dense_tensor_like_type(Half)
    assert not alike(Whole())
    internals.register_dense_tensor_like_type(Whole)
    assert alike(Whole()) and alike(tf.constant(1)) and alike(tf.Variable(1)) and not alike(Half())
    sparse = tf.SparseTensor([[0]], [1.0], [2])
    assert not any(alike(x) for x in (sparse, [tf.constant(1)], (tf.constant(1),), 1, np.ones(2)))


def test_ids_tell_tensors_apart() -> None:
    a, b = tf.constant(1), tf.constant(1)
    assert internals.tensor_id(a) == internals.tensor_id(a) != internals.tensor_id(b)


def test_static_shapes() -> None:
    x = tf.placeholder(tf.float32, [None, None])
    internals.maybe_set_static_shape(x, [2, 3])
    assert x.shape.as_list() == [None, None]
    internals.maybe_set_static_shape(x, tf.constant([2, 3]))
    assert x.shape == [2, 3]
    internals.maybe_set_static_shape(x, tf.constant([4, 4]))  # known already
    assert x.shape == [2, 3]
    assert internals.shape_tensor([2, tf.Dimension(3)]).dtype == tf.int32
    assert internals.shape_tensor([]).dtype == tf.int32
    assert internals.shape_tensor(np.array([2], np.int64)).dtype == tf.int64
    assert internals.shape_tensor([1]).op.name.startswith("shape")


def test_shapes_in_messages() -> None:
    proto = tf.make_tensor_proto(np.zeros((2, 3)))
    assert internals.tensor_shape_proto_to_list(proto.tensor_shape) == [2, 3]
    equals = internals.shape_equals
    assert equals(proto, (2, 3)) and equals(proto, proto.tensor_shape) and not equals(proto, [3, 2])
    with pytest.raises(TypeError, match="not a TensorProto"):
        equals([1], [1])


def test_messages_of_collections() -> None:
    key = tf.GraphKeys.GLOBAL_VARIABLES
    v = tf.Variable(1.0, name="v")
    message = internals.get_to_proto_function(key)(v)
    assert isinstance(message, internals.get_collection_proto_type(key)) and message.variable_name == "v:0"
    assert internals.get_from_proto_function(key)(message).name == "v:0"
    for function in (
        internals.get_to_proto_function,
        internals.get_from_proto_function,
        internals.get_collection_proto_type,
    ):
        assert function("mine") is None


def test_registrations_that_need_none() -> None:
    def f() -> None:
        pass

    assert internals.RegisterShape("MatMul")(f) is f
    assert internals.set_shapes_for_outputs(tf.constant(1).op) is None


def test_figures_add_up() -> None:
    total = internals.OpStats("flops")
    assert total.value is None and total.statistic_type == "flops"
    total += internals.OpStats("flops")
    assert total.value is None
    total += internals.OpStats("flops", 3)
    total += internals.OpStats("flops", 4)
    total += internals.OpStats("flops")
    assert total.value == 7
    with pytest.raises(ValueError, match="type flops to one of bytes"):
        total += internals.OpStats("bytes", 1)


def _flops(tensor: Any, kind: str = "flops") -> Any:
    return internals.get_stats_for_node_def(tensor.graph, tensor.op.node_def, kind)


def test_flops_of_products() -> None:
    a, b = tf.ones([5, 2]), tf.ones([5, 3])
    assert _flops(tf.matmul(a, b, transpose_a=True)).value == 2 * 2 * 3 * 5
    assert _flops(tf.matmul(b, a, transpose_a=True)).value == 2 * 3 * 2 * 5
    assert _flops(tf.matmul(tf.ones([4, 2]), tf.ones([2, 3]))).value == 2 * 4 * 3 * 2
    unknown = tf.placeholder(tf.float32, [None, 2])
    assert _flops(tf.matmul(unknown, tf.ones([2, 3]))).value is None
    assert _flops(tf.matmul(tf.placeholder(tf.float32), tf.ones([2, 3]))).value is None
    assert _flops(a).value is None and _flops(a).statistic_type == "flops"
    assert _flops(tf.matmul(a, b, transpose_a=True), "bytes").value is None


def test_flops_of_convolutions_and_biases() -> None:
    y = tf.nn.conv2d(tf.ones([2, 8, 8, 3]), tf.ones([3, 5, 3, 7]), strides=[1, 1, 1, 1], padding="SAME")
    assert _flops(y).value == 2 * (2 * 8 * 8 * 7) * (3 * 5 * 3)
    unknown = tf.placeholder(tf.float32, [None, 8, 8, 3])
    y = tf.nn.conv2d(unknown, tf.ones([3, 5, 3, 7]), strides=[1, 1, 1, 1], padding="SAME")
    assert _flops(y).value is None
    y = tf.nn.conv2d(unknown, tf.placeholder(tf.float32), strides=[1, 1, 1, 1], padding="SAME")
    assert _flops(y).value is None
    assert _flops(tf.nn.bias_add(tf.ones([4, 3]), tf.ones([3]))).value == 12
    assert _flops(tf.nn.bias_add(tf.placeholder(tf.float32, [None, 3]), tf.ones([3]))).value is None


def test_registered_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "_STATISTICS", dict(internals._STATISTICS))

    @internals.RegisterStatistics("Exp", "mine")
    def counted(graph: Any, node: Any) -> Any:
        return internals.OpStats("mine", len(node.input))

    y = tf.exp(tf.constant(1.0))
    assert _flops(y, "mine").value == 1 and counted(y.graph, y.op.node_def).value == 1
    for op_type, kind, message in (
        (1, "flops", "op_type must be a string. Received: 1"),
        ("A,B", "flops", "must not contain a comma. Received: 'A,B'"),
        ("A", 2, "statistic_type must be a string. Received: 2"),
    ):
        with pytest.raises(TypeError, match=message):
            internals.RegisterStatistics(op_type, kind)
