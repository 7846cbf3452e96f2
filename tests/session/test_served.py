"""Where the sessions of servers keep their values."""

from __future__ import annotations

import threading

import pytest

import millrace as tf
from millrace.runtime.store import Store
from millrace.session import served
from millrace.session.served import ServedTask, SharedStore


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> dict[str, ServedTask]:
    """A cluster of two workers and two parameter servers."""
    monkeypatch.setattr(served, "_stores", {})
    places = [("worker", 0), ("worker", 1), ("ps", 0), ("ps", 1)]
    peers = {(job, task): f"grpc://{job}{task}".encode() for job, task in places}
    made = {f"{job}{task}": ServedTask(peers[job, task], job, task, peers) for job, task in places}
    for task in made.values():
        served.serve(task)
    return made


def _session(graph: tf.Graph, task: ServedTask) -> tf.Session:
    return tf.Session(task.target.decode(), graph=graph)


def test_a_device_names_the_task_that_keeps_a_value(tasks: dict[str, ServedTask]) -> None:
    worker = tasks["worker1"]
    for device, name in (
        ("", "worker1"),
        ("/device:GPU:0", "worker1"),
        ("/job:ps", "ps0"),
        ("/job:ps/task:1", "ps1"),
        ("/job:worker", "worker0"),
        ("/task:0", "worker0"),
        ("/task:1/device:CPU:0", "worker1"),
        ("/job:ps/task:7", "worker1"),
        ("/job:nobody", "worker1"),
    ):
        assert worker.task_of(device) is tasks[name], device
    assert tasks["ps1"].task_of("/task:0") is tasks["ps0"]


def test_a_task_that_no_server_runs_keeps_nothing(tasks: dict[str, ServedTask]) -> None:
    del served._stores[b"grpc://ps0"]
    assert tasks["worker0"].task_of("/job:ps") is tasks["worker0"]


def test_sessions_without_a_server_keep_their_own(tasks: dict[str, ServedTask]) -> None:
    graph = tf.Graph()
    for target in (b"", b"grpc://unknown"):
        store = served.store_for(target, graph)
        assert type(store) is Store and store.lock is not served.store_for(target, graph).lock
    first, second = served.store_for(b"grpc://ps0", graph), served.store_for(b"grpc://worker0", graph)
    assert type(first) is type(second) is SharedStore and first.lock is second.lock
    assert isinstance(first.lock, type(threading.RLock()))


def test_sessions_of_all_servers_share_what_is_placed(tasks: dict[str, ServedTask]) -> None:
    with tf.Graph().as_default() as graph:
        with tf.device("/job:ps"):
            shared = tf.Variable(1, name="shared", use_resource=True)
        own = tf.Variable(1, name="own", use_resource=True)
        init, add = tf.global_variables_initializer(), tf.group(shared.assign_add(1), own.assign_add(1))
    first, second = _session(graph, tasks["worker0"]), _session(graph, tasks["worker1"])
    first.run(init)
    first.run(add)
    assert first.run([shared, own]) == [2, 2] and second.run(shared) == 2
    with pytest.raises(tf.errors.FailedPreconditionError):
        second.run(own)
    assert set(tasks["ps0"].cells) == {"shared"} and set(tasks["worker0"].cells) == {"own"}
    again = _session(graph, tasks["worker0"])
    assert again.run([shared, own]) == [2, 2]  # what a task keeps outlives a session
    for session in (first, second, again):
        session.close()
    assert _session(graph, tasks["ps1"]).run(shared) == 2


def test_the_first_operation_of_a_graph_is_placed_as_later_ones(tasks: dict[str, ServedTask]) -> None:
    graph = tf.Graph()
    with graph.as_default(), tf.device("/job:ps/task:1"):
        handle = tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name="first")
        write = tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(3))
    session = _session(graph, tasks["worker0"])
    session.run(write)
    with graph.as_default(), tf.device("/job:ps"):
        late = tf.Variable(5, name="late")
    session.run(late.initializer)
    assert set(tasks["ps1"].cells) == {"first"} and set(tasks["ps0"].cells) == {"late"}
    assert tasks["ps1"].cells["first"].value == 3


def test_reset_forgets_what_one_server_keeps(tasks: dict[str, ServedTask]) -> None:
    with tf.Graph().as_default() as graph:
        with tf.device("/job:ps/task:0"):
            a = tf.Variable(1, name="a")
        with tf.device("/job:ps/task:1"):
            b = tf.Variable(2, name="b")
    session = _session(graph, tasks["worker0"])
    session.run([a.initializer, b.initializer])
    served.reset(b"grpc://nobody")
    served.reset(b"grpc://ps0")
    assert session.run(b) == 2
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(a)


def test_only_a_container_is_cleared(tasks: dict[str, ServedTask]) -> None:
    with tf.Graph().as_default() as graph:
        a = tf.Variable(1, name="a")
        with tf.container("box"):
            b = tf.Variable(2, name="b")
    session = _session(graph, tasks["worker0"])
    session.run([a.initializer, b.initializer])
    store = served.store_for(b"grpc://worker0", graph)
    for key in ("a", "box/b"):
        assert store.cell(key) is store.cell(key) is tasks["worker0"].cells[key]
    store.clear()
    assert session.run([a, b]) == [1, 2]
    store.clear(("box",))
    assert session.run(a) == 1
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(b)
