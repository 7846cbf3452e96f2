"""`tf.contrib.training`: hyperparameters, loops, buckets, samples; slim's loops; several replicas."""

import contextlib
import os

import numpy as np
import pytest

import millrace as tf

training = tf.contrib.training


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield
    tf.summary.FileWriterCache.clear()


def model():
    step = tf.train.get_or_create_global_step()
    v = tf.Variable(1.0, name="v")
    loss = tf.square(v - 3.0)
    return step, v, loss


def everything(fetches, most=30):
    found = []
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        with contextlib.suppress(tf.errors.OutOfRangeError):
            found.extend(sess.run(fetches) for _ in range(most))
        coord.request_stop()
        coord.join(threads, stop_grace_period_secs=5)
    return found


# --- hyperparameters ----------------------------------------------------------------------------------------


def params():
    return training.HParams(a=1, b=2.0, c="x", l=[1, 2], t=True)


def test_hyperparameters_from_texts():
    h = params().parse("a=-7,b=-.5,c=a b,l=[3,4,5],t=false")
    assert h.values() == {"a": -7, "b": -0.5, "c": "a b", "l": [3, 4, 5], "t": False}
    assert training.parse_values("a=1,b=[x,y],c[2]=5", {"a": int, "b": str, "c": int}) == {
        "a": 1,
        "b": ["x", "y"],
        "c": {2: 5},
    }
    assert training.parse_values("z=1,a=2", {"a": int}, ignore_unknown=True) == {"a": 2}
    for wrong in ("a=1.5", "z=1", "a=1,a=2", "l[1]=9", "a", "a=[1]", "t=maybe", "l[0]=[1]", "l[0]=1,l[0]=2"):
        with pytest.raises(ValueError):
            params().parse(wrong)


def test_hyperparameters_keep_their_types():
    h = params()
    h.set_hparam("b", 3)
    assert type(h.b) is float and "a" in h and "z" not in h
    for name, value in (("a", 1.5), ("a", "s"), ("a", [1]), ("l", 3), ("t", 1), ("c", 1)):
        with pytest.raises(ValueError):
            h.set_hparam(name, value)
    with pytest.raises(KeyError):
        h.override_from_dict({"z": 1})
    assert (h.get("a"), h.get("z"), h.get("z", 4)) == (1, None, 4)
    for name, default in (("l", 3), ("a", "s")):
        with pytest.raises(ValueError, match="incompatible"):
            h.get(name, default)
    h.del_hparam("a")
    with pytest.raises(AttributeError):
        h.a
    for wrong in ({"parse": 1}, {"x": []}):
        with pytest.raises(ValueError):
            training.HParams(**wrong)


def test_hyperparameters_travel():
    h = params()
    again = training.HParams(hparam_def=h.to_proto())
    assert again.values() == h.values()
    assert params().parse_json(h.to_json()).values() == h.values()
    assert repr(h) == f"HParams({sorted(h.values().items())})"


# --- loops --------------------------------------------------------------------------------------------------


def test_hyperparameters_in_their_order():
    values = training.HParams(b=1, a="x")
    assert str(values) == "b=1,a=x" and repr(values) == "HParams([('a', 'x'), ('b', 1)])"
    assert values.set_from_map({"b": 2}) is values and values.b == 2
    with pytest.raises(ValueError, match="not both. Received: c"):
        training.HParams(values.to_proto(), c=1)
    with pytest.raises(AssertionError, match="Received: 5"):
        training.HParams(5)


def test_training_and_evaluating(tmp_path):
    step, v, loss = model()
    train_op = training.create_train_op(loss, tf.train.GradientDescentOptimizer(0.1))
    folder = str(tmp_path)
    last = training.train(train_op, folder, hooks=[tf.train.StopAtStepHook(num_steps=4)])
    assert last < 2
    with tf.Graph().as_default():
        step, v, loss = model()
        tf.summary.scalar("loss", loss)
        mean, update = tf.metrics.mean(v)
        hooks = [training.StopAfterNEvalsHook(3), training.SummaryAtEndHook(os.path.join(folder, "eval"))]
        found = training.evaluate_repeatedly(
            folder,
            eval_ops=update,
            final_ops=[mean, training.get_or_create_eval_step(), step],
            hooks=hooks,
            max_number_of_evaluations=1,
            eval_interval_secs=0,
        )
        assert found[1:] == [3, 4] and found[0] > 1
        assert os.listdir(os.path.join(folder, "eval"))
    with pytest.raises(ValueError, match="logdir"):
        training.train(train_op, None)


def test_slim_trains_and_evaluates(tmp_path):
    slim = tf.contrib.slim
    step, v, loss = model()
    train_op = slim.learning.create_train_op(loss, tf.train.GradientDescentOptimizer(0.1))
    last = slim.learning.train(train_op, str(tmp_path), number_of_steps=3, log_every_n_steps=2)
    assert last < 3 and tf.train.load_variable(str(tmp_path), "global_step") == 3
    with pytest.raises(ValueError, match="number_of_steps"):
        slim.learning.train(train_op, None, number_of_steps=0)
    with tf.Graph().as_default():
        step, v, loss = model()
        mean, update = tf.metrics.mean(v)
        found = slim.evaluation.evaluate_once(
            "",
            tf.train.latest_checkpoint(str(tmp_path)),
            str(tmp_path / "eval"),
            num_evals=2,
            eval_op=update,
            final_op=[mean, step],
        )
        assert found[1] == 3
        with pytest.raises(ValueError, match="logdir"):
            slim.learning.train_step(None, None, None, {"should_trace": True})


def test_slim_writes_traces(tmp_path):
    slim = tf.contrib.slim
    step = tf.train.get_or_create_global_step()
    train_op = tf.cast(tf.assign_add(step, 1), tf.float32)
    given = []

    def one(sess, train_op, step, kwargs):
        given.append(sorted(kwargs))
        return slim.learning.train_step(sess, train_op, step, kwargs)

    slim.learning.train(train_op, str(tmp_path), one, number_of_steps=3, trace_every_n_steps=2)
    assert given[0] == ["logdir", "should_log", "should_stop", "should_trace", "summary_writer"]
    assert sorted(p.name for p in tmp_path.glob("tf_trace*")) == ["tf_trace-1.json", "tf_trace-3.json"]
    events = [e for f in tmp_path.glob("*tfevents*") for e in tf.train.summary_iterator(str(f))]
    assert [e.tagged_run_metadata.tag for e in events if e.WhichOneof("what") == "tagged_run_metadata"] == [
        "run_metadata-1",
        "run_metadata-3",
    ]


def test_replicas_that_train_together():
    step = tf.train.get_or_create_global_step()
    v = tf.Variable([1.0, 2.0], name="v")
    rows = tf.Variable([[1.0], [2.0]], name="rows")
    loss = tf.reduce_sum(tf.square(v)) + tf.reduce_sum(tf.gather(rows, [1]))
    optimizer = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.1), 1, 1)
    with pytest.raises(ValueError, match="Global step"):
        optimizer.minimize(loss)
    train = optimizer.minimize(loss, global_step=step)
    hook = optimizer.make_session_run_hook(True)
    with pytest.raises(ValueError, match="Too few tokens"):
        optimizer.get_init_tokens_op(-2)
    with tf.train.MonitoredTrainingSession(
        hooks=[hook, tf.train.StopAtStepHook(3)], stop_grace_period_secs=0.5
    ) as sess:
        while not sess.should_stop():
            sess.run(train)
        assert sess.raw_session().run(v)[0] < 1 if hasattr(sess, "raw_session") else True
    assert [x.name for x in tf.local_variables()] == ["sync_rep_local_step:0"]


# --- elements that are chosen -------------------------------------------------------------------------------


def test_buckets():
    (n,) = tf.train.slice_input_producer([np.arange(1, 11)], shuffle=False, num_epochs=1)
    which, batch = training.bucket([n], tf.cast(n % 2, tf.int32), [2, 3], 2, keep_input=n > 1)
    found = sorted((int(b), x.tolist()) for b, x in everything([which, batch]))
    assert found == [(0, [2, 4]), (0, [6, 8]), (1, [3, 5, 7])]


def test_buckets_by_length():
    (n,) = tf.train.slice_input_producer([np.arange(1, 9)], shuffle=False, num_epochs=1)
    length = tf.cast(n, tf.int32)
    lengths, batch = training.bucket_by_sequence_length(
        length, [tf.fill([length], n)], 2, [4], dynamic_pad=True, allow_smaller_final_batch=True
    )
    found = sorted((k.tolist(), x[0].shape) for k, x in everything([lengths, batch]))
    assert found == [([1, 2], (2, 2)), ([3], (1, 3)), ([4, 5], (2, 5)), ([6, 7], (2, 7)), ([8], (1, 8))]
    for error, boundaries in ((TypeError, 3), (ValueError, []), (ValueError, [3, 2]), (TypeError, [1.5])):
        with pytest.raises(error):
            training.bucket_by_sequence_length(length, [n], 2, boundaries)
    with pytest.raises(ValueError, match="num_buckets"):
        training.bucket([n], length, 2, 1)


def test_samples():
    (n,) = tf.train.slice_input_producer([np.arange(40)], shuffle=False, num_epochs=5)
    kept = training.rejection_sample([n], lambda e: tf.cast(e[0] < 10, tf.float32), 5, runtime_checks=True)
    assert set(np.concatenate(everything(kept)).ravel().tolist()) == set(range(10))
    with tf.Graph().as_default():
        (n,) = tf.train.slice_input_producer([np.arange(40)], shuffle=False, num_epochs=10)
        label = tf.cast(n % 2, tf.int32)
        values, labels = training.stratified_sample([n], label, [0.0, 1.0], 5, init_probs=[0.5, 0.5])
        assert all((y == 1).all() and (x[0] % 2 == 1).all() for x, y in everything([values, labels]))
    with pytest.raises(ValueError, match="sum up to 1"):
        training.stratified_sample([tf.constant(1)], 0, [0.5, 0.9], 2)


def test_rows_that_are_drawn_again():
    rows = training.resample_at_rate([tf.range(4)], tf.constant([0.0, 50.0, 0.0, 50.0]), seed=1)[0]
    with tf.Session() as sess:
        found = sess.run(rows)
        assert sorted(set(found.tolist())) == [1, 3] and 60 < found.size < 140
        assert found.tolist() == sorted(found.tolist())
    weights = tf.constant([1.0, 3.0])
    drawn, rates = training.weighted_resample([tf.range(2)], weights, 1.0)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        values, found = sess.run([drawn[0], rates])
        assert values.shape == found.shape


def test_variables_are_spread():
    place = training.GreedyLoadBalancingStrategy(2, training.byte_size_load_fn)
    assert [int(place(tf.Variable(tf.zeros([k])).op)) for k in (4, 2, 2, 8)] == [0, 1, 1, 0]
    assert training.RandomStrategy(3, seed=1)(None) in (0, 1, 2)


def test_synchronized_replicas_need_gradients():
    optimizer = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.1), 1)
    for none in ([], None):
        with pytest.raises(ValueError, match="at least one variable"):
            optimizer.apply_gradients(none)
