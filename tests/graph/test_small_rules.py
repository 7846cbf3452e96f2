"""Rules of graphs, devices, conversions and sessions that programs lean on without saying so."""

import collections
import copy

import numpy as np
import pytest

import millrace as tf


def test_device_specs_change_in_place():
    spec = tf.DeviceSpec(job="a", device_type="CPU")
    spec.merge_from(tf.DeviceSpec(task=2, device_type="GPU", device_index=1))
    assert spec.to_string() == "/job:a/task:2/device:GPU:1"
    assert spec.parse_from_string("/replica:2/device:CPU:0") is spec
    assert spec.to_string() == "/replica:2/device:CPU:0"
    assert spec == tf.DeviceSpec.from_string("/replica:2/cpu:0") and len({spec, copy.copy(spec)}) == 1


@pytest.mark.parametrize("text,wanted", [("/cpu", "/device:CPU:*"), ("/job:w/gpu", "/job:w/device:GPU:*")])
def test_devices_without_an_index(text, wanted):
    with tf.device(text):
        assert tf.constant(1).device == wanted


@pytest.mark.parametrize("text", ["/job:w/cpu:3/gpu:1", "/device:CPU:0/device:GPU:0", "/gpu:x"])
def test_devices_of_two_types(text):
    with pytest.raises(ValueError, match="Received"):
        tf.DeviceSpec.from_string(text)


@pytest.mark.parametrize(
    "text", ["/job:", "/job", "/job:a:b", "/device:CPU:#", "/cpu:#", "/task:x", "/gpu:0:1"]
)
def test_devices_that_are_not_devices(text):
    with pytest.raises(ValueError, match="Received: "):
        tf.DeviceSpec.from_string(text)


def test_a_graph_is_not_a_function_and_cannot_be_copied():
    graph = tf.get_default_graph()
    assert graph.building_function is False
    with pytest.raises(TypeError, match="cannot be copied"):
        copy.deepcopy(graph)


def test_edges_to_sparse_tensors():
    sparse = tf.SparseTensor([[0]], [1.0], [1])
    with pytest.raises(TypeError, match="SparseTensor"), tf.control_dependencies([sparse]):
        pass
    rows = tf.IndexedSlices(tf.ones([1]), tf.constant([0]), tf.constant([2]))
    with tf.control_dependencies([rows]):
        assert tf.no_op().control_inputs == [rows.values.op]
    assert tf.is_tensor(sparse) and tf.is_tensor(rows)


def test_slices_made_of_lists():
    v = tf.Variable([1.0, 2.0])
    op = v.scatter_sub(tf.IndexedSlices([1.0], [0]))
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(op).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("kind", [int, float, np.ndarray, np.generic, type("Metres", (float,), {})])
def test_the_conversion_of_numbers_stays(kind):
    with pytest.raises(TypeError, match="Python numbers"):
        tf.register_tensor_conversion_function(kind, lambda v, **kwargs: tf.constant(9.0))


def test_lists_of_tensors_of_other_dtypes():
    y = tf.convert_to_tensor([tf.constant(1.0), tf.constant(2.0, tf.float64)], dtype=tf.float64)
    assert y.dtype == tf.float64
    with pytest.raises(TypeError):
        tf.convert_to_tensor([tf.constant(1.0, tf.float64), tf.constant(2.0)], dtype=tf.float64)


@pytest.mark.parametrize("versions", [dict(producer=-1), dict(min_consumer=-1), dict(min_consumer=10**6)])
def test_versions_of_a_graph_def(versions):
    tf.constant(1)
    definition = tf.get_default_graph().as_graph_def()
    for name, value in versions.items():
        setattr(definition.versions, name, value)
    with pytest.raises(ValueError, match="import_graph_def"):
        tf.import_graph_def(definition)


def test_fetches_and_devices_of_a_session():
    c = tf.constant(3)
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as sess:
        got = sess.run(collections.defaultdict(list, {"z": c}))
        assert got == {"z": 3} and got["new"] == []
        assert sum(d.device_type == "CPU" for d in sess.list_devices()) == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="at least one target"):
            sess.partial_run_setup([], [])


def test_gradients_that_nobody_knows():
    x = tf.constant([1.0, 2.0, 1.0])
    for y in (tf.unique(x).y, tf.random_shuffle(x), tf.setdiff1d(x, [1.0]).out):
        with pytest.raises(LookupError, match="No gradient defined"):
            tf.gradients(y, x)
    assert tf.gradients(tf.cast(tf.unique(x).idx, tf.float32), x) == [None]
    with pytest.raises(ValueError, match="aggregation_method"):
        tf.gradients(x * x, x, aggregation_method=7)


def test_assignment_to_slices():
    v = tf.Variable([1, 2, 3])
    op = tf.assign(v[0:2], [7, 8])
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(op).tolist() == [7, 8, 3]
    with pytest.raises(ValueError, match="only slices of variables"):
        tf.constant([1, 2, 3])[0:2].assign([7, 8])


@pytest.mark.parametrize(
    "name", ["GradientDescent", "Adam", "Adadelta", "Adagrad", "Momentum", "RMSProp", "Ftrl"]
)
def test_the_base_of_optimizers(name):
    assert getattr(tf.train, f"{name}Optimizer").__base__ is tf.train.Optimizer


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.train.AdagradOptimizer(1.0),
        lambda: tf.train.MomentumOptimizer(1.0, 0.9),
        lambda: tf.train.AdamOptimizer(1.0),
        lambda: tf.train.RMSPropOptimizer(1.0),
        lambda: tf.train.FtrlOptimizer(1.0),
        lambda: tf.train.AdadeltaOptimizer(1.0),
    ],
)
def test_slots_of_variables_of_unknown_shape(make):
    v = tf.get_variable("v", initializer=tf.placeholder_with_default([1.0], None), validate_shape=False)
    step = make().apply_gradients([(tf.constant([0.1]), v)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        assert sess.run(v).shape == (1,)
