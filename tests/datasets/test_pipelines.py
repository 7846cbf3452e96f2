"""Pipelines: elements, their order, errors and iterators."""

import threading
import time

import numpy as np
import pytest

import millrace as tf
from millrace.core import progress

D = tf.data.Dataset


def drain(dataset, most=50):
    """All elements of a dataset, as Python values."""
    following = dataset.make_one_shot_iterator().get_next()
    found = []
    with tf.Session() as sess:
        for _ in range(most):
            try:
                found.append(sess.run(following))
            except tf.errors.OutOfRangeError:
                return [np.asarray(v).tolist() if not isinstance(v, dict | tuple) else v for v in found]
    raise AssertionError("no end")


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def test_the_usual_stages():
    assert drain(D.range(7).map(lambda x: x * 2).filter(lambda x: x > 3).batch(2)) == [[4, 6], [8, 10], [12]]
    assert drain(D.range(3).repeat(2).skip(1).take(3)) == [1, 2, 0]
    assert drain(D.range(1, 4).map(lambda x: tf.fill([x], x)).padded_batch(2, [None])) == [
        [[1, 0], [2, 2]],
        [[3, 3, 3]],
    ]


def test_shuffles_in_tensorflows_order():
    assert drain(D.range(6).shuffle(10, seed=1).repeat(3)) == [
        *[3, 5, 0, 4, 1, 2],
        *[0, 4, 5, 3, 1, 2],
        *[5, 1, 4, 3, 0, 2],
    ]


def test_an_error_belongs_to_its_element_and_the_next_ones_follow():
    following = D.range(4).map(lambda x: 6 // (x - 1)).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run(following) == -6
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"element 1 of MapDataset .*test_pipelines"):
            sess.run(following)
        assert [sess.run(following), sess.run(following)] == [6, 3]


def test_functions_take_no_names_from_the_graph():
    tf.constant(1, name="add")
    D.range(3).map(lambda x: x + 1)
    assert [op.type for op in tf.get_default_graph().get_operations()] == [
        *["Const"] * 4,
        "RangeDataset",
        "MapDataset",
    ]


def test_captures_variables_and_tensors():
    v = tf.get_variable("v", initializer=np.int64(7), use_resource=True)
    p = tf.placeholder(tf.int64, [])
    iterator = D.range(3).map(lambda x: x * p + v).make_initializable_iterator()
    following = iterator.get_next()
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(iterator.initializer, {p: 10})
        assert sess.run(following) == 7
        sess.run(v.assign_add(1))
        assert sess.run(following) == 18


def test_generators_are_closed_by_python_and_tell_what_was_wrong():
    assert drain(D.from_generator(lambda: iter([1, 2]), tf.int32, []).repeat(2)) == [1, 2, 1, 2]
    following = D.from_generator(lambda: ["a"], tf.int32, []).make_one_shot_iterator().get_next()
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="expected type was int32"):
        sess.run(following)


def test_arguments_of_a_generator_are_tensors_of_the_graph():
    def words(first, second, count):
        for i in range(count):
            yield first + second, [i] * i

    types, dims = (tf.string, tf.int32), (tf.TensorShape([]), tf.TensorShape([None]))
    made = D.from_generator(words, types, dims, args=("x", tf.constant(b"y"), 2))
    names = [(op.name, op.type) for op in tf.get_default_graph().get_operations()]
    assert names == [
        ("Const", "Const"),
        ("args_0", "Const"),
        ("args_2", "Const"),
        ("normalize_element/component_0", "Const"),
        ("TensorDataset", "TensorDataset"),
        ("FlatMapDataset", "FlatMapDataset"),
    ]
    following = made.repeat(2).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        found = [sess.run(following) for _ in range(4)]
    assert [(word, rest.tolist()) for word, rest in found] == [(b"xy", []), (b"xy", [1])] * 2


def test_one_shot_iterators_refuse_what_they_cannot_copy():
    with pytest.raises(ValueError, match=r"Cannot capture a placeholder \(name:p, type:Placeholder\)"):
        D.range(tf.placeholder(tf.int64, [], name="p")).make_one_shot_iterator()


def test_iterators_are_fed_by_their_string_handles():
    handle = tf.placeholder(tf.string, [])
    first, second = D.range(3).make_one_shot_iterator(), D.range(10, 13).make_one_shot_iterator()
    following = tf.data.Iterator.from_string_handle(handle, tf.int64, []).get_next()
    with tf.Session() as sess:
        a, b = sess.run([first.string_handle(), second.string_handle()])
        assert [sess.run(following, {handle: h}) for h in (a, b, a, b)] == [0, 10, 1, 11]
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(following, {handle: b"nobody"})


def test_prefetching_ends_with_the_session():
    before = threading.active_count()
    following = D.range(10**9).prefetch(4).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [sess.run(following) for _ in range(5)] == [0, 1, 2, 3, 4]
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_slow_function_is_called_in_parallel_and_in_order():
    together = threading.Barrier(4, timeout=60)

    def slow(x):
        together.wait()
        return x

    dataset = D.range(8).map(lambda x: tf.py_func(slow, [x], tf.int64), num_parallel_calls=8)
    following = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [sess.run(following) for _ in range(8)] == list(range(8))


def test_what_is_fetched_may_be_changed():
    following = D.from_tensors(np.zeros(3)).repeat(2).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        sess.run(following)[:] = 7
        assert sess.run(following).tolist() == [0, 0, 0]


def test_datasets_print_as_in_tensorflow():
    assert str(D.range(3).batch(2)) == "<DatasetV1Adapter shapes: (?,), types: tf.int64>"
    nested = (
        "<DatasetV1Adapter shapes: {a: (), b: ((), ())}, types: {a: tf.int32, b: (tf.string, tf.float32)}>"
    )
    assert str(D.from_tensors({"a": 1, "b": ("x", 2.0)})) == nested


def test_random_functions_go_on_over_epochs():
    tf.set_random_seed(5)
    dataset = D.range(2).map(lambda x: x * 3 + tf.random_uniform([], 0, 1000, tf.int64)).repeat(2)
    assert drain(dataset) == [155, 653, 883, 83]


def test_filling_a_large_buffer_says_so(monkeypatch, capsys):
    monkeypatch.setenv("MILLRACE_PROGRESS", "1")
    monkeypatch.setattr(progress, "_PATIENCE", 0.01)
    slow = tf.data.Dataset.range(600).map(
        lambda i: tf.py_func(lambda v: time.sleep(0.001) or v, [i], tf.int64)
    )
    element = tf.data.make_one_shot_iterator(slow.shuffle(600)).get_next()
    with tf.Session() as sess:
        sess.run(element)
    assert "filling a shuffle buffer of 600 elements" in capsys.readouterr().err


def test_bounded_specs_of_specs():
    make = tf.contrib.framework.BoundedTensorSpec
    found = make.from_spec(tf.TensorSpec([2, None], tf.int32, "n"))
    assert (found.minimum, found.maximum, found.name) == (-(2**31), 2**31 - 1, "n")
    bounded = make([2], tf.float32, 0, [1, 2], "b")
    assert make.from_spec(bounded) == bounded and not bounded.minimum.flags.writeable
    assert type(make.from_tensor(tf.constant(1.0))) is tf.TensorSpec
    with pytest.raises(TypeError, match=r"tf\.bool"):
        make.from_spec(tf.TensorSpec([], tf.bool))
    with pytest.raises(TypeError, match=r"tf\.string"):
        make([], tf.string, "a", "b")
    general = tf.TensorSpec([2], name="a").most_specific_compatible_type
    assert general(tf.TensorSpec([3], name="a")).name == "a"
    assert general(tf.TensorSpec([3], name="b")).name is None
