"""`tf.test`: what its assertions accept and refuse, sessions of test cases, gradients against differences."""

import importlib
import sys
import unittest

import numpy as np
import pytest

import millrace as tf


class Sample(tf.test.TestCase):
    """Run by hand below, so that each test has its own set-up."""

    def runTest(self):
        pass


@pytest.fixture
def case():
    found = Sample()
    found.setUp()
    yield found
    found.tearDown()


ACCEPTED = [
    lambda c: c.assertAllClose([1.0, 2.0], np.array([1.0, 2.0 + 1e-7])),
    lambda c: c.assertAllClose({"a": [1.0], "b": (2.0, [3.0, 4.0])}, {"a": [1.0], "b": (2.0, [3.0, 4.0])}),
    lambda c: c.assertAllClose([np.ones(2), np.ones(3)], [np.ones(2), np.ones(3)]),
    lambda c: c.assertAllClose(np.nan, np.nan),
    lambda c: c.assertAllClose(tf.constant([1.0]) * 2, [2.0]),
    lambda c: c.assertAllCloseAccordingToType(np.float16([1.0]), np.float16([1.0005])),
    lambda c: c.assertNotAllClose([1.0], [1.1]),
    lambda c: c.assertAllEqual(tf.constant([1, 2]), [1, 2]),
    lambda c: c.assertAllEqual([np.nan, 1.0], [np.nan, 1.0]),
    lambda c: c.assertAllEqual(tf.constant(["a", "b"]), ["a", b"b"]),
    lambda c: c.assertNotAllEqual([1], [2]),
    lambda c: c.assertNear(1.0, 1.1, 0.2),
    lambda c: c.assertArrayNear([1.0], [1.05], 0.1),
    lambda c: c.assertNDArrayNear(np.ones(3), np.ones(3) + 0.01, 0.1),
    lambda c: c.assertAllGreater([1, 2], 0),
    lambda c: c.assertAllGreaterEqual([1, 2], 1),
    lambda c: c.assertAllLess([1, 2], 3),
    lambda c: c.assertAllLessEqual([1, 2], 2),
    lambda c: c.assertAllInRange([1, 2], 1, 2),
    lambda c: c.assertAllInSet([1, 2, 1], {1, 2}),
    lambda c: c.assertDTypeEqual(tf.constant(1.0), np.float32),
    lambda c: c.assertShapeEqual(np.ones([2, 3]), tf.ones([2, 3])),
    lambda c: c.assertDeviceEqual("/cpu:0", "/device:CPU:0"),
    lambda c: c.assertStartsWith("abc", "ab"),
    lambda c: c.assertItemsEqual([1, 2], [2, 1]),
    lambda c: c.assertProtoEquals("allow_soft_placement: true", tf.ConfigProto(allow_soft_placement=True)),
    lambda c: c.assertLen([1, 2], 2),
]
REFUSED = [
    lambda c: c.assertAllClose([1.0, 2.0], [1.0, 2.1]),
    lambda c: c.assertAllClose([1.0], [[1.0]]),
    lambda c: c.assertAllClose({"a": [1.0]}, {"b": [1.0]}),
    lambda c: c.assertAllClose({"a": [1.0]}, {"a": [1.5]}),
    lambda c: c.assertNotAllClose([1.0], [1.0]),
    lambda c: c.assertAllEqual([1, 2], [1, 3]),
    lambda c: c.assertAllEqual([1, 2], [[1, 2]]),
    lambda c: c.assertNotAllEqual([1], [1]),
    lambda c: c.assertNear(1.0, 2.0, 0.5),
    lambda c: c.assertArrayNear([1.0], [1.0, 2.0], 0.1),
    lambda c: c.assertNDArrayNear(np.ones(3), np.zeros(3), 0.1),
    lambda c: c.assertAllGreater([0, 2], 0),
    lambda c: c.assertAllInRange([1, 2], 1, 2, open_upper_bound=True),
    lambda c: c.assertAllInSet([1, 3], {1, 2}),
    lambda c: c.assertDTypeEqual([1.0], np.float32),
    lambda c: c.assertShapeEqual(np.ones([2, 3]), tf.ones([3, 2])),
    lambda c: c.assertStartsWith("abc", "b"),
    lambda c: c.assertProtoEquals("allow_soft_placement: true", tf.ConfigProto()),
]


@pytest.mark.parametrize("check", ACCEPTED, ids=lambda f: str(f.__code__.co_firstlineno))
def test_accepted(case, check):
    check(case)


@pytest.mark.parametrize("check", REFUSED, ids=lambda f: str(f.__code__.co_firstlineno))
def test_refused(case, check):
    with pytest.raises(AssertionError):
        check(case)


class TestCases:
    def test_sessions(self, case):
        v = tf.Variable(1.0)
        with case.cached_session() as sess:
            sess.run(v.initializer)
        with case.test_session() as again:
            assert again is sess
            assert again.run(v) == 1
        with case.session() as own:
            assert own is not sess
        with pytest.raises(RuntimeError, match="closed"):
            own.run(v)
        assert case.evaluate([v, v + 1]) == [1, 2]
        with pytest.raises(ValueError, match="graph"), case.cached_session(graph=tf.Graph()):
            pass

    def test_each_test_starts_afresh(self):
        results = []
        for _ in range(2):
            case = Sample()
            case.setUp()
            assert not tf.get_default_graph().get_operations()
            results.append((np.random.rand(), case.evaluate(tf.random_uniform([]))))
            case.tearDown()
        assert results[0] == results[1]

    def test_errors(self, case):
        n = tf.placeholder(tf.int32, [])
        broken = tf.constant(1) // n
        with case.cached_session() as sess, case.assertRaisesOpError("division by zero"):
            sess.run(broken, {n: 0})
        with case.assertRaisesWithPredicateMatch(ValueError, lambda e: "x" in str(e)):
            raise ValueError("x")
        with case.assertRaisesRegexp(ValueError, "^x$"):
            raise ValueError("x")
        with pytest.raises(AssertionError), case.assertRaisesOpError("other words"):
            raise tf.errors.NotFoundError(None, None, "nothing")
        with pytest.raises(AssertionError, match="not raised"), case.assertRaisesOpError(""):
            pass

    def test_threads_and_streams(self, case, capfd):
        def fail():
            raise KeyError("inside")

        thread = case.checkedThread(fail)
        thread.start()
        with pytest.raises(KeyError, match="inside"):
            thread.join()
        with case.captureWritesToStream(sys.__stderr__) as captured:
            print("caught", file=sys.__stderr__)
            assert captured.contents() == "caught\n"
        assert "caught" not in capfd.readouterr().err

    def test_the_runner_takes_test_session_for_no_test(self):
        class One(tf.test.TestCase):
            def test_it(self):
                with self.test_session():
                    self.assertAllEqual(tf.constant(1).eval(), 1)

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(One).run(result)
        assert (result.testsRun, result.errors, result.failures) == (2, [], [])

    def test_folders(self, case):
        first, second = case.get_temp_dir(), tf.test.get_temp_dir()
        assert first == case.get_temp_dir()
        assert first.startswith(second)
        assert tf.test.test_src_dir_path("core/errors.py").endswith("millrace/core/errors.py")


class TestGradients:
    def test_real(self):
        x = tf.placeholder(tf.float64, [2, 3])
        y = tf.matmul(tf.sin(x), tf.ones([3, 1], tf.float64))
        with tf.Session():
            symbolic, numeric = tf.test.compute_gradient(x, [2, 3], y, [2, 1])
            assert symbolic.shape == (6, 2)
            np.testing.assert_allclose(symbolic, numeric, atol=1e-6)
            assert tf.test.compute_gradient_error(x, [2, 3], y, [2, 1], np.ones((2, 3))) < 1e-6
            wrong = tf.stop_gradient(y) + tf.reduce_sum(x)
            assert tf.test.compute_gradient_error(x, [2, 3], wrong, [2, 1]) > 0.1

    def test_slices_lists_and_complex(self):
        table = tf.placeholder(tf.float64, [4, 2])
        z = tf.placeholder(tf.complex128, [2])
        picked = tf.gather(table, [1, 1, 3])
        with tf.Session():
            assert tf.test.compute_gradient_error(table, [4, 2], picked, [3, 2]) < 1e-6
            symbolic, numeric = tf.test.compute_gradient(z, [2], z * z, [2])
            assert symbolic.shape == (4, 4)
            np.testing.assert_allclose(symbolic, numeric, atol=1e-6)
            a, b = tf.placeholder(tf.float64, [2]), tf.placeholder(tf.float64, [2])
            pairs = tf.test.compute_gradient([a, b], [[2], [2]], a * b, [2])
            assert len(pairs) == 2
            for symbolic, numeric in pairs:
                np.testing.assert_allclose(symbolic, numeric, atol=1e-6)

    def test_of_a_function(self):
        """Version 2's: rows are elements of the argument, columns those of the result."""
        checker = importlib.import_module("millrace.python.ops.gradient_checker_v2")
        assert tf.compat.v2.test.compute_gradient is checker.compute_gradient
        with tf.Session():
            point = [np.arange(6.0).reshape(2, 3), np.ones((3, 1))]
            theoretical, numeric = checker.compute_gradient(tf.matmul, point)
            np.testing.assert_array_equal(theoretical[0], [[1, 0]] * 3 + [[0, 1]] * 3)
            np.testing.assert_array_equal(theoretical[1], [[0, 3], [1, 4], [2, 5]])
            assert checker.max_error(theoretical, numeric) < 1e-6
            with pytest.raises(ValueError, match="list"):
                checker.compute_gradient(tf.square, tf.constant(1.0))
        with pytest.raises(ValueError, match="no default session"):
            checker.compute_gradient(tf.square, [1.0])

    def test_refusals(self):
        x = tf.placeholder(tf.float32, [])
        with pytest.raises(ValueError, match="no default session"):
            tf.test.compute_gradient(x, [], x * 2, [])
        n = tf.placeholder(tf.int32, [])
        with tf.Session(), pytest.raises(TypeError, match="int32"):
            tf.test.compute_gradient(n, [], n, [])


def test_graph_defs():
    a = tf.constant(1.0, name="a")
    with tf.control_dependencies([a]):
        tf.add(a, a, name="b")
    first = tf.get_default_graph().as_graph_def()
    second = tf.GraphDef()
    second.CopyFrom(first)
    tf.test.assert_equal_graph_def(second, first)
    second.node[0].device = "/gpu:0"
    with pytest.raises(AssertionError, match=f"node '{second.node[0].name}'"):
        tf.test.assert_equal_graph_def(second, first)
    del second.node[-1]
    with pytest.raises(AssertionError, match="only in expected"):
        tf.test.assert_equal_graph_def(second, first)
    with pytest.raises(TypeError, match="Received: 3"):
        tf.test.assert_equal_graph_def(3, first)


def test_benchmarks_and_stubs(capsys):
    class Speed(tf.test.Benchmark):
        def benchmark_add(self):
            with tf.Session() as sess:
                return self.run_op_benchmark(sess, tf.constant(1) + 1, min_iters=3, extras={"size": 1})

    figures = Speed().benchmark_add()
    assert figures["iters"] == 3
    assert figures["name"] == "Speed.benchmark_add"
    assert '"size": 1' in capsys.readouterr().out
    assert tf.test.Benchmark.is_abstract()
    assert not Speed.is_abstract()

    class Thing:
        size = 1

    with tf.test.StubOutForTesting() as stubs:
        stubs.Set(Thing, "size", 2)
        assert Thing.size == 2
    assert Thing.size == 1
    with pytest.raises(AttributeError):
        tf.test.StubOutForTesting().SmartSet(Thing, "none", 1)


@pytest.mark.xla
def test_devices():
    from millrace.python.client import device_lib

    assert tf.test.is_gpu_available() == bool(tf.test.gpu_device_name())
    assert tf.test.is_built_with_gpu_support() in (True, False)
    cpu = device_lib.list_local_devices()[0]
    assert (cpu.name, cpu.device_type) == ("/device:CPU:0", "CPU")


def test_a_test_starts_afresh_inside_a_graph() -> None:
    class Inner(tf.test.TestCase):
        def runTest(self) -> None:
            with self.session() as sess:
                self.assertAllClose(sess.run(tf.constant([1.0])), [1.0])

    graph = tf.Graph()
    with graph.as_default():
        inner = Inner()
        inner.setUp()
        inner.runTest()
        inner.tearDown()
    assert not graph.get_operations()


def test_mock_is_there() -> None:
    assert tf.test.mock.Mock(return_value=3)() == 3


@pytest.mark.parametrize("kind", ["session", "cached_session", "test_session"])
def test_sessions_place_on_the_cpu_unless_devices_are_left_to_them(case, kind):
    with getattr(case, kind)():
        assert tf.constant(1).device == "/device:CPU:0"
    with getattr(case, kind)(use_gpu=True):
        assert tf.constant(1).device == ""
    with tf.Graph().as_default() as graph, case.session(graph=graph, force_gpu=True):
        assert tf.constant(1).device == "/device:GPU:0"


def test_a_setup_need_not_call_the_one_it_replaces():
    class One(tf.test.TestCase):
        def setUp(self):
            self.x = 2.0

        def test_it(self):
            with self.cached_session():
                self.assertAllEqual(tf.constant(self.x).eval(), 2.0)

    result = unittest.TestResult()
    One("test_it").run(result)
    assert (result.errors, result.failures) == ([], [])
