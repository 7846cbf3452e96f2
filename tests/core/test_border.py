"""Wrong arguments of public functions are refused by name; what anybody raises goes through."""

import inspect
import threading

import pytest

import millrace as tf


def test_the_argument_is_named():
    with pytest.raises(TypeError, match=r"LinearOperatorInversion: argument 'operator' .*'is_square'.*1\.5"):
        tf.linalg.LinearOperatorInversion(1.5)
    with pytest.raises(TypeError, match=r"MovingAverageOptimizer: argument 'opt'"):
        tf.contrib.opt.MovingAverageOptimizer({1.0})


def test_the_stumble_is_the_cause():
    with pytest.raises(TypeError) as caught:
        tf.train.global_step(3, tf.Variable(1))
    assert isinstance(caught.value.__cause__, AttributeError)


def test_what_functions_of_the_caller_raise_goes_through():
    def broken(*_, **__):
        return None.nothing

    with pytest.raises(AttributeError, match="nothing"):
        tf.cond(tf.constant(True), broken, broken)
    with pytest.raises(AttributeError, match="nothing"):
        tf.contrib.slim.repeat(tf.ones([1, 2]), 2, broken)


def test_signatures_and_names_stay():
    function = tf.contrib.opt.MovingAverageOptimizer.__init__
    assert list(inspect.signature(function).parameters)[:2] == ["self", "opt"]
    assert inspect.getfullargspec(tf.keras.backend.bias_add).args == ["x", "bias", "data_format"]
    assert tf.keras.backend.bias_add.__name__ == "bias_add"


def test_a_call_that_fails_leaves_the_graph_as_it_was():
    with tf.Graph().as_default() as graph:
        x, on = tf.placeholder(tf.float32, [2, 2]), tf.placeholder(tf.bool, [])
        before = graph.as_graph_def(), dict(graph.names), graph.get_all_collection_keys()
        for wrong in (
            lambda: tf.image.adjust_hue("a", 0.1),
            lambda: tf.matmul(x, [["a"]]),
            lambda: tf.nn.moments(x, [7]),
            lambda: tf.losses.mean_squared_error(x, x, weights=[[[1.0]]]),
            lambda: tf.keras.layers.add([x, 3]),
            lambda: tf.cond(on, lambda: x, lambda: [x, x]),
            lambda: tf.while_loop(lambda i: i < 3, lambda i: (i, i), [0]),
        ):
            with pytest.raises((TypeError, ValueError)):
                wrong()
            assert (graph.as_graph_def(), dict(graph.names), graph.get_all_collection_keys()) == before
        tf.losses.mean_squared_error(x, x)
        assert graph.get_operations()[2].name == "mean_squared_error/SquaredDifference"


def test_what_the_caller_has_caught_inside_of_a_call_is_undone_alone():
    def branch():
        with pytest.raises(ValueError, match="tensordot"):
            tf.tensordot(x, x, 7)
        return x + 1.0

    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.ones([2])
        result = tf.cond(tf.constant(True), branch, lambda: x)
        assert sess.run(result).tolist() == [2.0, 2.0]


def test_a_capture_that_failed_is_made_again():
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x, y = tf.ones([2]), tf.ones([3])

        def body(i):
            with pytest.raises(ValueError, match="Add"):
                tf.add(x, y)
            return i + tf.reduce_sum(x)

        assert sess.run(tf.while_loop(lambda i: i < 3.0, body, [0.0])) == 4.0
        with tf.Graph().as_default():
            tf.import_graph_def(graph.as_graph_def())


def test_what_has_run_or_is_held_by_a_layer_stays():
    with tf.Graph().as_default() as graph:

        def broken(*_):
            with tf.init_scope(), tf.Session() as sess:
                sess.run(tf.constant(1.0))
            raise ValueError("broken")

        with pytest.raises(ValueError, match="^broken$"):
            tf.cond(tf.constant(True), broken, broken)
        size = len(graph.get_operations())
        assert size > 1

        def keeps():
            layer(tf.ones([1, 2]))
            raise ValueError("broken")

        layer = tf.layers.Dense(3)

        with pytest.raises(ValueError, match="^broken$"):
            tf.cond(tf.constant(True), keeps, keeps)
        assert layer.kernel.op in graph.get_operations()


def test_operations_of_another_thread_stay():
    with tf.Graph().as_default() as graph:

        def branch():
            thread = threading.Thread(target=add)
            thread.start()
            thread.join()
            raise ValueError("broken")

        def add():
            with graph.as_default():
                tf.constant(1.0, name="other")

        with pytest.raises(ValueError, match="^broken$"):
            tf.cond(tf.constant(True), branch, branch)
        assert any(op.name.endswith("other") for op in graph.get_operations())


def test_threads_may_fail_beside_each_other():
    with tf.Graph().as_default() as graph:
        x = tf.ones([2])

        def work(k):
            with graph.as_default():
                for _ in range(30):
                    with pytest.raises(ValueError):
                        tf.add(x, [1.0, 2.0, 3.0])
                    tf.identity(x, name=f"good{k}")

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        names = [op.name for op in graph.get_operations()]
        assert len(set(names)) == len(names)
        assert sum(name.startswith("good") for name in names) == 120


def test_variables_of_a_call_that_fails_are_no_more():
    with tf.Graph().as_default() as graph:
        with pytest.raises(TypeError, match="argument 'weights'"):
            tf.metrics.mean([1.0], weights={1: 2})
        assert not graph.get_operations() and not tf.local_variables()

        def twice():
            tf.get_variable("v", [], initializer=tf.zeros_initializer())
            raise ValueError("broken")

        for _ in range(2):
            with pytest.raises(ValueError, match="^broken$"):
                tf.cond(tf.constant(True), twice, twice)
        assert tf.get_variable("v", [2]).shape.as_list() == [2]


def test_errors_of_other_classes_are_named_and_value_errors_besides():
    with pytest.raises(ValueError, match="argument 'entity'") as caught:
        tf.contrib.autograph.to_code({1.0})
    assert isinstance(caught.value, NotImplementedError)
    with pytest.raises(AssertionError, match="Wrapper") as caught:
        tf.keras.layers.Wrapper("text")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(AttributeError, match="logits must be a tensor") as caught:
        tf.contrib.seq2seq.sequence_loss(None, None, None)
    assert isinstance(caught.value, TypeError)
    with pytest.raises(ValueError, match="to_int32: argument 'name'"):
        tf.to_int32([1], name=b"\xff")
    with pytest.raises(tf.errors.InvalidArgumentError, match="true_positives_at_thresholds"):
        tf.metrics.true_positives_at_thresholds([[2.0]], [[2.0]], [0.5])
    with pytest.raises(TypeError, match="tf_parameter_iter: argument 'x'"):
        list(tf.contrib.specs.tf_parameter_iter(3))
    with pytest.raises(TypeError, match="^LayerRNNCell"):
        tf.contrib.rnn.LayerRNNCell(dtype=[None])
