"""Accumulators, staging areas, barriers, random records, and what readers tell of themselves."""

import threading
import time

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


def started(work):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(work()), daemon=True)
    thread.start()
    time.sleep(0.05)
    return thread, outcome


def slices(indices, values, shape=(4, 2)):
    return tf.IndexedSlices(tf.constant(values), tf.constant(indices, tf.int64), tf.constant(shape, tf.int64))


@pytest.mark.parametrize("kind, expected", [("MEAN", [2, 3]), ("SUM", [4, 6])])
def test_dense_gradients_add_up(sess, kind, expected):
    total = tf.ConditionalAccumulator(tf.float32, [2], reduction_type=kind)
    take = total.take_grad(2)
    assert take.shape.as_list() == [2]
    thread, outcome = started(lambda: sess.run(take).tolist())
    sess.run(total.apply_grad([1.0, 2.0]))
    assert outcome == [] and sess.run(total.num_accumulated()) == 1
    sess.run(total.apply_grad([3.0, 4.0]))
    thread.join(5)
    assert outcome == [expected] and sess.run(total.num_accumulated()) == 0


def test_gradients_of_the_past_are_dropped(sess):
    total = tf.ConditionalAccumulator(tf.float32, [])
    sess.run(total.set_global_step(3))
    sess.run(total.apply_grad(1.0, local_step=2))
    assert sess.run(total.num_accumulated()) == 0
    sess.run(total.apply_grad(1.0, local_step=3))
    assert sess.run(total.take_grad(1)) == 1
    sess.run(total.apply_grad(1.0, local_step=3))  # taking has moved the step on
    assert sess.run(total.num_accumulated()) == 0


def test_what_an_accumulator_refuses(sess):
    total = tf.ConditionalAccumulator(tf.float32, [2])
    fed = tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Shape mismatch"):
        sess.run(total.apply_grad(fed), {fed: [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="agree"):
        total.apply_grad([1.0, 2.0, 3.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="positive"):
        sess.run(total.take_grad(0))
    with pytest.raises(ValueError, match="reduction_type"):
        tf.ConditionalAccumulator(tf.float32, [2], reduction_type="MAX")


def test_rows_add_up_each_by_itself(sess):
    total = tf.SparseConditionalAccumulator(tf.float32, shape=[4, 2])
    sess.run(total.apply_indexed_slices_grad(slices([1, 3], [[1.0, 2.0], [3.0, 4.0]])))
    sess.run(total.apply_indexed_slices_grad(slices([0, 3], [[1.0, 1.0], [5.0, 6.0]])))
    found = sess.run(total.take_indexed_slices_grad(2))
    assert found.indices.tolist() == [0, 1, 3]
    assert found.values.tolist() == [[1, 1], [1, 2], [4, 5]]
    assert found.dense_shape.tolist() == [4, 2]


@pytest.mark.parametrize(
    "indices, values, shape, match",
    [
        ([1], [[1.0, 2.0, 3.0]], [4, 3], "dim 1 to be 2, got 3"),
        ([1, 2], [[1.0, 2.0]], [4, 2], "Expected 2"),
        ([[1]], [[1.0, 2.0]], [4, 2], "vector"),
        ([1], [1.0], [4], "rank at least 2"),
        ([9], [[1.0, 2.0]], [4, 2], "index is 9"),
    ],
)
def test_rows_that_do_not_fit(sess, indices, values, shape, match):
    total = tf.SparseConditionalAccumulator(tf.float32, shape=[4, 2])
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        sess.run(total.apply_grad(indices, values, shape))


def test_a_staging_area(sess):
    area = tf.contrib.staging.StagingArea([tf.float32, tf.int32], [[2], []], names=["a", "b"], capacity=1)
    put, get = area.put({"b": tf.constant(1), "a": tf.constant([1.0, 2.0])}), area.get()
    sess.run(put)
    thread, outcome = started(lambda: sess.run(put))
    assert sess.run(area.size()) == 1 and outcome == []
    found = sess.run(get)
    assert found["a"].tolist() == [1, 2] and found["b"] == 1
    thread.join(5)
    assert sess.run(area.peek(0))["b"] == 1
    sess.run(area.clear())
    assert sess.run(area.size()) == 0
    sess.run([put, get])
    with pytest.raises(ValueError, match="dtype"):
        area.put({"a": tf.constant([1.0, 2.0]), "b": tf.constant("x")})
    with pytest.raises(ValueError, match="dictionary"):
        area.put([tf.constant(1)])
    tight = tf.contrib.staging.StagingArea([tf.float32], memory_limit=4)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="memory limit"):
        sess.run(tight.put(tf.constant([1.0, 2.0])))


@pytest.mark.parametrize("ordered, order", [(True, [1, 2, 3]), (False, [3, 1, 2])])
def test_a_staging_area_by_key(sess, ordered, order):
    from millrace.lib.input.staging import MapStagingArea

    area = MapStagingArea([tf.float32, tf.int32], ordered=ordered)
    for key in (3, 1, 2):
        sess.run(area.put(key, [tf.constant(key * 10.0), tf.constant(key)]))
    assert sess.run(area.peek(2)) == [20, 2]
    key, values = area.get()
    assert [sess.run([key, values])[0] for _ in range(3)] == order
    sess.run(area.put(7, [tf.constant(1)], [1]))
    assert sess.run([area.size(), area.incomplete_size()]) == [0, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="already"):
        sess.run(area.put(7, [tf.constant(1)], [1]))
    sess.run(area.put(7, [tf.constant(2.0)], [0]))
    assert sess.run(area.get(7, [0])) == [2]
    assert sess.run(area.get(7, [1])) == [1]


def test_a_barrier_gives_whole_tuples_in_the_order_of_their_keys(sess):
    barrier = raw.Barrier(component_types=[tf.float32, tf.int32], shapes=[[], []])
    take = raw.BarrierTakeMany(barrier, 2, component_types=[tf.float32, tf.int32])
    sizes = raw.BarrierReadySize(barrier), raw.BarrierIncompleteSize(barrier)
    sess.run(raw.BarrierInsertMany(barrier, ["x", "y"], [1.0, 2.0], component_index=0))
    thread, outcome = started(lambda: sess.run(take))
    sess.run(raw.BarrierInsertMany(barrier, ["y"], [20], component_index=1))
    assert sess.run(sizes) == (1, 1)
    sess.run(raw.BarrierInsertMany(barrier, ["x"], [10], component_index=1))
    thread.join(5)
    _, keys, values = outcome[0]
    assert keys.tolist() == [b"y", b"x"] and [v.tolist() for v in values] == [[2, 1], [20, 10]]
    sess.run(raw.BarrierInsertMany(barrier, ["z"], [3.0], component_index=0))
    for error, component, match in (
        (tf.errors.InvalidArgumentError, 0, "already has a value"),
        (tf.errors.InvalidArgumentError, 5, "out of range"),
    ):
        with pytest.raises(error, match=match):
            sess.run(raw.BarrierInsertMany(barrier, ["z"], [3.0], component_index=component))
    sess.run(raw.BarrierClose(barrier))
    with pytest.raises(tf.errors.CancelledError, match="brand new key"):
        sess.run(raw.BarrierInsertMany(barrier, ["new"], [3.0], component_index=0))
    with pytest.raises(tf.errors.OutOfRangeError, match="insufficient"):
        sess.run(take)


def test_records_in_random_order(sess, tmp_path):
    for i in range(2):
        with tf.python_io.TFRecordWriter(str(tmp_path / f"f{i}")) as out:
            for k in range(3):
                out.write(b"%d%d" % (i, k))
    records = raw.RecordInput(file_pattern=str(tmp_path / "f*"), batch_size=2, file_buffer_size=4)
    epochs = [np.concatenate([sess.run(records) for _ in range(3)]).tolist() for _ in range(2)]
    assert [sorted(e) for e in epochs] == [[b"00", b"01", b"02", b"10", b"11", b"12"]] * 2
    with pytest.raises(tf.errors.NotFoundError):
        sess.run(raw.RecordInput(file_pattern=str(tmp_path / "zz*")))


def test_a_reader_tells_where_it_stands(sess):
    queue = tf.FIFOQueue(10, tf.string, [[]])
    reader = tf.IdentityReader()
    key, _ = reader.read(queue)
    state = reader.serialize_state()
    sess.run(queue.enqueue_many([["a", "b", "c"]]))
    assert reader.supports_serialize and sess.run(state) == b""
    sess.run(key)
    saved = sess.run(state)
    sess.run(key)
    sess.run(reader.restore_state(saved))
    assert sess.run([reader.num_records_produced(), reader.num_work_units_completed()]) == [1, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="parse"):
        sess.run(reader.restore_state(b"abc"))
    with pytest.raises(tf.errors.UnimplementedError):
        sess.run(tf.TextLineReader().serialize_state())
