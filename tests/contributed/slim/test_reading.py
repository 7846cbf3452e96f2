"""Tests of slim's data sets, readers, prefetching and summaries."""

import pytest

import millrace as tf

S = tf.contrib.slim


def _records(path, n):
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        for i in range(n):
            example = tf.train.Example()
            example.features.feature["x"].int64_list.value.append(i)
            writer.write(example.SerializeToString())
    return str(path)


def _dataset(path, n):
    item = S.tfexample_decoder.Tensor("x")
    decoder = S.tfexample_decoder.TFExampleDecoder({"x": tf.FixedLenFeature([], tf.int64)}, {"x": item})
    return S.dataset.Dataset(path, tf.TFRecordReader, decoder, n, {"x": "a number"}, num_classes=3)


@pytest.mark.parametrize("shuffle", [False, True])
def test_items_of_a_data_set(tmp_path, shuffle):
    dataset = _dataset(_records(tmp_path / "r", 5), 5)
    provider = S.dataset_data_provider.DatasetDataProvider(
        dataset, shuffle=shuffle, num_epochs=1, common_queue_min=2, seed=1
    )
    x, key = provider.get(["x", "record_key"])
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        with S.queues.QueueRunners(session):
            seen = [session.run([x, key]) for _ in range(5)]
            with pytest.raises(tf.errors.OutOfRangeError):
                session.run(x)
    assert sorted(v for v, _ in seen) == [0, 1, 2, 3, 4]
    assert all(str(tmp_path).encode() in k for _, k in seen)
    assert (provider.num_samples(), dataset.num_classes, set(provider.list_items())) == (
        5,
        3,
        {"x", "record_key"},
    )
    with pytest.raises(ValueError, match="does not exist"):
        provider.get(["q"])


def test_files(tmp_path):
    paths = [_records(tmp_path / f"r-{i}", 1) for i in range(2)]
    assert sorted(S.parallel_reader.get_data_files(str(tmp_path / "r-*"))) == paths
    with pytest.raises(ValueError, match="No data files"):
        S.parallel_reader.get_data_files(str(tmp_path / "q*"))
    key, value = S.parallel_reader.single_pass_read(paths, tf.TFRecordReader)
    assert key.dtype == value.dtype == tf.string


def test_prefetching():
    queue = S.prefetch_queue.prefetch_queue({"b": tf.constant(1.0), "a": tf.constant("x")}, capacity=2)
    with tf.Session() as session, S.queues.QueueRunners(session):
        assert session.run(queue.dequeue()) == {"a": b"x", "b": 1.0}
        assert [s.op.name for s in tf.get_collection("summaries")] == ["prefetch_queue/fraction_of_2_full"]


def test_summaries_and_sizes():
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    S.summaries.add_histogram_summaries([x], "p")
    S.summaries.add_zero_fraction_summary(x, prefix="q")
    S.summaries.add_scalar_summary(tf.constant(1.0, name="c"), print_summary=True)
    S.summaries.add_image_summary(tf.zeros([1, 2, 2, 1], name="i"))
    names = [s.op.name for s in tf.get_collection("summaries")]
    assert names[:2] == ["p/x", "q/x/Fraction_of_Zero_Values"]
    assert S.model_analyzer.tensor_description(x) == "(float32 2x3)"
    with tf.Graph().as_default() as graph:
        tf.zeros([2, 3])
        assert S.model_analyzer.analyze_ops(graph, print_info=True) == 6


def test_batches():
    @tf.contrib.batching.batch_function(1, 10, 100)
    def double(x):
        return 2 * x

    x = tf.constant([1.0, 2.0])
    (y,) = double(x)
    with tf.Session() as session:
        assert session.run(y).tolist() == [2, 4]
    assert tf.gradients(y, x) == [None]
    with pytest.raises(ValueError, match="increase"):
        tf.contrib.batching.batch_function(1, 10, 100, allowed_batch_sizes=[4, 2])
