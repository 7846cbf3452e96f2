"""What only private paths have: every name of the table of such names is there, and does what it says."""

import functools
import importlib
import logging

import numpy as np
import pytest

import millrace as tf
from millrace.api._private import PRIVATE


def private(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"millrace.{module}"), name)


@pytest.mark.parametrize("path", sorted(PRIVATE))
def test_each_name_is_there(path):
    module = importlib.import_module(f"millrace.{path}")
    assert [name for name in PRIVATE[path] if not hasattr(module, name)] == []


def test_modules_lead_to_one_another():
    ops = importlib.import_module("millrace.python.framework.ops")
    assert private("python.ops.array_ops.ops") is ops
    rnn = importlib.import_module("millrace.python.ops.rnn_cell_impl")
    assert private("python.ops.rnn.rnn_cell_impl") is rnn


def test_decorators_keep_the_signature():
    make_decorator = private("python.util.tf_decorator.make_decorator")
    getfullargspec = private("python.util.tf_inspect.getfullargspec")

    def add(a, b=2, *, c=3):
        return a + b + c

    def wrapper(*args, **kwargs):
        return add(*args, **kwargs)

    decorated = make_decorator(add, wrapper, "twice")
    assert decorated.__name__ == "add" and decorated(1) == 6
    assert getfullargspec(decorated).args == ["a", "b"]
    assert private("python.util.tf_decorator.unwrap")(decorated)[1] is add
    assert private("python.util.function_utils.fn_args")(functools.partial(decorated, 1)) == ("b",)
    assert private("python.util.tf_inspect.getcallargs")(add, 1) == {"a": 1, "b": 2, "c": 3}


def test_deprecation(caplog):
    deprecated = private("python.util.deprecation.deprecated")

    @deprecated("2030-01-01", "use g")
    def f(a):
        """Does it."""
        return a

    with caplog.at_level(logging.WARNING, "tensorflow"):
        assert (f(1), f(2)) == (1, 2)
    assert len(caplog.records) == 1 and "use g" in caplog.text
    assert f.__doc__.startswith("Does it. (deprecated)\n\nWarning: THIS FUNCTION IS DEPRECATED.")
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        deprecated("soon", "use g")
    lookup = private("python.util.deprecation.deprecated_argument_lookup")
    assert lookup("new", None, "old", 3) == 3
    with pytest.raises(ValueError, match="Cannot specify both 'old' and 'new'"):
        lookup("new", 1, "old", 3)
    with pytest.raises(ValueError, match="lacks the arguments"):
        private("python.util.deprecation.deprecated_args")(None, "x", "zz")(lambda a: a)


def test_identity_as_a_key():
    table = private("python.util.object_identity.ObjectIdentityDictionary")()
    a, b = [1], [1]
    table[a] = "a"
    assert a in table and b not in table
    assert tf.constant(1).experimental_ref().deref().op.type == "Const"


def test_scope_names():
    assert private("python.framework.ops.prepend_name_scope")("^a", "s") == "^s/a"
    assert private("python.framework.ops.strip_name_scope")("loc:@s/a", "s") == "loc:@a"


def test_one_graph():
    of_inputs = private("python.framework.ops._get_graph_from_inputs")
    a = tf.constant(1)
    with tf.Graph().as_default() as other:
        b = tf.constant(1)
    assert of_inputs([a, "text"]) is a.graph
    with pytest.raises(ValueError, match="must be from the same graph"):
        of_inputs([a, b])
    with pytest.raises(ValueError, match="not from the passed-in graph"):
        of_inputs([a], other)


def test_flops():
    stats = private("python.framework.ops.get_stats_for_node_def")
    y = tf.matmul(tf.ones([2, 3]), tf.ones([3, 4]))
    assert stats(y.graph, y.op.node_def, "flops").value == 48
    assert stats(y.graph, y.op.inputs[0].op.node_def, "flops").value is None


def test_switch_and_merge():
    ops = importlib.import_module("millrace.python.ops.control_flow_ops")
    p = tf.placeholder(tf.bool, [])
    no, yes = ops.switch(tf.constant([1.0, 2.0]), p)
    value, which = ops.merge([no + 1, yes * 2])
    with tf.Session() as session:
        assert [v.tolist() for v in session.run([value, which], {p: True})] == [[2.0, 4.0], 1]
        assert [v.tolist() for v in session.run([value, which], {p: False})] == [[2.0, 3.0], 0]
    with pytest.raises(ValueError, match="None"):
        ops.merge([no, None])


def test_a_context_gets_what_is_added():
    base = private("python.ops.control_flow_ops.XLAControlFlowContext")
    seen = []

    class Context(base):
        def AddOp(self, op):
            seen.append(op.name)
            super().AddOp(op)

    context = Context()
    context.Enter()
    try:
        x = tf.constant(1, name="inside")
    finally:
        context.Exit()
    tf.constant(2, name="outside")
    assert seen == ["inside"] and x.op._get_control_flow_context() is context
    assert private("python.ops.control_flow_util.IsInXLAContext")(x.op)
    assert tf.get_default_graph()._get_control_flow_context() is None


def test_smart_cond():
    smart_cond = private("python.framework.smart_cond.smart_cond")
    assert smart_cond(True, lambda: "a", lambda: "b") == "a"
    assert smart_cond(tf.constant(False), lambda: "a", lambda: "b") == "b"
    chosen = smart_cond(tf.placeholder_with_default(True, []), lambda: tf.constant(1), lambda: tf.constant(2))
    with tf.Session() as session:
        assert session.run(chosen) == 1
    with pytest.raises(TypeError, match="`pred` must be a Tensor"):
        smart_cond("yes", lambda: 1, lambda: 2)


def test_lengths_of_convolutions():
    utils = importlib.import_module("millrace.python.layers.utils")
    found = [utils.conv_output_length(10, 3, p, 2) for p in ("same", "valid", "full")]
    assert found == [5, 4, 6] and utils.conv_output_length(10, 3, "valid", 2, dilation=2) == 3
    assert [utils.conv_input_length(5, 3, p, 2) for p in ("same", "valid", "full")] == [9, 11, 7]
    assert [utils.deconv_output_length(5, 3, p, 2) for p in ("same", "valid", "full")] == [10, 11, 7]
    assert utils.normalize_tuple(2, 3, "k") == (2, 2, 2)
    with pytest.raises(ValueError, match="including element a"):
        utils.normalize_tuple((1, "a"), 2, "k")
    keras = importlib.import_module("millrace.python.keras.utils.conv_utils")
    assert keras.conv_output_length(10, 3, "causal", 2, dilation=3) == 5
    found = [
        keras.deconv_output_length(10, 3, p, o, 2) for p, o in (("same", None), ("same", 1), ("valid", 0))
    ]
    assert found == [20, 20, 21] and keras.deconv_output_length(10, 3, "full", 1, 3) == 27
    assert keras.deconv_output_length(10, 3, "valid", None, 2, 2) == 23


def test_cells_of_ones_own():
    cells = importlib.import_module("millrace.python.ops.rnn_cell_impl")
    assert cells._concat(2, [3], static=True) == [2, 3]
    with pytest.raises(TypeError, match="'output_size' property is missing"):
        cells.assert_like_rnncell("cell", 1)
    y = cells._linear([tf.ones([2, 3]), tf.ones([2, 1])], 2, True, kernel_initializer=tf.ones_initializer())
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(session.run(y), [[4, 4], [4, 4]])
    with pytest.raises(ValueError, match="2D"):
        cells._linear(tf.ones([2]), 2, True)


def test_step_of_a_network_with_lengths():
    step = private("python.ops.rnn._rnn_step")
    state = tf.constant([[1.0], [2.0]])

    def run(skip):
        return step(
            tf.constant(1),
            tf.constant([1, 3]),
            tf.constant(1),
            tf.constant(3),
            tf.zeros([2, 1]),
            state,
            lambda: (state * 10.0, state + 1.0),
            1,
            skip,
        )

    with tf.Session() as session:
        for skip in (False, True):
            output, new = session.run(run(skip))
            assert output.tolist() == [[0.0], [20.0]] and new.tolist() == [[1.0], [3.0]]


def test_private_attributes():
    graph = tf.get_default_graph()
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    assert graph._nodes_by_name["x"] is x.op and graph._nodes_by_id[x.op._id] is x.op
    assert not graph.building_function and x._shape_as_list() == [None, 3] and x._rank() == 2
    with graph._original_op(x.op):
        y = x + 1.0
    assert y.op._original_op is x.op and x.op._original_op is None
    with graph.device("/cpu:0"):
        graph._apply_device_functions(y.op)
    assert y.device == "/device:CPU:0"


def test_callable_from_options():
    x = tf.placeholder(tf.float32, [], name="x")
    y = x + 1.0
    options = private("core.protobuf.config_pb2.CallableOptions")(feed=["x:0"], fetch=[y.name])
    with tf.Session() as session:
        assert session._make_callable_from_options(options)(2.0) == [3.0]


def test_callable_that_joins_tensors():
    x, z = tf.placeholder(tf.float32, [], name="x"), tf.placeholder(tf.float32, [], name="z")
    y, source = x + 1.0, tf.multiply(z, 10.0, name="source")
    options = private("core.protobuf.config_pb2.CallableOptions")(feed=["z:0"], fetch=[y.name])
    options.tensor_connection.add(from_tensor=source.name, to_tensor=x.name)
    with tf.Session() as session:
        assert session._make_callable_from_options(options)(2.0) == [21.0]


def test_graph_mode():
    context = importlib.import_module("millrace.python.eager.context")
    assert not context.executing_eagerly() and not context.context().executing_eagerly()
    assert not private("python.tf2.enabled")()
    with context.graph_mode():
        pass
    with pytest.raises(RuntimeError, match="TensorFlow 2"), context.eager_mode():
        pass


def test_second_version():
    import millrace.compat.v2 as tf2

    assert tf2.nn.relu is tf.nn.relu and tf.compat.v2 is tf2
    assert tf2.keras.layers.Dense is tf.keras.layers.Dense and tf2.raw_ops is tf.raw_ops
    found = tf2.reduce_sum(tf.ones([2, 3]), 1, True)
    assert found.shape.as_list() == [2, 1] and tf2.argmax([1, 2]).dtype == tf.int64
    assert tf2.zeros_like(input=tf.ones([2])).shape.as_list() == [2]
    spec = private("python.util.tf_inspect.getfullargspec")(tf2.reduce_sum)
    assert spec.args == ["input_tensor", "axis", "keepdims", "name"] and spec.defaults == (None, False, None)
    with pytest.raises(TypeError):
        tf2.reduce_sum(tf.ones([2]), keep_dims=True)
    assert tf2.compat.as_bytes("a") == b"a" and tf2.data.Dataset is tf.data.Dataset
    assert tf2.train.Checkpoint is tf.train.Checkpoint and tf2.distribute.Strategy is tf.distribute.Strategy
    with tf.Session() as sess:
        assert sess.run(tf2.math.bincount([1, 1, 3], minlength=6, name="n")).tolist() == [0, 2, 0, 1, 0, 0]
        assert sess.run(tf2.io.decode_raw(["\x01\x02", "\x03"], tf.uint8, fixed_length=2)).tolist() == [
            [1, 2],
            [3, 0],
        ]
        sparse = tf.SparseTensor([[0, 1], [1, 0]], [2.0, 3.0], [2, 2])
        assert sess.run(tf2.sparse.reduce_sum(sparse, 1, keepdims=True)).tolist() == [[2.0], [3.0]]
        assert sess.run(tf2.sparse.reduce_max(sparse, 0, output_is_sparse=True)).values.tolist() == [3.0, 2.0]
        ones = tf.ones([1, 4, 4, 1]), tf.ones([2, 2, 1]), [1, 1, 1, 1], "VALID", "NHWC", [1, 1, 1, 1]
        assert (sess.run([tf2.nn.dilation2d(*ones), tf2.nn.erosion2d(*ones)])[0] == 2).all()
        x = tf.constant([1.4, 2.6])
        y = tf.grad_pass_through(tf.round)(x)
        assert sess.run([y, *tf.gradients(3 * y, x)])[1].tolist() == [3.0, 3.0]
        assert sess.run(tf.timestamp()) > 1.5e9


def test_second_version_functions_can_be_made():
    import inspect

    from millrace.hook import table

    for module, names in table.second_version().items():
        for name, (first, _) in names.items():
            try:
                made = getattr(importlib.import_module(f"millrace.{module}"), name)
            except AttributeError as error:
                assert "does not yet" in str(error), (module, name, first)
                continue
            assert callable(made) and inspect.signature(made), (module, name)


def test_optimizers_are_derived_from_optimizer():
    for name in ("Adam", "GradientDescent", "Momentum", "RMSProp", "Adagrad", "Adadelta", "Ftrl"):
        assert getattr(tf.train, f"{name}Optimizer").__base__ is tf.train.Optimizer

    class Plain(tf.train.Optimizer):
        def __init__(self):
            super().__init__(False, "Plain")

    x = tf.Variable(1.0)
    with pytest.raises(NotImplementedError, match="_apply_dense"):
        Plain().minimize(x * 2.0, var_list=[x])


def test_old_signatures_of_optimizers():
    class Clipped(tf.train.Optimizer):
        def __init__(self, rate, name="Clipped"):
            super().__init__(False, name)
            self._rate = rate

        def compute_gradients(self, loss, var_list=None, **kwargs):
            pairs = super().compute_gradients(loss, var_list, **kwargs)
            return [(tf.clip_by_value(g, -1.0, 1.0), v) for g, v in pairs]

        def _create_slots(self, var_list):
            for v in var_list:
                self._zeros_slot(v, "seen", self._name)

        def _prepare(self):
            self._rate_t = tf.convert_to_tensor(self._rate)

        def _apply_dense(self, grad, var):
            seen = self.get_slot(var, "seen").assign_add(grad)
            return tf.group(var.assign_sub(self._rate_t * grad), seen)

        def _resource_apply_dense(self, grad, handle):
            return self._apply_dense(grad, handle)

    for resource in (False, True):
        x = tf.get_variable(f"x{resource}", [], initializer=tf.zeros_initializer(), use_resource=resource)
        optimizer = Clipped(0.5)
        step = optimizer.minimize(x * 10.0, var_list=[x])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(step)
            assert session.run([x, optimizer.get_slot(x, "seen")]) == [-0.5, 1.0]


def test_no_import_below_compat_v1_makes_a_module_of_its_own():
    """`import tensorflow.compat.v1.X` of what is not a module must not hide the namespace."""
    import millrace

    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("millrace.compat.v1.GraphKeys")
    assert millrace.compat.v1 is importlib.import_module("millrace.compat.v1") and millrace.compat.v1.Session
