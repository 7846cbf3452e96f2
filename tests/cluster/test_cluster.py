"""Clusters and servers of one process."""

import threading

import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


CLUSTER = {"worker": ["w0:1", "w1:2"], "ps": [b"p0:3"]}


def test_a_cluster_tells_its_tasks():
    spec = tf.train.ClusterSpec(CLUSTER)
    assert spec.as_dict() == {"worker": ["w0:1", "w1:2"], "ps": ["p0:3"]}
    assert spec.jobs == ["worker", "ps"] and spec.num_tasks("worker") == 2
    assert spec.task_address("ps", 0) == "p0:3" and spec.job_tasks("worker") == ["w0:1", "w1:2"]
    assert spec == tf.train.ClusterSpec(spec.as_cluster_def()) == tf.train.ClusterSpec(spec)
    assert hash(spec) == hash(tf.train.ClusterSpec(CLUSTER)) and spec and not tf.train.ClusterSpec({})
    assert str(spec) == "ClusterSpec({'ps': ['p0:3'], 'worker': ['w0:1', 'w1:2']})"


def test_numbers_may_be_left_out():
    spec = tf.train.ClusterSpec({"worker": {1: "a:1", 3: "b:2"}})
    assert spec.as_dict() == {"worker": {1: "a:1", 3: "b:2"}} and spec.task_indices("worker") == [1, 3]
    assert spec.job_tasks("worker") == [None, "a:1", None, "b:2"]


@pytest.mark.parametrize("given", [3, {"a": 3}, {"a": [3]}, {3: ["a:1"]}, {"a": {"x": "a:1"}}])
def test_what_is_not_a_cluster_is_refused(given):
    with pytest.raises(TypeError):
        tf.train.ClusterSpec(given)


def test_unknown_jobs_and_tasks_are_refused():
    spec = tf.train.ClusterSpec(CLUSTER)
    for call in (lambda: spec.num_tasks("x"), lambda: spec.task_address("ps", 5)):
        with pytest.raises(ValueError, match="No "):
            call()


def test_variables_are_placed_one_after_the_other():
    setter = tf.train.replica_device_setter(cluster=CLUSTER, worker_device="/job:worker/task:7/gpu:0")
    with tf.device(setter):
        v = tf.Variable([1.0])
        x = tf.constant(1.0)
        with tf.device("/cpu:1"):
            y = tf.constant(1.0)
    assert v.device == "/job:ps/task:0" and x.device == "/job:worker/task:7/device:GPU:0"
    assert y.device == "/job:worker/task:7/device:CPU:1"
    with tf.device(tf.train.replica_device_setter(ps_tasks=2)):
        assert [tf.Variable(1.0).device[-1] for _ in range(3)] == ["0", "1", "0"]


def test_a_strategy_chooses_the_task():
    chosen = tf.train.replica_device_setter(
        ps_tasks=9, ps_strategy=lambda op: len(op.name), merge_devices=False
    )
    with tf.device(chosen):
        assert tf.Variable(1.0, name="abc").device == "/job:ps/task:3"
        with tf.device("/cpu:0"):
            assert tf.Variable(1.0).device == "/device:CPU:0"
    assert tf.train.replica_device_setter() is None
    assert tf.train.replica_device_setter(cluster={"worker": ["a:1"]}) is None
    with pytest.raises(TypeError, match="callable"):
        tf.train.replica_device_setter(ps_tasks=1, ps_strategy=3)


def test_sessions_of_a_cluster_share_variables():
    workers, keepers = tf.test.create_local_cluster(2, 1)
    with tf.device("/job:ps/task:0"):
        shared = tf.Variable(1.0, name="shared")
    own = tf.Variable(1.0, name="own")
    add = shared.assign_add(1.0)
    with tf.Session(workers[0].target) as first, tf.Session(workers[1].target) as second:
        first.run(tf.global_variables_initializer())
        assert second.run(add) == 2.0 and first.run(shared) == 2.0
        assert second.run(tf.report_uninitialized_variables()).tolist() == [b"own"]
        with tf.Session(keepers[0].target) as keeper:
            assert keeper.run(shared) == 2.0
    with tf.Session(workers[0].target) as again:  # what the servers keep outlives their sessions
        assert again.run(shared) == 2.0 and again.run(own) == 1.0
    tf.Session.reset(workers[0].target)
    with tf.Session(workers[0].target) as again, pytest.raises(tf.errors.FailedPreconditionError):
        again.run(own)


def test_a_server_alone():
    server = tf.train.Server.create_local_server()
    assert server.target.startswith("grpc://localhost:") and server.server_def.job_name == "local"
    v = tf.Variable(3.0)
    with tf.Session(server.target) as one:
        one.run(v.initializer)
    with tf.Session(server.target) as other, tf.Session() as apart:
        assert other.run(v) == 3.0
        with pytest.raises(tf.errors.FailedPreconditionError):
            apart.run(v)


def test_join_waits():
    server = tf.train.Server({"a": ["localhost:0"]}, config=tf.ConfigProto(log_device_placement=True))
    assert server.server_def.default_session_config.log_device_placement
    thread = threading.Thread(target=server.join, daemon=True)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()


def test_which_task_a_server_is_has_to_be_told():
    with pytest.raises(ValueError, match="job_name"):
        tf.train.Server(CLUSTER)
    with pytest.raises(ValueError, match="task_index"):
        tf.train.Server({"worker": ["a:1", "b:2"]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="protocol"):
        tf.train.Server({"worker": ["a:1"]}, protocol="mpi")


def test_a_monitored_session_of_a_server(tmp_path):
    server = tf.train.Server.create_local_server()
    step = tf.train.get_or_create_global_step()
    add = tf.assign_add(step, 1)
    with tf.train.MonitoredTrainingSession(server.target, checkpoint_dir=str(tmp_path)) as sess:
        sess.run(add)
        assert sess.run(step) == 1
