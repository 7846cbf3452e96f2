"""The private attributes of TensorFlow's Graph, Operation and Tensor that programs read."""

from __future__ import annotations

import pytest

import millrace as tf


def test_a_graph() -> None:
    graph = tf.get_default_graph()
    x = tf.placeholder(tf.float32, [2], name="x")
    graph.seed = 7
    graph.prevent_feeding(x)
    graph.prevent_fetching(x.op)
    assert graph._nodes_by_name == {"x": x.op} and graph._nodes_by_id == {0: x.op}
    assert graph._names_in_use == {"x": 1} and graph._seed == 7 and graph._lock is graph.lock
    assert (
        graph._next_id_counter == graph._last_id == graph.version == 1
        and graph._graph_key == graph._graph_key
    )
    assert graph._unfeedable_tensors == {x} and graph._unfetchable_ops == {x.op}
    assert not graph.building_function and not graph._building_function and not graph._finalized
    with graph.name_scope("s"), graph.container("c"), graph.device("/cpu:0"), graph.colocate_with(x):
        assert graph._name_stack == "s" and graph._container == "c" and graph._colocation_stack == [x.op]
    with graph.device("/cpu:0"), graph.control_dependencies([x]), graph.gradient_override_map({"Exp": "E"}):
        assert len(graph._device_function_stack) == len(graph._device_functions_outer_to_inner) == 1
        assert graph._current_control_dependencies() == {x.op} and len(graph._control_dependencies_stack) == 1
        assert graph._gradient_override_map == {"Exp": "E"}
        constant = tf.constant(1.0).op
        assert graph._control_dependencies_for_inputs([constant]) == []
        assert graph._control_dependencies_for_inputs([]) == [x.op]
    assert graph._container == "" and graph._default_original_op is None
    assert graph._as_graph_def()[1] == 2 and len(graph._as_graph_def(1)[0].node) == 1
    assert graph._as_graph_element_locked("x", True, True) is x.op
    assert graph._get_operation_by_name_unsafe("x") is x.op and graph._get_op_def("Exp").name == "Exp"
    assert graph._get_function("f") is None and not graph._is_function("f")
    with graph._colocate_with_for_gradient(x, None):
        assert tf.constant(1.0).op.colocation_groups() == [b"loc:@x"]
    graph.finalize()
    assert graph._finalized
    with pytest.raises(RuntimeError, match="finalized"):
        graph._check_not_finalized()


def test_variable_creators() -> None:
    graph = tf.get_default_graph()
    made: list[str] = []

    def creator(following, **kwargs):  # type: ignore[no-untyped-def]
        made.append(kwargs["name"])
        return following(**kwargs)

    with graph._variable_creator_scope(creator):
        assert graph._variable_creator_stack == [creator]
        tf.Variable(1.0, name="v")
    tf.Variable(1.0, name="w")
    assert made == ["v"] and graph._variable_creator_stack == []


def test_an_operation_and_its_tensors() -> None:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    with tf.control_dependencies([x]):
        y = tf.constant(1.0, name="y")
    op = tf.exp(x).op
    op._add_control_input(y.op)
    assert (op._inputs, op._outputs, op._control_inputs) == (op.inputs, op.outputs, [y.op])
    assert y.op._control_outputs == [op] and op._graph is op.graph and op._node_def.op == "Exp"
    assert op._op_def.name == "Exp" and op._traceback == op.traceback and op._id == op._id_value == op.id
    assert op._input_types == [tf.float32] and op._output_types == [1] and not op._is_stateful
    assert tf.random_uniform([]).op.inputs[0].op._is_stateful is False
    assert tf.FIFOQueue(1, tf.float32).queue_ref.op._is_stateful
    op._set_device_from_string("/gpu:1")
    assert op.device == "/device:GPU:1"
    op._set_device(tf.DeviceSpec(job="a"))
    assert op.device == "/job:a"
    op._set_control_flow_context("context")
    assert op._get_control_flow_context() == "context"
    assert (x._op, x._dtype, x._value_index, x._name, x._shape_val) == (x.op, x.dtype, 0, "x:0", x.shape)
    assert (x._rank(), x._shape_as_list(), x._shape_tuple(), x._id) == (2, [None, 2], (None, 2), id(x))
    unknown = tf.placeholder(tf.float32)
    assert (unknown._rank(), unknown._shape_as_list(), unknown._shape_tuple()) == (None, None, None)
    assert x.experimental_ref() == x.experimental_ref() != unknown.experimental_ref()


def test_functions_of_the_library() -> None:
    graph = tf.get_default_graph()
    proto = tf.GraphDef()
    for name in ("f", "g"):
        proto.library.function.add().signature.name = name
    assert not graph._is_function("f")
    made = [
        tf.data.Dataset.range(3).map(lambda x: x + 1).make_one_shot_iterator(),
        tf.data.Dataset.range(3).filter(lambda x: x > 1).make_one_shot_iterator(),
    ]
    names = [f.signature.name for f in graph.as_graph_def().library.function]
    assert len(made) == 2 and len(names) >= 2
    for name in names:
        assert graph._is_function(name) and graph._get_function(name).signature.name == name
