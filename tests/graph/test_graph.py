"""A graph: finding its elements, the scopes that shape what is added, collections, and what may be edited."""

from __future__ import annotations

from typing import Any

import pytest

import millrace as tf
from millrace.building import raw


@pytest.fixture
def graph() -> tf.Graph:
    return tf.get_default_graph()


# --- elements ----------------------------------------------------------------------------------------------


def test_elements_are_found_by_name(graph: tf.Graph) -> None:
    x = tf.placeholder(tf.float32, [4, 2], name="x")
    parts = tf.split(x, 2, name="parts")
    assert graph.get_tensor_by_name("x:0") is x and graph.get_operation_by_name("x") is x.op
    assert graph.get_tensor_by_name("parts:1") is parts[1]
    assert graph.as_graph_element("parts:0") is parts[0] and graph.as_graph_element(b"x") is x.op
    assert graph.as_graph_element(x, allow_operation=False) is x
    assert graph.as_graph_element(x.op, allow_tensor=False) is x.op
    v = tf.Variable(1.0, name="v")
    assert graph.as_graph_element(v) is v._as_graph_element()


@pytest.mark.parametrize(
    ("name", "tensor", "operation", "error", "message"),
    [
        ("x:a", True, True, ValueError, "looks like a tensor's but is not '<op>:<index>'"),
        ("x:", True, False, ValueError, "looks like a tensor's"),
        ("x:-1", True, True, ValueError, "looks like a tensor's"),
        ("y:0", True, True, KeyError, "does not exist: no operation 'y'"),
        ("x:1", True, True, KeyError, "does not exist: 'x' has 1 outputs"),
        ("x:0", False, True, ValueError, "appears to refer to a Tensor, not a Operation"),
        ("y", True, True, KeyError, "'y' refers to an Operation not in the graph"),
        ("y", True, False, ValueError, "is not a tensor's: those have the form"),
        ("x", True, False, ValueError, "refers to an Operation, not a Tensor; a tensor is 'x:0'"),
        ("x", False, False, ValueError, "cannot both be False"),
        (3, True, True, TypeError, "Can not convert a int into a Tensor or Operation"),
        (3, False, True, TypeError, "into a Operation"),
    ],
)
def test_what_is_not_an_element_is_refused(
    graph: tf.Graph, name: Any, tensor: bool, operation: bool, error: type, message: str
) -> None:
    tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(error, match=message):
        graph.as_graph_element(name, allow_tensor=tensor, allow_operation=operation)


def test_kinds_and_graphs_of_elements_are_checked(graph: tf.Graph) -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(TypeError, match="Can not convert a Tensor into a Operation"):
        graph.as_graph_element(x, allow_tensor=False)
    with pytest.raises(TypeError, match="Can not convert a Operation into a Tensor"):
        graph.as_graph_element(x.op, allow_operation=False)
    for element in (x, x.op):
        with pytest.raises(ValueError, match=r"not an element of this graph.*created at test_graph\.py"):
            tf.Graph().as_graph_element(element)
    for wrong in (x, b"x", 1):
        with pytest.raises(TypeError, match="an operation's name is a string"):
            graph.get_operation_by_name(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a tensor's name is a string"):
            graph.get_tensor_by_name(wrong)  # type: ignore[arg-type]


def test_operations_are_listed_in_creation_order(graph: tf.Graph) -> None:
    a, b = tf.constant(1.0), tf.constant(2.0)
    listed = graph.get_operations()
    assert listed == [a.op, b.op] and graph.version == 2 and [op._id for op in listed] == [0, 1]
    listed.clear()
    assert len(graph.get_operations()) == 2


def test_what_may_not_be_fed_or_fetched(graph: tf.Graph) -> None:
    a, b = tf.constant(1.0), tf.constant(2.0)
    graph.prevent_feeding(a)
    graph.prevent_fetching(b.op)
    assert not graph.is_feedable(a) and graph.is_feedable(b)
    assert graph.is_fetchable(a) and graph.is_fetchable(a.op)
    assert not graph.is_fetchable(b) and not graph.is_fetchable(b.op)


# --- state -------------------------------------------------------------------------------------------------


def test_a_finalized_graph_takes_nothing(graph: tf.Graph) -> None:
    x = tf.placeholder(tf.float32, [])
    assert not graph.finalized
    graph.finalize()
    assert graph.finalized
    for change in (
        lambda: tf.constant(1.0), lambda: raw.Neg(x), lambda: graph.add_to_collection("a", 1),
        lambda: graph.clear_collection("a"), lambda: x.op._add_control_input(x.op), graph.changed,
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="finalized"):
            change()
    graph._unsafe_unfinalize()
    assert not graph.finalized and tf.constant(1.0).graph is graph


def test_edits_are_counted(graph: tf.Graph) -> None:
    a, b = tf.constant(1.0), tf.constant(2.0)
    c = tf.exp(a)
    assert graph.edits == 0
    c.op._update_input(0, b)
    assert graph.edits == 1 and c.op.inputs == (b,)
    assert a.consumers() == [] and b.consumers() == [c.op]
    c.op._add_control_input(a.op)
    assert graph.edits == 2 and c.op.control_inputs == [a.op]
    c.op._add_control_inputs([a.op, b.op])
    assert c.op.control_inputs == [a.op, b.op]
    c.op._remove_all_control_inputs()
    assert c.op.control_inputs == [] and graph.edits == 4


def test_operations_counted_beyond_those_that_are_there(graph: tf.Graph) -> None:
    tf.constant(1.0)
    graph.count(3)
    assert graph._last_id == 4
    with graph.counted_as(7):
        tf.constant(1.0)
        graph.count(1)
    assert graph._last_id == 11 and graph.version == 2
    graph.count(-2)
    assert graph._last_id == 9


def test_scoped_objects_are_made_once(graph: tf.Graph) -> None:
    made = graph.get_scoped("key", list)
    assert graph.get_scoped("key", lambda: 1 / 0) is made
    assert graph.get_scoped("other", dict) == {}


def test_the_shapes_of_a_graph_def(graph: tf.Graph) -> None:
    tf.split(tf.placeholder(tf.float32, [None, 4], name="x"), 2, axis=1, name="parts")
    tf.placeholder(tf.float32, name="any")
    plain, shaped = graph.as_graph_def(), graph.as_graph_def(add_shapes=True)
    assert not any("_output_shapes" in node.attr for node in plain.node)
    told = {node.name: node.attr["_output_shapes"].list.shape for node in shaped.node}
    assert [[d.size for d in shape.dim] for shape in told["parts"]] == [[-1, 2], [-1, 2]]
    assert [d.size for d in told["x"][0].dim] == [-1, 4] and told["any"][0].unknown_rank
    assert [node.name for node in graph.as_graph_def(from_version=1).node] == [
        op.name for op in graph.get_operations()[1:]
    ]
    assert graph.graph_def_versions.producer == graph.as_graph_def().versions.producer > 0


# --- names -------------------------------------------------------------------------------------------------


def test_names_are_made_unique(graph: tf.Graph) -> None:
    assert [graph.unique_name("a") for _ in range(3)] == ["a", "a_1", "a_2"]
    assert graph.unique_name("a", mark_as_used=False) == "a_3" == graph.unique_name("a")
    assert graph.unique_name("a_1") == "a_1_1"
    assert graph.unique_name("b", mark_as_used=False) == "b" == graph.unique_name("b")
    with graph.name_scope("s"):
        assert graph.unique_name("a") == "s/a" and graph.get_name_scope() == "s"
    assert graph.get_name_scope() == ""


def test_name_scopes(graph: tf.Graph) -> None:
    with graph.name_scope("a") as scope:
        assert scope == "a/"
        with graph.name_scope("b") as inner:
            assert inner == "a/b/"
            with graph.name_scope(None) as root:
                assert root == "" and graph.scope == ""
            assert graph.scope == "a/b"
            with graph.name_scope("a/") as again:
                assert again == "a/"
            with graph.name_scope("_x") as beneath:
                assert beneath == "a/b/_x/"
    with graph.name_scope("a") as second:
        assert second == "a_1/"
    with graph.name_scope(b"bytes") as decoded:  # type: ignore[arg-type]
        assert decoded == "bytes/"
    with pytest.raises(ValueError, match="not a valid scope name"), graph.name_scope("_x"):
        pass
    with pytest.raises(ValueError, match="not a valid scope name"), graph.name_scope("a b"):
        pass
    with pytest.raises(TypeError, match="a scope's name is a string"), graph.name_scope(3):  # type: ignore[arg-type]
        pass
    with pytest.raises(ValueError, match="not a valid operation name"):
        tf.constant(1.0, name="_x")
    assert graph.scope == ""


# --- scopes ------------------------------------------------------------------------------------------------


def test_control_dependencies_that_data_implies_are_left_out(graph: tf.Graph) -> None:
    a, b, x = tf.constant(1.0), tf.constant(2.0), tf.constant(3.0)
    with graph.control_dependencies([a, b.op]):
        c = tf.identity(x)
        d = tf.identity(c)  # c has waited already
        e = tf.identity(a)  # takes one itself
        with graph.control_dependencies([x]):
            f = tf.identity(b)
            g = tf.identity(c)
        with graph.control_dependencies(None):
            h = tf.identity(x)
            with graph.control_dependencies([c]):
                i = tf.identity(x)
        j = tf.identity(x)
    k = tf.identity(x)
    waits = {t: t.op.control_inputs for t in (c, d, e, f, g, h, i, j, k)}
    assert waits == {
        c: [a.op, b.op], d: [], e: [b.op], f: [a.op, x.op], g: [x.op], h: [], i: [c.op],
        j: [a.op, b.op], k: [],
    }  # fmt: skip


def test_what_operations_may_wait_for(graph: tf.Graph) -> None:
    v = tf.Variable(1.0, use_resource=True)
    slices = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([0]))
    with graph.control_dependencies([v, slices, v]):
        waits = tf.no_op().control_inputs
    assert waits == [v.handle.op, slices.values.op]
    sparse = tf.SparseTensor([[0]], [1.0], [2])
    with (
        pytest.raises(TypeError, match="Can not convert a SparseTensor"),
        graph.control_dependencies([sparse]),
    ):
        pass
    with pytest.raises(TypeError, match="Can not convert a int"), graph.control_dependencies([1]):
        pass
    other = tf.Graph()
    with other.as_default():
        foreign = tf.constant(1.0)
    with (
        pytest.raises(ValueError, match="not an element of this graph"),
        graph.control_dependencies([foreign]),
    ):
        pass
    assert graph.control == []


def test_colocation(graph: tf.Graph) -> None:
    with graph.device("/gpu:0"):
        a = tf.constant(1.0, name="a")
    b = tf.constant(2.0, name="b")
    with graph.device("/cpu:1"), graph.colocate_with(a):
        c = tf.constant(3.0)
        with graph.colocate_with(b.op):
            d = tf.constant(4.0)
        with graph.colocate_with(b, ignore_existing=True):
            e = tf.constant(5.0)
        with graph.colocate_with(None, ignore_existing=True):
            f = tf.constant(6.0)
        with graph.colocate_with(c):
            g = tf.constant(7.0)
    h = tf.constant(8.0)
    assert [t.op.colocation_groups() for t in (c, d, e, g)] == [
        [b"loc:@a"], [b"loc:@a", b"loc:@b"], [b"loc:@b"], [b"loc:@a"],
    ]  # fmt: skip
    assert [t.device for t in (a, b, c, d, e, f)] == ["/device:GPU:0", "", "/device:GPU:0", "", "", ""]
    assert "_class" not in f.op.attrs and "_class" not in h.op.attrs and h.device == ""
    with pytest.raises(ValueError, match="an operation is needed"), graph.colocate_with(None):
        pass
    v = tf.Variable(1.0, use_resource=True, name="v")
    with graph.colocate_with(v):
        assert tf.constant(1.0).op.colocation_groups() == [b"loc:@v"]


def test_an_operation_on_a_reference_stays_beside_its_variable(graph: tf.Graph) -> None:
    with graph.device("/gpu:1"):
        v = tf.Variable(1.0, name="v", use_resource=False)
    with graph.device("/cpu:0"):
        write = v.assign(2.0)
    assert write.device == "/device:GPU:1" and write.op.colocation_groups() == [b"loc:@v"]
    with graph._attr_scope({"_class": [b"loc:@z", "loc:@b"]}):
        both = v.assign(3.0)
    assert both.op.colocation_groups() == [b"loc:@v"]


def test_devices(graph: tf.Graph) -> None:
    seen: list[str] = []

    def choose(op: tf.Operation) -> str | None:
        seen.append(op.type)
        return None if op.type == "NoOp" else "/job:b"

    with graph.device("/job:a/task:1"):
        with graph.device("/gpu:0"):
            a = tf.constant(1.0)
        with graph.device(None):
            b = tf.constant(1.0)
            with graph.device("/cpu:0"):
                c = tf.constant(1.0)
        with graph.device(choose):
            d, e = tf.constant(1.0), tf.no_op()
        with graph.device(tf.DeviceSpec(job="c")):
            f = tf.constant(1.0)
    assert [t.device for t in (a, b, c, d, e, f)] == [
        "/job:a/task:1/device:GPU:0", "", "/device:CPU:0", "/job:b/task:1", "/job:a/task:1", "/job:c/task:1",
    ]  # fmt: skip
    assert seen == ["Const", "NoOp"] and tf.constant(1.0).device == ""


def test_containers_and_attributes_of_a_scope(graph: tf.Graph) -> None:
    with graph.container("here") as name:
        v = tf.Variable(1.0, use_resource=False)
        queue = tf.FIFOQueue(1, tf.float32, [[]])
        c = tf.constant(1.0)
        with graph.container("there"):
            w = tf.Variable(1.0, use_resource=False)
    assert name == "here" and v.op.get_attr("container") == b"here" and w.op.get_attr("container") == b"there"
    assert queue.queue_ref.op.get_attr("container") == b"here" and "container" not in c.op.attrs
    assert tf.Variable(1.0, use_resource=False).op.get_attr("container") == b""
    with graph._attr_scope({"_a": 1, "_b": 2}), graph._attr_scope({"_b": None, "_c": lambda node: node.op}):
        attrs = tf.constant(1.0).op.attrs
    assert attrs["_a"] == 1 and "_b" not in attrs and attrs["_c"] == "Const"
    assert "_a" not in tf.constant(1.0).op.attrs


def test_gradients_overridden_in_a_scope(graph: tf.Graph) -> None:
    with graph.gradient_override_map({"Exp": "First", "Sin": "Second"}):
        with graph.gradient_override_map({"Exp": "Third"}):
            a, b = tf.exp(1.0), tf.sin(1.0)
        c, d = tf.exp(1.0), tf.cos(1.0)
    assert [t.op.attrs.get("_gradient_op_type") for t in (a, b, c, d, tf.exp(1.0))] == [
        "Third", "Second", "First", None, None,
    ]  # fmt: skip
    for wrong in ([("Exp", "First")], {1: "First"}, {"Exp": 1}):
        with pytest.raises(TypeError, match="gradient_override_map"), graph.gradient_override_map(wrong):  # type: ignore[arg-type]
            pass


def test_a_context_is_told_what_is_added(graph: tf.Graph) -> None:
    class Context:
        def __init__(self) -> None:
            self.added: list[tf.Operation] = []

        def AddOp(self, op: tf.Operation) -> None:
            self.added.append(op)

    context = Context()
    graph._set_control_flow_context(context)
    a = tf.constant(1.0).op
    graph._set_control_flow_context(None)
    b = tf.constant(1.0).op
    assert context.added == [a] and a._get_control_flow_context() is context
    assert b._get_control_flow_context() is None and graph._get_control_flow_context() is None
    with graph._original_op(a):
        c = tf.constant(1.0).op
    assert c._original_op is a and b._original_op is None and tf.constant(1.0).op._original_op is None


# --- collections -------------------------------------------------------------------------------------------


def test_collections(graph: tf.Graph) -> None:
    a, b = tf.constant(1.0, name="a/x"), tf.constant(2.0, name="b/a")
    graph.add_to_collection("c", a)
    graph.add_to_collections(["c", "d", "d"], b)
    graph.add_to_collections("single", 3)
    graph.add_to_collection(("key", 1), 4)  # type: ignore[arg-type]
    graph.add_to_collection("c", "without a name")
    assert graph.get_collection("c") == [a, b, "without a name"] and graph.get_collection("d") == [b]
    assert graph.get_collection("c", "a") == [a] and graph.get_collection("c", ".*a:0$") == [b]
    assert graph.get_collection("none") == [] and "none" not in graph.collections
    assert graph.get_all_collection_keys() == ["c", "d", "single"]
    assert graph.collections == ["c", "d", "single", ("key", 1)]
    graph.get_collection("c").clear()
    assert len(graph.get_collection_ref("c")) == 3
    graph.get_collection_ref("c").clear()
    assert graph.get_collection("c") == [] and graph.get_collection_ref("new") == []
    graph.clear_collection("d")
    graph.clear_collection("never")
    assert graph.get_collection("d") == []


# --- adding and undoing ------------------------------------------------------------------------------------


def test_an_operation_is_added_by_its_type(graph: tf.Graph) -> None:
    other = tf.Graph()
    with other.as_default():
        x = tf.placeholder(tf.float32, [2, 3])
    op = other.create_op("Sum", [x, other.create_op("Const", [], attrs=_axis()).outputs[0]], name="s")
    assert op.graph is other and op.name == "s" and op.outputs[0].shape == [2]
    assert graph.get_operations() == []


def _axis() -> dict[str, Any]:
    with tf.Graph().as_default():
        return dict(tf.constant(1).op.node_def.attr)


def test_rolling_back(graph: tf.Graph) -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    graph.undo = []
    names = dict(graph.names)
    y = tf.add(x, x, name="y")
    tf.exp(y, name="x")
    assert len(graph.undo) > 2 and x.consumers() == [y.op, y.op]
    graph.roll_back(1)
    assert graph.undo == [] and graph.names == names and graph.get_operations() == [x.op]
    assert x.consumers() == []
    graph.undo = None
    assert tf.exp(x, name="x").name == "x_1:0" and tf.exp(x, name="y").name == "y:0"


def test_the_default_graph_of_a_thread(graph: tf.Graph) -> None:
    other = tf.Graph()
    with other.as_default() as entered:
        assert entered is other and tf.get_default_graph() is other
        with pytest.raises(AssertionError, match="do not call it inside"):
            tf.reset_default_graph()
    assert tf.get_default_graph() is graph
    tf.reset_default_graph()
    assert tf.get_default_graph() is not graph
    context = other.as_default()
    context.__enter__()
    inner = graph.as_default()
    inner.__enter__()
    with pytest.raises(AssertionError, match="Nesting violated"):
        context.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    context.__exit__(None, None, None)
    with pytest.raises(TypeError, match="cannot be copied"):
        __import__("copy").deepcopy(other)
