"""Long sequences in pieces, with states between them. The figures are TensorFlow 1.15.5's."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


def _batch(lengths, **kwargs):
    queue = tf.FIFOQueue(10, [tf.string, tf.int32])
    key, length = queue.dequeue()
    key.set_shape([])
    length.set_shape([])
    steps = tf.cast(tf.range(length), tf.float32)
    batch = tf.contrib.training.batch_sequences_with_states(
        input_key=key,
        input_sequences={"x": tf.stack([steps, -steps], 1)},
        input_context={"c": length * 10},
        input_length=length,
        initial_states={"s": tf.zeros([2])},
        num_unroll=3,
        batch_size=2,
        num_threads=1,
        **kwargs,
    )
    fill = [queue.enqueue([k, n]) for k, n in lengths]
    return batch, [*fill, queue.close()]


def test_pieces_come_with_their_states():
    batch, fill = _batch([("a", 7), ("b", 3), ("d", 5)])
    state = batch.state("s") + tf.reduce_sum(batch.sequences["x"], 1)
    fetches = [
        batch.key,
        batch.next_key,
        batch.length,
        batch.context["c"],
        state,
        batch.save_state("s", state),
    ]
    found = []
    with tf.Session() as sess:
        for op in fill:
            sess.run(op)
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coordinator)
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append([np.asarray(v).tolist() for v in sess.run(fetches)[:-1]])
        coordinator.request_stop()
        coordinator.join(threads)
    assert found == [
        [[b"00000_of_00003:a", b"00000_of_00001:b"], [b"00001_of_00003:a", b"STOP:b"], [3, 3], [70, 30],
         [[3.0, -3.0], [3.0, -3.0]]],
        [[b"00001_of_00003:a", b"00000_of_00002:d"], [b"00002_of_00003:a", b"00001_of_00002:d"], [3, 3],
         [70, 50], [[15.0, -15.0], [3.0, -3.0]]],
        [[b"00002_of_00003:a", b"00001_of_00002:d"], [b"STOP:a", b"STOP:d"], [1, 2], [70, 50],
         [[21.0, -21.0], [10.0, -10.0]]],
    ]  # fmt: skip


def test_shapes_and_dtypes():
    batch, _ = _batch([("a", 7)], make_keys_unique=True, make_keys_unique_seed=3)
    assert batch.sequences["x"].shape.as_list() == [None, 3, 2]
    assert batch.state("s").shape.as_list() == [None, 2]
    assert batch.insertion_index.dtype == tf.int64 and batch.total_length.dtype == tf.int32
    assert batch.sequence.dtype == batch.sequence_count.dtype == batch.batch_size.dtype == tf.int32
    with pytest.raises(KeyError, match="state_name was not declared: t"):
        batch.state("t")


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"input_sequences": [1]}, TypeError, "input_sequences must be a dictionary"),
        ({"initial_states": {}}, ValueError, "there must be an initial state"),
        ({"initial_states": {"s": tf.placeholder}}, ValueError, "the shape of state 's' must be known"),
        ({"num_unroll": 0}, ValueError, "num_unroll must be a positive constant"),
    ],
)
def test_wrong_arguments(changed, error, message):
    given = {
        "input_sequences": {"x": tf.zeros([6, 1])},
        "input_context": {},
        "initial_states": {"s": tf.zeros([2])},
        "num_unroll": 3,
    }
    states = changed.get("initial_states")
    if states and states["s"] is tf.placeholder:
        changed = {"initial_states": {"s": tf.placeholder(tf.float32, [None])}}
    with pytest.raises(error, match=message):
        tf.contrib.training.SequenceQueueingStateSaver(
            batch_size=1, input_length=6, input_key="k", **{**given, **changed}
        )


def test_saver_checks_its_sequences():
    steps = tf.placeholder(tf.float32, [None, 1])
    saver = tf.contrib.training.SequenceQueueingStateSaver(
        batch_size=1,
        num_unroll=4,
        input_length=6,
        input_key="k",
        input_sequences={"x": steps},
        input_context={},
        initial_states={"s": 0.0},
    )
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="multiple of num_unroll"):
        sess.run(saver.prefetch_op, {steps: np.zeros((6, 1))})


def test_feeding_runner():
    queue = tf.FIFOQueue(10, [tf.int32], [()])
    value = tf.placeholder(tf.int32, [])
    numbers = iter(range(5))

    def feed():
        try:
            return {value: next(numbers)}
        except StopIteration:
            raise tf.errors.OutOfRangeError(None, None, "the end") from None

    runner = tf.contrib.training.FeedingQueueRunner(queue, [queue.enqueue(value)], feed_fns=[feed])
    taken = queue.dequeue()
    with tf.Session() as sess:
        coordinator = tf.train.Coordinator()
        threads = runner.create_threads(sess, coordinator, start=True)
        assert [sess.run(taken) for _ in range(5)] == list(range(5))
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(taken)
        coordinator.request_stop()
        coordinator.join(threads)
    with pytest.raises(NotImplementedError):
        runner.to_proto()
    with pytest.raises(ValueError, match="of one length"):
        tf.contrib.training.FeedingQueueRunner(queue, [queue.enqueue(value)], feed_fns=[])


def test_input_goes_on_where_it_was_saved(tmp_path):
    seen = []

    def model(features, labels, mode):
        del labels
        look = tf.py_func(lambda v: (seen.append(int(v[0])), v)[1], [features], tf.int64)
        w = tf.get_variable("w", [])
        with tf.control_dependencies([look]):
            train = tf.train.GradientDescentOptimizer(0.1).minimize(w * w, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=w * w, train_op=train)

    config = tf.estimator.RunConfig(save_checkpoints_steps=2)
    estimator = tf.estimator.Estimator(model, str(tmp_path), config)
    for _ in range(2):
        hook = tf.data.experimental.CheckpointInputPipelineHook(estimator)
        estimator.train(
            lambda: tf.data.Dataset.range(100).map(lambda x: (x, x)).batch(1), hooks=[hook], steps=3
        )
    assert seen == list(range(6))
    assert (tmp_path / "checkpoint_input").exists() and (tmp_path / "input.ckpt-6.index").exists()
