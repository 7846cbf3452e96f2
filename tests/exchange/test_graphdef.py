"""GraphDefs: what is written, what is read, and that a failed import changes nothing."""

import subprocess
import sys

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.building.body import Body
from millrace.core import protos
from millrace.exchange import graphdef
from millrace.exchange.attr_protos import attr_from_proto, attr_to_proto, attr_to_python, kind_of
from millrace.graph.opdef import declared, lookup


@pytest.fixture
def small():
    """A GraphDef of seven nodes, with control inputs, a two-output node and a colocation."""
    with tf.Graph().as_default() as graph:
        a = tf.constant(1.0, name="a")
        b = tf.constant(2.0, name="b")
        z = tf.no_op(name="z")
        with tf.control_dependencies([z]):
            tf.identity_n([a, b], name="c")
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        with tf.colocate_with(a.op):
            tf.matmul(x, tf.zeros([3, 2], name="w"), name="m")
    return graph.as_graph_def()


def names():
    return [op.name for op in tf.get_default_graph().get_operations()]


def node(graph_def, name):
    return next(n for n in graph_def.node if n.name == name)


# --- writing ------------------------------------------------------------------------------------------------


def test_node_def_holds_type_inputs_device_and_every_attribute():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.device("/cpu:0"):
        y = tf.matmul(x, tf.zeros([3, 2]), transpose_b=False, name="y")
    written = y.op.node_def
    assert (written.name, written.op, written.device) == ("y", "MatMul", "/device:CPU:0")
    assert list(written.input) == ["x", "zeros"]
    assert set(written.attr) == {"T", "transpose_a", "transpose_b"}
    assert written.attr["T"].type == protos.DT_FLOAT
    assert x.op.node_def.attr["shape"].shape == protos.TensorShapeProto(
        dim=[protos.TensorShapeProto.Dim(size=-1), protos.TensorShapeProto.Dim(size=3)]
    )


def test_control_inputs_follow_data_inputs_and_are_sorted_in_a_graph_def():
    a = tf.constant(1.0, name="a")
    late, early = tf.no_op(name="late"), tf.no_op(name="early")
    with tf.control_dependencies([late, early]):
        b = tf.identity(a, name="b")
    assert list(b.op.node_def.input) == ["a", "^late", "^early"]
    assert list(node(tf.get_default_graph().as_graph_def(), "b").input) == ["a", "^early", "^late"]


def test_repeated_elements_are_written_once():
    stretched = tf.zeros([30, 30]).op.node_def.attr["value"].tensor
    assert list(stretched.float_val) == [0.0]
    assert not stretched.tensor_content
    assert len(tf.constant([1.0, 2.0]).op.node_def.attr["value"].tensor.tensor_content) == 8
    nans = np.array([np.nan, np.nan, -0.0, 0.0], np.float32)
    assert len(tf.constant(nans).op.node_def.attr["value"].tensor.tensor_content) == 16


def test_versions_are_those_of_tensorflow_1_15():
    graph = tf.get_default_graph()
    assert graph.graph_def_versions.producer == 134
    assert graph.as_graph_def().versions == graph.graph_def_versions


def test_from_version_and_shapes():
    tf.constant(1.0)
    tf.placeholder(tf.float32, [None, 3], name="x")
    tf.no_op(name="n")
    graph_def = tf.get_default_graph().as_graph_def(from_version=1, add_shapes=True)
    assert [n.name for n in graph_def.node] == ["x", "n"]
    assert [d.size for d in graph_def.node[0].attr["_output_shapes"].list.shape[0].dim] == [-1, 3]
    assert "_output_shapes" not in graph_def.node[1].attr


def test_flows_of_tensor_arrays_are_scalars_there():
    array = tf.TensorArray(tf.float32, 2, element_shape=[3]).unstack(tf.zeros([2, 3]))
    tf.identity(array.flow, name="same")
    array.read(0)
    shown = {
        node.name: [[d.size for d in shape.dim] for shape in node.attr["_output_shapes"].list.shape]
        for node in tf.get_default_graph().as_graph_def(add_shapes=True).node
    }
    assert shown["TensorArray"] == [[2], []]
    assert shown["TensorArrayUnstack/TensorArrayScatter/TensorArrayScatterV3"] == [[]]
    assert shown["same"] == [[]]
    assert shown["TensorArrayReadV3"] == [[3]]


def test_get_attr_gives_tensorflows_forms():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.matmul(x, tf.zeros([3, 2]), name="y")
    assert y.op.get_attr("T") is tf.float32
    assert y.op.get_attr("transpose_a") is False
    assert [d.size for d in x.op.get_attr("shape").dim] == [-1, 3]
    assert tf.identity_n([x, y])[0].op.get_attr("T") == [tf.float32, tf.float32]
    assert tf.constant([1, 2]).op.get_attr("value").dtype == protos.DT_INT32
    with tf.colocate_with(x.op):
        near = tf.no_op()
    assert near.get_attr("_class") == [b"loc:@x"]
    with pytest.raises(ValueError, match="nope"):
        y.op.get_attr("nope")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"\xff\x00", "string"),
        ("text", "string"),
        (True, "bool"),
        (3, "int"),
        (0.5, "float"),
        (tf.int64, "type"),
        ([tf.int64, tf.bool], "list(type)"),
        ([1, 2], "list(int)"),
        ([], "list(string)"),
        (np.arange(3), "tensor"),
    ],
)
def test_undeclared_attributes_keep_their_values(value, kind):
    assert kind_of(value) == kind
    proto = attr_to_proto(value)
    again = attr_to_proto(attr_from_proto(proto))
    assert again == proto


def test_an_attribute_that_no_message_holds():
    with pytest.raises(TypeError, match="Received: .*object"):
        attr_to_proto(object())


def test_attribute_of_another_kind_is_refused():
    kind = lookup("MatMul").attrs["transpose_a"]
    with pytest.raises(TypeError, match="must be bool"):
        attr_from_proto(protos.AttrValue(i=1), kind)
    assert attr_to_python(True, kind) is True


def test_every_declared_type_has_an_op_def():
    for opdef in declared().values():
        written = graphdef.op_def(opdef)
        assert [a.name for a in written.input_arg] == [a.name for a in opdef.inputs]
        assert {a.name for a in written.attr} == {
            name for name, kind in opdef.attrs.items() if not kind.later
        }


# --- reading ------------------------------------------------------------------------------------------------


def test_import_prefixes_and_returns(small):
    c, x, second = tf.import_graph_def(small, return_elements=["c", "x:0", "c:1"])
    assert names() == [f"import/{n.name}" for n in small.node]
    assert c.name == "import/c"
    assert x.get_shape().as_list() == [None, 3]
    assert second is c.outputs[1]
    assert [op.name for op in c.control_inputs] == ["import/z"]
    assert tf.get_default_graph().get_operation_by_name("import/m").colocation_groups() == [b"loc:@import/a"]


def test_import_names(small):
    tf.import_graph_def(small)
    tf.import_graph_def(small)
    tf.import_graph_def(small, name="")
    tf.import_graph_def(small, name="")
    with tf.name_scope("s"):
        tf.import_graph_def(small, name="x/y")
    found = names()
    count = len(small.node)
    assert [found[i * count] for i in range(5)] == ["import/a", "import_1/a", "a", "a_1", "s/x/y/a"]
    assert tf.constant(1.0, name="a").name == "a_2:0"


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_graph_survives_a_round_trip(small, pieces):
    text = small.SerializeToString()
    for _ in range(pieces):
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(protos.GraphDef.FromString(text), name="")
        again = graph.as_graph_def()
        text = again.SerializeToString()
    assert again == small


def test_input_map(small):
    x = tf.placeholder(tf.float32, [5, 3], name="mine")
    other = tf.no_op(name="other")
    m, c = tf.import_graph_def(
        small, input_map={"x": x, "^z": other, "b:0": 7.0}, return_elements=["m:0", "c"]
    )
    assert m.op.inputs[0] is x
    assert m.get_shape().as_list() == [5, 2]
    assert c.control_inputs == [other]
    assert c.inputs[1].name == "import/_inputs/Const:0"
    assert tf.import_graph_def(small, input_map={"x:0": x}, return_elements=["x:0"]) == [x]


def test_scopes_around_an_import(small):
    before = tf.no_op(name="before")
    with tf.device("/gpu:1"), tf.control_dependencies([before]):
        c, x = tf.import_graph_def(small, return_elements=["c", "x"])
    assert {op.name for op in c.control_inputs} == {"import/z", "before"}
    assert x.device == "/device:GPU:1"


def test_static_shapes_written_in_the_graph_are_kept(small):
    shape = node(small, "x").attr["_output_shapes"].list.shape.add()
    shape.dim.add(size=4)
    shape.dim.add(size=3)
    x, m = tf.import_graph_def(small, return_elements=["x:0", "m:0"])
    assert x.get_shape().as_list() == [4, 3]
    assert m.get_shape().as_list() == [4, 2]
    assert "_output_shapes" not in x.op.node_def.attr


def test_nodes_come_in_any_order(small):
    mixed = protos.GraphDef(versions=small.versions)
    mixed.node.extend(reversed(small.node))
    (m,) = tf.import_graph_def(mixed, return_elements=["m"])
    assert [t.op.type for t in m.inputs] == ["Placeholder", "Const"]


def test_unset_attributes_get_their_defaults(small):
    del node(small, "m").attr["transpose_a"]
    (m,) = tf.import_graph_def(small, return_elements=["m"])
    assert m.get_attr("transpose_a") is False


def test_attributes_of_newer_writers(small):
    node(small, "m").attr["grad_x"].b = False
    tf.import_graph_def(small)
    node(small, "m").attr["flavour"].i = 3
    with pytest.raises(ValueError, match=r"node 'm' \(type MatMul\).*Received: 'flavour'"):
        tf.import_graph_def(small)
    producer = protos.OpList()
    default = producer.op.add(name="MatMul").attr.add(name="flavour", type="int").default_value
    default.i = 3
    tf.import_graph_def(small, producer_op_list=producer)


def test_scalar_placeholders_of_old_graphs_have_unknown_shape():
    tf.placeholder(tf.float32, [], name="x")
    graph_def = tf.get_default_graph().as_graph_def()
    graph_def.versions.producer = 21
    (x,) = tf.import_graph_def(graph_def, return_elements=["x:0"])
    assert x.get_shape().ndims is None


FAILURES = {
    "unknown type": (lambda g: setattr(node(g, "m"), "op", "Foo"), r"node 'm'.*Received: 'Foo'"),
    "unknown input": (lambda g: node(g, "m").input.__setitem__(0, "qq"), r"node 'm' .*Unknown input.*'qq'"),
    "missing output": (lambda g: node(g, "m").input.__setitem__(0, "a:1"), "'a' has 1 outputs.*number 1"),
    "too many inputs": (lambda g: node(g, "m").input.append("a"), "node 'm' .*Received: 3 inputs"),
    "too few inputs": (lambda g: node(g, "m").input.pop(), "node 'm' .*Received: 1 inputs"),
    "dtype": (lambda g: setattr(node(g, "m").attr["T"], "type", 3), "node 'm' .*int32"),
    "no attribute": (lambda g: g.node[0].attr.pop("value"), "node 'a' .*'value' is missing"),
    "kind of attribute": (lambda g: setattr(node(g, "m").attr["T"], "i", 3), "node 'm' .*must be type"),
    "cycle": (lambda g: node(g, "a").input.append("^c"), "2 nodes in a cycle"),
    "twice": (lambda g: setattr(node(g, "m"), "name", "a"), "'a' is not unique"),
    "bad name": (lambda g: setattr(node(g, "m"), "name", "-a"), "not a valid"),
    "version": (lambda g: setattr(g.versions, "min_consumer", 1000), "Received: .*1000"),
    "colocation": (lambda g: node(g, "m").attr["_class"].list.s.append(b"loc:@nope"), "colocated.*'nope'"),
    "order of inputs": (
        lambda g: node(g, "m").input.__setitem__(slice(None), ["^z", "x", "w"]),
        "must come after",
    ),
    "shapes": (
        lambda g: node(g, "m").attr["_output_shapes"].list.shape.add().dim.add(size=3),
        "_output_shapes",
    ),
    "shape rule": (lambda g: node(g, "m").input.__setitem__(0, "w"), "node 'm'"),
}


@pytest.mark.parametrize("change", FAILURES)
def test_failures_name_the_node_and_change_nothing(small, change):
    alter, message = FAILURES[change]
    alter(small)
    kept = tf.constant(1.0, name="import/a")
    before = tf.get_default_graph().as_graph_def()
    with pytest.raises(ValueError, match=message):
        tf.import_graph_def(small, input_map={"b": kept})
    assert tf.get_default_graph().as_graph_def() == before
    assert kept.consumers() == []
    with tf.name_scope("import") as scope:
        assert scope == "import/"


def test_an_unknown_type_is_also_a_not_found_error(small):
    node(small, "m").op = "Foo"
    with pytest.raises(tf.errors.NotFoundError):
        tf.import_graph_def(small)


def test_arguments_are_checked(small):
    one = tf.constant(1.0)
    with pytest.raises(TypeError, match="GraphDef"):
        tf.import_graph_def("x")
    with pytest.raises(TypeError, match="input_map"):
        tf.import_graph_def(small, input_map={1: one})
    with pytest.raises(TypeError, match="return_elements"):
        tf.import_graph_def(small, return_elements=[3])
    with pytest.raises(ValueError, match=r"not found in graph_def: \[q:0, a:1\]"):
        tf.import_graph_def(small, input_map={"q": one, "a:1": one})
    with pytest.raises(ValueError, match="non-empty name"):
        tf.import_graph_def(small, name="", input_map={"a": 1.0})
    with pytest.raises(ValueError, match="'nope' not found"):
        tf.import_graph_def(small, return_elements=["nope"])
    with pytest.raises(ValueError, match="has 1 outputs"):
        tf.import_graph_def(small, return_elements=["a:3"])
    assert names() == ["Const"]


def test_a_finalized_graph_is_left_alone(small):
    tf.get_default_graph().finalize()
    with pytest.raises(RuntimeError, match="finalized"):
        tf.import_graph_def(small)


# --- functions ----------------------------------------------------------------------------------------------


def function(name, arguments, nodes, results):
    """A FunctionDef of float32 arguments and results."""
    made = protos.FunctionDef()
    made.signature.name = name
    for argument in arguments:
        made.signature.input_arg.add(name=argument, type=protos.DT_FLOAT)
    for op_name, op, *inputs in nodes:
        added = made.node_def.add(name=op_name, op=op, input=inputs)
        added.attr["T"].type = protos.DT_FLOAT
    for i, result in enumerate(results):
        made.signature.output_arg.add(name=f"r{i}", type=protos.DT_FLOAT)
        made.ret[f"r{i}"] = result
    return made


@pytest.mark.parametrize("op", ["PartitionedCall", "twice"])
def test_calls_are_inlined(op):
    graph_def = protos.GraphDef()
    graph_def.library.function.append(function("once", ["v"], [("i", "Identity", "v")], ["i:output:0"]))
    nested = function("twice", ["v"], [("j", "Identity", "v")], ["k:r0:0", "v"])
    nested.node_def.add(name="k", op="once", input=["j:output:0"])
    graph_def.library.function.append(nested)
    graph_def.node.add(name="p", op="Placeholder").attr["dtype"].type = protos.DT_FLOAT
    call = graph_def.node.add(name="call", op=op, input=["p"])
    if op == "PartitionedCall":
        call.attr["f"].func.name = "twice"
    graph_def.node.add(name="out", op="Identity", input=["call:1"]).attr["T"].type = protos.DT_FLOAT
    out, call = tf.import_graph_def(graph_def, name="", return_elements=["out:0", "call"])
    assert names() == ["p", "call/j", "call/k/i", "call/k", "call", "out"]
    assert out.op.inputs[0] is call.outputs[1]
    assert [t.name for t in call.inputs] == ["call/k:0", "p:0"]


def test_recursive_calls_are_refused():
    graph_def = protos.GraphDef()
    loop = function("loop", ["v"], [], ["k:r0:0"])
    loop.node_def.add(name="k", op="loop", input=["v"])
    graph_def.library.function.append(loop)
    graph_def.node.add(name="p", op="Placeholder").attr["dtype"].type = protos.DT_FLOAT
    graph_def.node.add(name="call", op="loop", input=["p"])
    with pytest.raises(ValueError, match="calls itself"):
        tf.import_graph_def(graph_def)
    assert names() == []


# --- the rest of the importer's world -----------------------------------------------------------------------


def test_create_op():
    graph = tf.get_default_graph()
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    op = graph.create_op(
        "MatMul", [x, x], [tf.float32], name="m", attrs={"transpose_b": protos.AttrValue(b=True)}
    )
    assert (op.name, op.outputs[0].get_shape().as_list()) == ("m", [2, 2])
    assert len(graph.create_op("IdentityN", [x, x], name="n").outputs) == 2
    assert graph.create_op("NoOp", []).type == "NoOp"
    with pytest.raises(ValueError, match="'Foo'"):
        graph.create_op("Foo", [])
    with pytest.raises(TypeError, match="not a tensor"):
        graph.create_op("Identity", [1.0])
    with pytest.raises(ValueError, match="Received: 2 inputs"):
        graph.create_op("Identity", [x, x])


def test_bodies_are_named_parts_of_their_graph():
    graph = tf.get_default_graph()
    outer = tf.placeholder(tf.float32, [3], name="outer")
    with graph.name_scope("loop"):
        body = Body(graph, "arg")
        inside = body.add_input(tf.float32, (2,), "i")
        with graph.inside(body):
            body.outputs = [raw.Identity(outer), inside]
    assert "loop/Identity" in names()
    assert [n.name for n in graph.as_graph_def().node] == ["outer"]


def test_operations_on_a_reference_stay_beside_the_variable():
    with tf.device("/cpu:1"):
        v = tf.Variable(1.0, name="v")
    with tf.device("/gpu:0"):
        add = tf.assign_add(v, 1.0)
    assert add.op.get_attr("_class") == [b"loc:@v"]
    assert add.device == "/device:CPU:1"


@pytest.mark.parametrize(
    "module",
    [
        "building.apply",
        "building.convert",
        "building.operators",
        "building.raw",
        "exchange.importer",
        "graph.graph",
    ],
)
def test_any_module_of_the_graph_may_be_imported_first(module):
    command = [sys.executable, "-c", f"import millrace.{module}"]
    subprocess.run(command, check=True)
