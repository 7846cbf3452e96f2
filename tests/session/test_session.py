"""What sessions do beside running: contexts, callables, partial runs, handles, devices, options."""

import warnings

import numpy as np
import pytest

import millrace as tf


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


def test_contexts_nest_and_close():
    with tf.Session() as outer:
        assert tf.get_default_session() is outer
        graph = tf.Graph()
        with tf.Session(graph=graph) as inner:
            assert tf.get_default_session() is inner
            assert tf.get_default_graph() is graph
            with outer.as_default():
                assert tf.get_default_session() is outer
                assert tf.get_default_graph() is graph
        assert tf.get_default_session() is outer
        with pytest.raises(RuntimeError, match="not re-entrant"):
            outer.__enter__()
    assert tf.get_default_session() is None
    with pytest.raises(RuntimeError, match="closed"):
        outer.run([])


def test_interactive_sessions():
    graph = tf.Graph()
    first = tf.InteractiveSession(graph=graph)
    assert tf.get_default_graph() is graph
    assert tf.constant(3).eval() == 3
    with pytest.warns(UserWarning, match="interactive session is already active"):
        second = tf.InteractiveSession()
    assert tf.get_default_session() is second
    first.close()
    assert tf.get_default_session() is second
    second.close()
    assert tf.get_default_session() is None
    assert tf.get_default_graph() is not graph
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf.InteractiveSession().close()


def test_sessions_hold_separate_variables_and_close_frees_them():
    v = tf.Variable(1.0)
    one, two = tf.Session(), tf.Session()
    for session in (one, two):
        session.run(v.initializer)
    one.run(v.assign(7.0))
    assert (one.run(v), two.run(v)) == (7, 1)
    one.close()
    assert two.run(v) == 1
    assert all(cell.value is None for cell in one.store.cells.values())


def test_reset_frees_containers_or_closes():
    with tf.get_default_graph().container("box"):
        boxed = tf.Variable(1.0)
    free = tf.Variable(2.0)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    tf.Session.reset("", ["box"])
    assert session.run(free) == 2
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(boxed)
    tf.Session.reset("")
    with pytest.raises(RuntimeError, match="closed"):
        session.run(free)


class TestCallable:
    def test_values_in_order(self, sess):
        x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
        call = sess.make_callable([x - y, {"sum": x + y}], [x, y])
        assert call(3, 1) == [2, {"sum": 4}]
        np.testing.assert_array_equal(call([3, 4], 1)[0], [2, 3])
        assert sess.make_callable(x.op, [x])(1) is None
        assert sess.make_callable(tf.constant(3))() == 3

    def test_sees_later_edits_of_the_graph(self, sess):
        a, b = tf.constant(1.0), tf.constant(5.0)
        c = tf.negative(a)
        call = sess.make_callable(c)
        assert call() == -1
        c.op._update_input(0, b)
        assert call() == -5

    def test_options(self, sess):
        call = sess.make_callable(tf.constant(1.0) + 1, accept_options=True)
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        assert call(options=options, run_metadata=metadata) == 2
        assert metadata.step_stats.dev_stats
        with pytest.raises(TypeError, match="accept_options"):
            sess.make_callable(tf.constant(1))(options=options)

    def test_wrong_use(self, sess):
        x = tf.placeholder(tf.float32)
        with pytest.raises(TypeError, match=r"`feed_list` must be a list or tuple. Received: \{"):
            sess.make_callable(x, {x: 1})
        with pytest.raises(ValueError, match="takes 1 values to feed. Received: 2"):
            sess.make_callable(x, [x])(1, 2)


class TestPartialRun:
    def test_each_piece_runs_once(self, sess):
        calls = []
        x, y = tf.placeholder(tf.float32, name="x"), tf.placeholder(tf.float32, name="y")
        once = tf.py_func(lambda v: calls.append(1) or v * 2, [x], tf.float32)
        total = once + y
        handle = sess.partial_run_setup([once, total], [x, y])
        assert sess.partial_run(handle, once, {x: 3}) == 6
        assert sess.partial_run(handle, [total], {y: 1}) == [7]
        assert len(calls) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="Must run 'setup'"):
            sess.partial_run(handle, total)

    def test_variables_are_written_as_it_goes(self, sess):
        x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
        v = tf.Variable(1.0)
        first = v.assign_add(x)
        with tf.control_dependencies([first]):
            second = v.assign_add(y)
        read = v.value()
        sess.run(v.initializer)
        handle = sess.partial_run_setup([first, second.op, v, read], [x, y])
        assert sess.partial_run(handle, first, {x: 10}) == 11
        assert sess.run(v) == 11
        assert sess.partial_run(handle, [second.op, v], {y: 100}) == [None, 111]
        assert sess.run(v) == 111

    @pytest.mark.parametrize(
        ("fetch", "feeds", "message"),
        [
            ("y", {"x": 1}, "Fetch .* can't be computed from the feeds that have been fed so far"),
            ("z", {"x": 1}, "fetch .* was not specified in partial_run_setup"),
            ("x2", {"z": 1}, "feed z:0 was not specified in partial_run_setup"),
        ],
    )
    def test_refusals_change_nothing(self, sess, fetch, feeds, message):
        t = {name: tf.placeholder(tf.float32, name=name) for name in "xyz"}
        x2, y2 = t["x"] * 2, t["y"] * 2
        fetches = {"y": y2, "z": t["z"] * 2, "x2": x2}
        handle = sess.partial_run_setup([x2, y2], [t["x"], t["y"]])
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            sess.partial_run(handle, fetches[fetch], {t[k]: v for k, v in feeds.items()})
        assert sess.partial_run(handle, x2, {t["x"]: 1}) == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="has already been fetched"):
            sess.partial_run(handle, x2)
        with pytest.raises(tf.errors.InvalidArgumentError, match="feed x:0 has already been fed"):
            sess.partial_run(handle, y2, {t["x"]: 1})
        assert sess.partial_run(handle, y2, {t["y"]: 2}) == 4

    def test_a_failed_piece_can_be_tried_again(self, sess):
        x, n = tf.placeholder(tf.float32), tf.placeholder(tf.int32)
        v = tf.Variable(0.0)
        bump = v.assign_add(x)
        broken = tf.constant(6) // n
        sess.run(v.initializer)
        handle = sess.partial_run_setup([bump, broken], [x, n])
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)division by zero.*test_session\.py"):
            sess.partial_run(handle, [bump, broken], {x: 1, n: 0})
        assert sess.run(v) == 0
        assert sess.partial_run(handle, [bump, broken], {x: 1, n: 3}) == [1, 2]


class TestHandles:
    def test_a_value_stays_and_is_fed_back(self, sess):
        handle = sess.run(tf.get_session_handle(tf.constant([1.0, 2.0]) * 3))
        np.testing.assert_array_equal(handle.eval(), [3, 6])
        x = tf.placeholder(tf.float32)
        np.testing.assert_array_equal(sess.run(x + 1, {x: handle}), [4, 7])
        holder, tensor = tf.get_session_tensor(handle.handle, tf.float32)
        np.testing.assert_array_equal(sess.run(tensor * 2, {holder: handle.handle}), [6, 12])
        handle.delete()
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not in the session store"):
            handle.eval()

    def test_dropping_the_handle_frees_the_value(self, sess):
        handle = sess.run(tf.get_session_handle(tf.constant(1.0)))
        name = str(handle)
        holder, tensor = tf.get_session_tensor(name, tf.float32)
        assert sess.run(tensor, {holder: name}) == 1
        del handle
        with pytest.raises(tf.errors.InvalidArgumentError, match="not in the session store"):
            sess.run(tensor, {holder: name})


class TestComposites:
    def test_sparse_tensors_and_slices(self, sess):
        sparse = tf.SparseTensor([[0, 1], [1, 0]], [5.0, 6.0], [2, 3])
        value, doubled = sess.run([sparse, sparse.values * 2])
        assert isinstance(value, tf.SparseTensorValue)
        np.testing.assert_array_equal(value.indices, [[0, 1], [1, 0]])
        np.testing.assert_array_equal(doubled, [10, 12])
        fed = sess.run(sparse, {sparse: tf.SparseTensorValue([[0, 1], [1, 1]], [9.0, 4.0], [2, 3])})
        np.testing.assert_array_equal(fed.values, [9, 4])
        np.testing.assert_array_equal(
            sess.run(sparse, {sparse: ([[1, 1], [1, 2]], [8.0, 7], [2, 3])}).indices[1], [1, 2]
        )
        slices = tf.IndexedSlices(tf.constant([[1.0, 2.0]]), tf.constant([4]))
        got = sess.run({"s": slices})["s"]
        np.testing.assert_array_equal(got.indices, [4])
        assert got.dense_shape is None

    def test_tuples_of_tensors_are_keys(self, sess):
        x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
        assert sess.run(x - y, {(x, y): (5, 2)}) == 3

    def test_a_registered_type(self, sess):
        from millrace.session.fetch import register_session_run_conversion_functions

        class Pair:
            def __init__(self, a, b):
                self.a, self.b = a, b

        register_session_run_conversion_functions(
            Pair, lambda p: ([p.a, p.b], tuple), lambda p, value: [(p.a, value[0]), (p.b, value[1])]
        )
        pair = Pair(tf.placeholder(tf.float32), tf.constant(2.0))
        assert sess.run([pair], {pair.a: 1}) == [(1, 2)]
        assert sess.run(pair.a + pair.b, {pair: (3, 4)}) == 7
        with pytest.raises(ValueError, match="registered"):
            register_session_run_conversion_functions(Pair, None)


class TestConfig:
    def test_knobs_are_accepted(self):
        config = tf.ConfigProto(
            allow_soft_placement=True,
            intra_op_parallelism_threads=1,
            inter_op_parallelism_threads=2,
            device_count={"GPU": 0},
            gpu_options=tf.GPUOptions(allow_growth=True, per_process_gpu_memory_fraction=0.5),
            graph_options=tf.GraphOptions(optimizer_options=tf.OptimizerOptions(global_jit_level=-1)),
        )
        with tf.Session(config=config) as session:
            assert session.run(tf.constant(1) + 1) == 2

    def test_placement_is_logged_once(self, capsys):
        with tf.Session(config=tf.ConfigProto(log_device_placement=True)) as session:
            c = tf.constant(1.0, name="c")
            session.run(tf.negative(c, name="n"))
            session.run([c, tf.exp(c, name="e")])
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(":")[0] for line in lines].count("c") == 1
        assert "n: (Neg): /job:localhost/replica:0/task:0/device:CPU:0" in lines
        assert any(line.startswith("e: (Exp)") for line in lines)

    @pytest.mark.xla
    def test_devices(self, sess):
        cpu = sess.list_devices()[0]
        assert cpu.name == "/job:localhost/replica:0/task:0/device:CPU:0"
        assert cpu.device_type == "CPU"
        assert cpu.memory_limit_bytes > 0
        assert repr(cpu).startswith("_DeviceAttributes(/job:localhost")
        assert sess.list_devices()[0].incarnation == cpu.incarnation

    def test_facts(self):
        session = tf.Session()
        assert session.sess_str == b""
        assert session.graph is tf.get_default_graph()
        tf.constant(1, name="here")
        assert [n.name for n in session.graph_def.node] == ["here"]
