# ruff: noqa: SIM117 - what is raised belongs to the inner block
"""Monitored sessions, their hooks, and supervisors."""

import os

import numpy as np
import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield
    tf.summary.FileWriterCache.clear()


def model():
    step = tf.train.get_or_create_global_step()
    v = tf.Variable(1.0, name="v")
    loss = tf.square(v - 3.0)
    return step, v, loss, tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)


def files(folder):
    return sorted(name for name in os.listdir(folder) if "events" not in name)


def events(folder, kind):
    names = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if "events" in name]
    every = [event for name in names for event in tf.train.summary_iterator(name)]
    return [event for event in every if event.WhichOneof("what") == kind]


class Recorder(tf.train.SessionRunHook):
    def __init__(self, name, log, fetch=None, feed=None):
        self.name, self.log, self.args = name, log, tf.train.SessionRunArgs(fetch, feed)

    def begin(self):
        self.log.append(f"{self.name} begin")

    def after_create_session(self, session, coord):
        self.log.append(f"{self.name} create")

    def before_run(self, run_context):
        self.log.append(f"{self.name} before")
        return self.args

    def after_run(self, run_context, run_values):
        self.log.append(f"{self.name} after {run_values.results}")

    def end(self, session):
        self.log.append(f"{self.name} end")


def test_training_stops_and_resumes(tmp_path):
    step, _v, _loss, train = model()
    folder, seen = str(tmp_path), []
    for last in (2, 5):
        hooks = [tf.train.StopAtStepHook(last_step=last)]
        with tf.train.MonitoredTrainingSession(checkpoint_dir=folder, hooks=hooks) as sess:
            while not sess.should_stop():
                sess.run(train)
                seen.append(int(sess.run(step)) if not sess.should_stop() else last)
    assert tf.train.load_variable(folder, "global_step") == 5
    assert os.path.basename(tf.train.latest_checkpoint(folder)) == "model.ckpt-5"
    assert files(folder)[:2] == ["checkpoint", "graph.pbtxt"]


def test_hooks_are_called_in_order():
    step, _, _, train = model()
    log = []
    hooks = [Recorder("a", log, step), tf.train.StopAtStepHook(num_steps=1)]
    with tf.train.MonitoredTrainingSession(hooks=hooks, chief_only_hooks=[Recorder("c", log)]) as sess:
        while not sess.should_stop():
            sess.run(train)
        with pytest.raises(RuntimeError, match="should_stop"):
            sess.run(train)
    assert log == (
        [
            "c begin",
            "a begin",
            "c create",
            "a create",
            "c before",
            "a before",
            "c after None",
            "a after 1",
            "c end",
            "a end",
        ]
    )
    assert not tf.get_default_graph().finalized


def test_a_hook_that_fails_closes_the_session():
    class Broken(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            raise KeyError("broken")

    log = []
    with pytest.raises(KeyError, match="broken"):
        with tf.train.MonitoredSession(hooks=[Broken(), Recorder("r", log)]) as sess:
            sess.run(tf.get_default_graph().get_operations()[0])
    assert "r end" not in log


@pytest.mark.parametrize("error", [tf.errors.OutOfRangeError(None, None, "end"), StopIteration()])
def test_the_end_of_the_data_ends_the_block(error):
    model()
    log = []
    with tf.train.SingularMonitoredSession(hooks=[Recorder("r", log)]):
        raise error
    assert log[-1] == "r end"


def test_a_session_that_was_aborted_is_made_anew():
    step, _v, _, train = model()
    failures = [tf.errors.AbortedError(None, None, "gone"), tf.errors.UnavailableError(None, None, "gone")]

    class Flaky(tf.train.SessionRunHook):
        def before_run(self, run_context):
            if failures:
                raise failures.pop()

    log = []
    with tf.train.MonitoredSession(hooks=[Flaky(), Recorder("r", log)]) as sess:
        sess.run(train)
        assert sess.run(step) == 1
    assert log.count("r create") == 3
    failures.append(tf.errors.AbortedError(None, None, "gone"))
    with pytest.raises(tf.errors.AbortedError):
        with tf.train.SingularMonitoredSession(hooks=[Flaky()]) as sess:
            sess.run(train)


def test_an_exception_of_a_queue_thread_is_raised():
    queue = tf.FIFOQueue(10, tf.float32, shapes=[[]])
    bad = tf.check_numerics(tf.constant(float("nan")), "bad data")
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, [queue.enqueue(bad)]))
    take = queue.dequeue()
    with pytest.raises(tf.errors.InvalidArgumentError, match="bad data"):
        with tf.train.MonitoredSession() as sess:
            while not sess.should_stop():
                sess.run(take)


def test_step_functions():
    step, _, _, train = model()
    with tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(3)]) as sess:
        count = 0
        while not sess.should_stop():
            sess.run_step_fn(lambda step_context: step_context.run_with_hooks(train))
            count += 1
        assert count == 3
    with tf.train.MonitoredSession() as sess:
        sess.run_step_fn(lambda step_context: step_context.session.run(train))
        assert sess.run(step) == 1
        with pytest.raises(ValueError, match="step_context"):
            sess.run_step_fn(lambda other: None)
        sess.run_step_fn(lambda step_context: step_context.request_stop())
        raise AssertionError("not reached")


def test_feeds_of_hooks():
    x = tf.placeholder(tf.float32, [])
    y = tf.placeholder(tf.float32, [])
    total = x + y
    one = tf.train.FeedFnHook(lambda: {x: 1.0})
    with tf.train.SingularMonitoredSession(hooks=[one]) as sess:
        assert sess.run({"a": total, "b": [x]}, {y: 2.0}) == {"a": 3, "b": [1]}
        with pytest.raises(RuntimeError, match="hook and user|Hook and user"):
            sess.run(total, {x: 2.0, y: 2.0})
    with pytest.raises(RuntimeError, match="two hooks"):
        with tf.train.SingularMonitoredSession(hooks=[one, tf.train.FeedFnHook(lambda: {x: 1.0})]) as sess:
            sess.run(total, {y: 2.0})


def test_a_scaffold_that_leaves_variables_uninitialized():
    model()
    with pytest.raises(RuntimeError, match="v"):
        tf.train.MonitoredTrainingSession(scaffold=tf.train.Scaffold(init_op=tf.no_op()))


def test_scaffolds_take_from_collections_and_each_other():
    _, v, _, _ = model()
    assigned = v.assign(50.0)
    calls = []
    first = tf.train.Scaffold(init_fn=lambda scaffold, sess: calls.append(sess.run(assigned)))
    second = tf.train.Scaffold(copy_from_scaffold=first)
    with tf.train.MonitoredSession(tf.train.ChiefSessionCreator(second)) as sess:
        assert sess.run(v) == 50 and calls == [50]
    assert tf.get_collection(tf.GraphKeys.SAVERS) == [second.saver]
    tf.add_to_collection(tf.GraphKeys.READY_OP, tf.constant([], tf.string))
    with pytest.raises(RuntimeError, match="More than one item"):
        tf.train.Scaffold().finalize()


def test_checkpoints_and_listeners(tmp_path):
    _step, _, _, train = model()
    log = []

    class Listener(tf.train.CheckpointSaverListener):
        def begin(self):
            log.append("begin")

        def before_save(self, session, global_step_value):
            log.append(f"before {global_step_value}")

        def after_save(self, session, global_step_value):
            log.append(f"after {global_step_value}")
            return global_step_value >= 4

        def end(self, session, global_step_value):
            log.append(f"end {global_step_value}")

    hook = tf.train.CheckpointSaverHook(str(tmp_path), save_steps=2, listeners=[Listener()])
    with tf.train.SingularMonitoredSession(hooks=[hook]) as sess:
        while not sess.should_stop():
            sess.run(train)
    assert log == ["begin", "before 0", "after 0", "before 2", "after 2", "before 4", "after 4", "end 4"]
    tf.summary.FileWriterCache.clear()
    assert len(events(tmp_path, "session_log")) == 3
    for wrong in ({}, {"save_secs": 1, "save_steps": 1}):
        with pytest.raises(ValueError, match="exactly one"):
            tf.train.CheckpointSaverHook(str(tmp_path), **wrong)


def test_summaries_and_rates(tmp_path):
    _step, _, loss, train = model()
    summary = tf.summary.scalar("l", loss)
    hooks = [
        tf.train.SummarySaverHook(save_steps=2, output_dir=str(tmp_path), summary_op=summary),
        tf.train.StepCounterHook(every_n_steps=2, output_dir=str(tmp_path)),
    ]
    with tf.train.SingularMonitoredSession(hooks=hooks) as sess:
        for _ in range(5):
            sess.run(train)
    tf.summary.FileWriterCache.clear()
    found = [(e.step, e.summary.value[0].tag) for e in events(tmp_path, "summary")]
    assert [s for s, tag in found if tag == "l"] == [1, 3, 5]
    assert [s for s, tag in found if tag == "global_step/sec"] == [3, 5]
    with pytest.raises(ValueError, match="scaffold or summary_op"):
        tf.train.SummarySaverHook(save_steps=1)


def test_values_are_logged():
    _, _v, loss, train = model()
    lines = []
    hook = tf.train.LoggingTensorHook(
        {"b": loss, "a": "v/read:0"}, every_n_iter=2, at_end=True, formatter=lambda d: lines.append(d) or ""
    )
    with tf.train.SingularMonitoredSession(hooks=[hook]) as sess:
        for _ in range(4):
            sess.run(train)
    assert len(lines) == 3 and sorted(lines[0]) == ["a", "b"]
    for wrong in ({}, {"every_n_iter": -1}, {"every_n_iter": 1, "every_n_secs": 1}):
        with pytest.raises(ValueError, match="every_n_iter"):
            tf.train.LoggingTensorHook([loss], **wrong)


def test_a_loss_that_is_not_a_number():
    x = tf.placeholder(tf.float32, [])
    with pytest.raises(tf.train.NanLossDuringTrainingError, match="NaN loss"):
        with tf.train.SingularMonitoredSession(hooks=[tf.train.NanTensorHook(x)]) as sess:
            sess.run(x, {x: 1.0})
            sess.run(x, {x: np.nan})
    with tf.train.SingularMonitoredSession(hooks=[tf.train.NanTensorHook(x, False)]) as sess:
        sess.run(x, {x: np.nan})
        assert sess.should_stop()


def test_timelines_and_final_operations(tmp_path):
    _, v, _, train = model()
    x = tf.placeholder(tf.float32, [])
    final = tf.train.FinalOpsHook(x * v, {x: 5.0})
    with tf.train.SingularMonitoredSession(
        hooks=[tf.train.ProfilerHook(2, output_dir=str(tmp_path)), final]
    ) as s:
        for _ in range(4):
            s.run(train)
    assert files(tmp_path) == ["timeline-2.json", "timeline-4.json"]
    assert final.final_ops_values > 5


def test_a_supervisor_saves_and_recovers(tmp_path):
    step, _, _, train = model()
    supervisor = tf.train.Supervisor(logdir=str(tmp_path), save_model_secs=0, save_summaries_secs=0)
    with supervisor.managed_session() as sess:
        for _ in range(3):
            sess.run(train)
        supervisor.saver.save(sess, supervisor.save_path, global_step=step)
    again = tf.train.Supervisor(logdir=str(tmp_path), save_summaries_secs=60)
    with again.managed_session() as sess:
        assert sess.run(step) == 3
        again.request_stop()
        assert again.should_stop()
    assert supervisor.global_step is step and supervisor.is_chief
    assert files(tmp_path)[1] == "graph.pbtxt"


def test_a_supervisor_raises_what_the_block_raises():
    model()
    supervisor = tf.train.Supervisor()
    with pytest.raises(KeyError, match="x"), supervisor.managed_session():
        raise KeyError("x")
    with supervisor.managed_session():
        raise tf.errors.OutOfRangeError(None, None, "end")
    calls = []

    def train(sess, a, b=0):
        calls.append((a, b))
        supervisor.request_stop()

    tf.train.basic_train_loop(supervisor, train, [1], {"b": 2})
    assert calls == [(1, 2)]


def test_session_managers(tmp_path):
    _, v, _, _ = model()
    ready = tf.report_uninitialized_variables()
    saver = tf.train.Saver()
    manager = tf.train.SessionManager(ready_op=ready, recovery_wait_secs=0.01)
    with pytest.raises(RuntimeError, match="no init_op"):
        manager.prepare_session("")
    _, found = manager.recover_session("", saver, str(tmp_path))
    assert not found
    with manager.prepare_session("", tf.global_variables_initializer()) as sess:
        sess.run(v.assign(6.0))
        path = saver.save(sess, str(tmp_path / "m"), global_step=3)
    sess, found = manager.recover_session("", saver, str(tmp_path))
    assert found and sess.run(v) == 6
    with pytest.raises(ValueError, match="Can not provide both"):
        manager.recover_session("", saver, str(tmp_path), path)
    with pytest.raises(tf.errors.DeadlineExceededError, match="not ready"):
        manager.wait_for_session("", max_wait_secs=0.02)
    patient = tf.train.SessionManager(ready_op=ready, recovery_wait_secs=60)
    with pytest.raises(tf.errors.DeadlineExceededError, match="after waiting 30 secs"):
        patient.wait_for_session("", max_wait_secs=30)  # at once: the next look would come too late
    with pytest.raises(ValueError, match="local_init_op"):
        tf.train.SessionManager(ready_for_local_init_op=ready)
    with pytest.raises(TypeError, match="create_session"):
        type("Unfinished", (tf.train.SessionCreator,), {})()


def test_profiler_hook_needs_steps_or_seconds():
    with pytest.raises(ValueError, match="every_secs"):
        tf.train.ProfilerHook()
