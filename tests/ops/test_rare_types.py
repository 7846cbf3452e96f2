"""Operation types that few files hold: requests, constants in files, maps, eigenvalues, old forms."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

import millrace as tf

raw = tf.raw_ops


def run(fetches, feeds=None):
    with tf.Session() as sess:
        return sess.run(fetches, feeds)


def test_a_request_is_a_batch_of_its_own():
    x = tf.placeholder(tf.float32, [None, 2])
    times = {"num_batch_threads": 1, "batch_timeout_micros": 9, "grad_timeout_micros": 9}
    batch = raw.Batch(in_tensors=[x, x * 3.0], max_batch_size=2, **times)
    y = raw.Unbatch(batched_tensor=batch.batched_tensors[1] + 1.0, batch_index=batch.batch_index, id=batch.id,
                    timeout_micros=9)  # fmt: skip
    slope = raw.UnbatchGrad(original_input=x, batch_index=batch.batch_index, grad=y, id=batch.id)
    assert y.shape.as_list() == slope.shape.as_list() == [None, 2]
    value, back, index, number = run([y, slope, batch.batch_index, batch.id], {x: [[1.0, 2.0]]})
    assert value.tolist() == back.tolist() == [[4, 7]] and index.tolist() == [[number, 0, 1]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 2 rows"):
        run(y, {x: np.zeros([3, 2])})
    other = raw.Unbatch(batched_tensor=x, batch_index=[[7, 0, 1]], id=6, timeout_micros=9)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no rows of the request"):
        run(other, {x: np.zeros([3, 2])})
    with pytest.raises(tf.errors.InvalidArgumentError, match="equal 0th-dimension"):
        run(raw.Batch(in_tensors=[tf.zeros([1]), tf.zeros([2])], max_batch_size=2, **times).id)


def test_a_constant_in_a_file(tmp_path):
    path = str(tmp_path / "region")
    with open(path, "wb") as file:
        file.write(np.arange(6, dtype="<f4").tobytes())
    y = raw.ImmutableConst(dtype=tf.float32, shape=[2, 3], memory_region_name=path)
    assert y.shape.as_list() == [2, 3] and run(y + 0.5).tolist() == [[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]]
    with pytest.raises(tf.errors.InternalError, match=r"wrong length \(24\) when allocating 32"):
        run(raw.ImmutableConst(dtype=tf.float32, shape=[8], memory_region_name=path))
    with pytest.raises(tf.errors.NotFoundError, match="none"):
        run(raw.ImmutableConst(dtype=tf.float32, shape=[8], memory_region_name=path + "none"))


def test_a_summary_of_a_tensor_by_the_name_of_its_operation():
    summary = tf.Summary.FromString(run(raw.TensorSummary(tensor=[1.0, 2.0], name="held")))
    (value,) = summary.value
    assert value.node_name == "held" and tf.make_ndarray(value.tensor).tolist() == [1, 2]


def test_a_summary_written_as_it_is(tmp_path):
    writer = raw.SummaryWriter(shared_name="w", container="")
    made = raw.CreateSummaryFileWriter(writer=writer, logdir=str(tmp_path), max_queue=1, flush_millis=9,
                                       filename_suffix="")  # fmt: skip
    data = tf.Summary(value=[tf.Summary.Value(tag="t", simple_value=3)]).SerializeToString()
    written = raw.WriteRawProtoSummary(writer=writer, step=tf.constant(7, tf.int64), tensor=data)
    with tf.Session() as sess:
        sess.run(made)
        sess.run(written)
        sess.run(raw.CloseSummaryWriter(writer=writer))
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(raw.WriteRawProtoSummary(writer=writer, step=tf.constant(7, tf.int64), tensor="no"))
    (path,) = tmp_path.iterdir()
    events = [e for e in tf.train.summary_iterator(str(path)) if e.HasField("summary")]
    assert [(e.step, e.summary.value[0].simple_value) for e in events] == [(7, 3)]


def test_a_dense_table_of_old_graphs():
    table = raw.MutableDenseHashTable(empty_key=tf.constant(-1, tf.int64), value_dtype=tf.float32)
    put = raw.LookupTableInsert(table_handle=table, keys=tf.constant([5], tf.int64), values=[2.0])
    with tf.control_dependencies([put]):
        y = raw.LookupTableFind(table_handle=table, keys=tf.constant([5, 6], tf.int64), default_value=-1.0)
    assert run(y).tolist() == [2, -1]


def test_old_forms_of_generators():
    state = tf.Variable(np.array([1, 5, 0, 77], np.int64), use_resource=True)
    y = raw.StatefulStandardNormal(resource=state.handle, shape=[3])
    other = tf.Variable(np.array([5, 0, 77], np.int64), use_resource=True)
    z = raw.StatefulStandardNormalV2(resource=other.handle, algorithm=1, shape=[3])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(y).tolist() == sess.run(z).tolist()
        assert sess.run(state).tolist() == [1, *sess.run(other).tolist()]
    ints = raw.NonDeterministicInts(shape=[2, 40], dtype=tf.uint64)
    with tf.Session() as sess:
        first, second = sess.run(ints), sess.run(ints)
    assert first.dtype == np.uint64 and first.shape == (2, 40) and (first != second).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64, np.complex128])
def test_eigenvalues(kind):
    a = np.random.RandomState(0).randn(3, 4, 4).astype(kind)
    out = np.result_type(kind, np.complex64)
    values, vectors = run(list(raw.Eig(input=a, Tout=out)))
    np.testing.assert_allclose(a @ vectors, vectors * values[:, None], atol=1e-5)
    assert values.dtype == vectors.dtype == out
    only = run(raw.Eig(input=a, Tout=out, compute_v=False).e)
    np.testing.assert_allclose(np.sort_complex(only), np.sort_complex(values), atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not successful"):
        run(raw.Eig(input=a + np.inf, Tout=out).e)


def test_sobol_numbers_are_tensorflows():
    y = raw.SobolSample(dim=3, num_results=5, skip=2)
    assert y.shape.as_list() == [5, 3]
    assert run(y).tolist() == [
        [0.25, 0.75, 0.75], [0.375, 0.375, 0.625], [0.875, 0.875, 0.125], [0.625, 0.125, 0.875],
        [0.125, 0.625, 0.375],
    ]  # fmt: skip
    for wrong, rule in ((dict(dim=0, num_results=1, skip=0), "dim must be at least one"),
                        (dict(dim=1, num_results=0, skip=0), "num_results must be at least one"),
                        (dict(dim=1, num_results=1, skip=-1), "skip must be non-negative")):  # fmt: skip
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=rule):
            run(raw.SobolSample(**wrong))


@pytest.mark.parametrize("keys", [(2, 1), ("b", "a"), ([1.0, 2.0], [1.0])])
def test_maps(keys):
    made = raw.EmptyTensorMap()
    for number, key in enumerate(keys):
        made = raw.TensorMapInsert(input_handle=made, key=key, value=[1.0, number])
    kind = tf.convert_to_tensor(keys[0]).dtype
    less = raw.TensorMapErase(input_handle=made, key=keys[0], value_dtype=tf.float32)
    found = [raw.TensorMapLookup(input_handle=made, key=key, value_dtype=tf.float32) for key in keys]
    sizes = [raw.TensorMapSize(input_handle=each) for each in (made, less)]
    has = [raw.TensorMapHasKey(input_handle=less, key=key) for key in keys]
    values, counts, there = run([found, sizes, has])
    assert [v.tolist() for v in values] == [[1, 0], [1, 1]]
    assert counts == [2, 1] and [bool(h) for h in there] == [False, True]
    if kind is not tf.float32:
        stacked = run(raw.TensorMapStackKeys(input_handle=made, key_dtype=kind))
        assert stacked.tolist() == [k.encode() if isinstance(k, str) else k for k in keys]
    floats = {"key": keys[0], "value_dtype": tf.float32}
    refused = {
        "lookup": raw.TensorMapLookup(input_handle=less, **floats),
        "erase": raw.TensorMapErase(input_handle=less, **floats),
        "has float": raw.TensorMapLookup(input_handle=made, key=keys[0], value_dtype=tf.int32),
        "empty map": raw.TensorMapStackKeys(input_handle=raw.EmptyTensorMap(), key_dtype=kind),
    }
    for rule, wrong in refused.items():
        with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
            run(raw.TensorMapSize(input_handle=wrong) if wrong.dtype is tf.variant else wrong)


def test_the_gradient_of_flat_values_of_ragged_rows():
    rows = raw.RaggedTensorToVariant(
        rt_nested_splits=[tf.constant([0, 2, 2, 3], tf.int64)],
        rt_dense_values=[1.0, 2.0, 3.0],
        batched_input=True,
    )
    splits = tf.constant([0, 2, 2, 3], tf.int64)
    y = raw.RaggedTensorToVariantGradient(
        encoded_ragged_grad=rows, row_splits=splits, dense_values_shape=[3], Tvalues=tf.float32
    )
    assert y.shape.as_list() == [3] and run(y).tolist() == [1, 2, 3]
    wrong = raw.RaggedTensorToVariantGradient(
        encoded_ragged_grad=rows, row_splits=splits, dense_values_shape=[2], Tvalues=tf.float32
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="3 elements"):
        run(wrong)


def test_numbers_of_few_bits_are_handed_on_and_cast():
    for kind, last in (("float8_e5m2", -3), ("float8_e4m3fn", -3), ("int4", -3), ("uint4", 3)):
        dtype = tf.as_dtype(kind)
        x = tf.constant(np.array([1, 2, last]).astype(dtype.as_numpy_dtype))
        assert x.dtype is dtype and run(tf.cast(tf.identity(x), tf.float32)).tolist() == [1, 2, last]
        graph = tf.GraphDef(node=[x.op.node_def])
        (again,) = tf.import_graph_def(graph, return_elements=[x.name])
        assert run(tf.cast(again, tf.int32)).tolist() == [1, 2, last]
        assert tf.make_tensor_proto(run(x)[2:], dtype).dtype == dtype.as_datatype_enum


@pytest.mark.parametrize("kind", ["float8_e5m2", "int4"])
def test_checkpoints_hold_numbers_of_few_bits(tmp_path, kind):
    dtype, path = tf.as_dtype(kind), str(tmp_path / "m")
    value = np.array([[1, -2]]).astype(dtype.as_numpy_dtype)
    with tf.Session() as sess:
        sess.run(raw.SaveV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], tensors=[value]))
    found = tf.train.load_checkpoint(path)
    assert found.get_variable_to_dtype_map() == {"a": dtype}
    assert found.get_tensor("a").astype(int).tolist() == [[1, -2]]


_FOR = """
node { name: "n" op: "Placeholder" attr { key: "dtype" value { type: DT_INT32 } } }
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "start" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 1 } } } }
node { name: "step" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: STEP } } } }
node { name: "y" op: "For" input: "start" input: "n" input: "step" input: "x"
       attr { key: "T" value { list { type: DT_FLOAT } } }
       attr { key: "body" value { func { name: "body" } } } }
library { function {
  signature { name: "body" input_arg { name: "i" type: DT_INT32 } input_arg { name: "a" type: DT_FLOAT }
              output_arg { name: "b" type: DT_FLOAT } }
  node_def { name: "f" op: "Cast" input: "i" attr { key: "SrcT" value { type: DT_INT32 } }
             attr { key: "DstT" value { type: DT_FLOAT } } }
  node_def { name: "twice" op: "AddV2" input: "a" input: "a" attr { key: "T" value { type: DT_FLOAT } } }
  node_def { name: "sum" op: "AddV2" input: "twice:z:0" input: "f:y:0"
             attr { key: "T" value { type: DT_FLOAT } } }
  ret { key: "b" value: "sum:z:0" } } }
versions { producer: 134 }
"""


@pytest.mark.parametrize(("step", "last", "y", "slope"), [(2, 7, 23, 8), (-2, -4, 7, 8), (2, 1, 1, 1)])
def test_for_calls_its_function_for_each_number(step, last, y, slope):
    graph = text_format.Parse(_FOR.replace("STEP", str(step)), tf.GraphDef())
    result, x, n = tf.import_graph_def(graph, return_elements=["y:0", "x:0", "n:0"], name="")
    (slopes,) = tf.gradients(result, x)
    assert run([result, slopes], {x: 1.0, n: last}) == [y, slope]


def test_for_without_its_function():
    graph = text_format.Parse(_FOR.replace("STEP", "1").replace('func { name: "body"', 'func { name: "none"'),
                              tf.GraphDef())  # fmt: skip
    with pytest.raises(ValueError, match="'y' \\(type For\\): uses a function that the library lacks"):
        tf.import_graph_def(graph)


def test_the_older_handle_of_a_queue():
    graph = text_format.Parse("""
        node { name: "q" op: "FIFOQueueV2" attr { key: "component_types" value { list { type: DT_FLOAT } } } }
        node { name: "old" op: "FakeQueue" input: "q" }
        node { name: "size" op: "QueueSize" input: "old" }
        versions { producer: 134 }
    """, tf.GraphDef())  # fmt: skip
    assert run(tf.import_graph_def(graph, return_elements=["size:0"])) == [0]
