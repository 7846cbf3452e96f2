"""TensorFlow's private `framework.test_util`; outcomes and messages are those of 1.15.5."""

import importlib
import unittest

import pytest

import millrace as tf

util = importlib.import_module("millrace.python.framework.test_util")


def _class(decorator):
    class Case(tf.test.TestCase):
        def runTest(self):
            pass

        @decorator
        def method(self):
            return 5

    return Case


@pytest.mark.parametrize(
    "decorator",
    [
        util.deprecated_graph_mode_only,
        util.run_deprecated_v1,
        util.run_deprecated_v1(),
        util.run_v1_only("why"),
        util.assert_no_new_tensors,
        util.assert_no_garbage_created,
        util.enable_c_shapes,
        util.enable_control_flow_v2,
        util.use_deterministic_cudnn,
        util.disable_xla("why"),
        util.no_xla_auto_jit("why"),
        util.disable_control_flow_v2("why"),
        util.skip_if(False),
    ],
)
def test_methods_that_run(decorator):
    assert _class(decorator)().method() == 5


@pytest.mark.parametrize(
    ("decorator", "why"),
    [
        (util.run_v2_only, "Test is only compatible with v2"),
        (util.run_gpu_only, "Test requires GPU"),
        (util.run_cuda_only, "Test requires CUDA GPU"),
    ],
)
def test_methods_that_are_skipped(decorator, why):
    if tf.test.is_gpu_available():
        pytest.skip("there is a GPU")
    with pytest.raises(unittest.SkipTest, match=why):
        _class(decorator)().method()
    assert _class(util.skip_if(lambda: True))().method() is None


def test_a_class_is_repeated_or_decorated_as_a_whole():
    @util.with_control_flow_v2
    class Repeated(tf.test.TestCase):
        def testA(self):
            pass

        @util.disable_control_flow_v2("why")
        def testB(self):
            pass

    assert [n for n in dir(Repeated) if n.startswith(("testA", "testB"))] == [
        "testA",
        "testAWithControlFlowV2",
        "testB",
    ]

    @util.for_all_test_methods(util.skip_if, True)
    class Skipped(tf.test.TestCase):
        def testA(self):
            return 3

        def other(self):
            return 1

    assert Skipped("testA").testA() is None and Skipped("testA").other() == 1


def test_what_a_test_leaves_behind_is_told():
    class Case(tf.test.TestCase):
        def runTest(self):
            pass

        @util.assert_no_new_tensors
        def keeps(self):
            self.kept = tf.constant(3)

        @util.assert_no_garbage_created
        def circles(self):
            a = []
            a.append(a)

    with pytest.raises(AssertionError, match="1 Tensors not deallocated after test"):
        Case().keeps()
    with pytest.raises(AssertionError):
        Case().circles()


def test_images_are_turned_round():
    image = tf.ones([1, 2, 3, 8])
    assert util.NHWCToNCHW([1, 2, 3, 4]) == [1, 4, 2, 3] and util.NHWCToNCHW(image).shape == (1, 8, 2, 3)
    assert util.NCHWToNHWC([1, 2, 3, 4]) == [1, 3, 4, 2]
    assert util.NHWCToNCHW_VECT_C([1, 2, 3, 8]) == [1, 2, 2, 3, 4]
    assert util.NHWCToNCHW_VECT_C(image).shape == (1, 2, 2, 3, 4)
    assert util.NCHW_VECT_CToNHWC([1, 2, 3, 4, 4]) == [1, 3, 4, 8]
    assert util.NCHW_VECT_CToNHWC(tf.ones([1, 2, 3, 4, 4])).shape == (1, 3, 4, 8)
    with pytest.raises(ValueError, match="divisible by 4"):
        util.NHWCToNCHW_VECT_C([1, 2, 3, 5])
    with pytest.raises(ValueError, match="must be 4"):
        util.NCHW_VECT_CToNHWC([1, 2, 3, 4, 5])


def test_graphs_are_looked_at():
    tf.constant(1.0, name="a")
    graph = tf.get_default_graph()
    assert list(util.assert_ops_in_graph({"a": "Const"}, graph)) == ["a"]
    with pytest.raises(ValueError, match="Expected op for node a is different. Add vs Const"):
        util.assert_ops_in_graph({"a": "Add"}, graph)
    with pytest.raises(ValueError, match="Not all expected ops are present"):
        util.assert_ops_in_graph({"z": "Add"}, graph)
    assert util.get_node_def_from_graph("a", graph.as_graph_def()).op == "Const"
    assert util.get_node_def_from_graph("q", graph.as_graph_def()) is None
    util.assert_equal_graph_def(graph.as_graph_def(), graph.as_graph_def())
    one = tf.train.export_meta_graph()
    util.assert_meta_graph_protos_equal(tf.test.TestCase(), one, one)
    with util.force_gpu():
        assert tf.constant(1).device == "/device:GPU:0"
    with util.force_cpu():
        assert tf.constant(1).device == "/device:CPU:0"


def test_arguments_are_combined():
    assert [dict(c) for c in util._combine_named_parameters(b="x", a=[1, 2])] == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": "x"},
    ]
    names = util.generate_combinations_with_testcase_name(mode=["g", "e"], n=3)
    assert [c["testcase_name"] for c in names] == ["_test_mode_g_n_3", "_test_mode_e_n_3"]


def test_a_session_logs_what_goes_wrong(caplog):
    with util.ErrorLoggingSession() as sess, pytest.raises(tf.errors.InvalidArgumentError):
        sess.run(tf.placeholder(tf.float32))
    assert "placeholder" in caplog.text.lower()
