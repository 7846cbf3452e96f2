"""What may be fed, and what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.session import fetch
from millrace.session.feed import Feed


def _fed(dtype: Any, value: Any, shape: Any = None) -> Any:
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(dtype, shape, name="x")
        return sess.run(tf.identity(x), {x: value})


@pytest.mark.parametrize(
    ("dtype", "value", "want"),
    [
        (tf.bool, True, True),
        (tf.bool, 1, True),
        (tf.bool, 0, False),
        (tf.int32, 3.7, 3),
        (tf.uint8, 255, 255),
        (tf.float32, 2, 2.0),
        (tf.float64, np.float32(0.5), 0.5),
        (tf.string, "text", b"text"),
    ],
)
def test_values_are_cast(dtype: Any, value: Any, want: Any) -> None:
    assert _fed(dtype, value) == want


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (tf.bool, 2),
        (tf.bool, -1),
        (tf.uint8, 256),
        (tf.int8, -129),
        (tf.int32, 2**31),
        (tf.int64, 2**63),
        (tf.int32, "text"),
    ],
)
def test_numbers_that_a_dtype_lacks(dtype: Any, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="(?i)x:0|invalid literal"):
        _fed(dtype, value)


def test_texts() -> None:
    given = np.array([b"a", b"bc"], object)
    assert _fed(tf.string, given).tolist() == [b"a", b"bc"]
    assert _fed(tf.string, np.array(["a", "bc"], object)).tolist() == [b"a", b"bc"]
    assert _fed(tf.string, np.array([b"a", "bc"], object)).tolist() == [b"a", b"bc"]
    assert _fed(tf.string, np.array(["a", "bc"])).tolist() == [b"a", b"bc"]


@pytest.mark.parametrize(("length", "shown"), [(198, "x" * 198 + "'"), (199, "x" * 196 + "...")])
def test_long_values_are_shown_in_part(length: int, shown: str) -> None:
    with pytest.raises(ValueError) as caught:
        _fed(tf.int32, "x" * length)
    assert str(caught.value).endswith(f"Received: '{shown}")


def test_shapes() -> None:
    assert _fed(tf.float32, [[1.0, 2.0]], [None, 2]).shape == (1, 2)
    for value in ([1.0, 2.0], [[1.0]], 1.0):
        with pytest.raises(ValueError, match=r"Cannot feed value of shape .* 'x:0'.*\(\?, 2\)"):
            _fed(tf.float32, value, [None, 2])
    with pytest.raises(ValueError, match="x:0"):
        _fed(tf.float32, [[1.0], [1.0, 2.0]])


def test_tensors_and_none_are_not_values() -> None:
    with pytest.raises(TypeError, match="cannot be a Tensor"):
        x = tf.placeholder(tf.float32, [])
        with tf.Session() as sess:
            sess.run(x, {x: tf.constant(1.0)})
    with pytest.raises(ValueError, match="None"):
        _fed(tf.float32, None)


def test_tuples_of_tensors_nest_as_their_values_do() -> None:
    a, b, c = (tf.placeholder(tf.float32, []) for _ in range(3))
    with tf.Session() as sess:
        assert sess.run(a - b * c, {(a, (b, c)): (7.0, (2.0, 3.0))}) == 1
        with pytest.raises(ValueError, match="Key had 2 elements, but value had 3"):
            sess.run(a, {(a, b): (1.0, 2.0, 3.0)})


def test_what_is_kept_from_being_fed() -> None:
    x = tf.constant(1.0)
    tf.get_default_graph().prevent_feeding(x)
    with tf.Session() as sess, pytest.raises(ValueError, match="may not be fed"):
        sess.run(x, {x: 2.0})


def test_a_fed_array_belongs_to_the_caller() -> None:
    x = tf.placeholder(tf.float32, [3])
    v = tf.Variable(np.zeros(3, np.float32))
    given = np.ones(3, np.float32)
    with tf.Session() as sess:
        stored, same = sess.run([v.assign(x), tf.identity(x)], {x: given})
        given[:] = 7
        same[:] = 8
        stored[:] = 9
        assert sess.run(v).tolist() == [1, 1, 1]


@pytest.mark.parametrize("size", [10, 4096, 5000])
def test_large_arrays_of_another_dtype_are_cast(size: int) -> None:
    given = np.arange(size, dtype=np.float64)
    found = _fed(tf.float32, given)
    assert found.dtype == np.float32 and np.array_equal(found, given)
    assert np.array_equal(_fed(tf.int16, given.reshape(2, -1)), given.reshape(2, -1).astype(np.int16))


def _feed(dtype: Any, shape: Any = None) -> Feed:
    return Feed(tf.placeholder(dtype, shape, name="x"))


def test_an_array_of_the_dtype_is_taken_as_it_is() -> None:
    given = np.arange(6, dtype=np.float32)
    assert _feed(tf.float32, [6]).convert(given) is given and _feed(tf.float32).convert(given) is given
    texts = np.array([b"a", b"b"], object)
    assert _feed(tf.string).convert(texts) is texts


@pytest.mark.parametrize("size", [4095, 4096, 4097, 10000])
@pytest.mark.parametrize("dtype", [tf.float32, tf.int64, tf.bool])
def test_a_large_array_of_another_dtype_begins_where_xla_takes_it(size: int, dtype: Any) -> None:
    given = (np.arange(size) % 3).astype(np.float64).reshape(1, size)
    found = _feed(dtype).convert(given)
    assert found.dtype == dtype.as_numpy_dtype and np.array_equal(found, given.astype(found.dtype))
    assert found.shape == (1, size) and (size < 4096 or found.ctypes.data % 64 == 0)


@pytest.mark.parametrize(
    ("dtype", "value", "want"),
    [
        (tf.complex64, 1 + 2j, 1 + 2j),
        (tf.complex64, np.array([1.0]), [1]),
        (tf.float32, np.array([1j]).real, [0]),
        (tf.bfloat16, 1.5, 1.5),
        (tf.float32, (1, 2), [1, 2]),
        (tf.float32, [], []),
        (tf.int64, -(2**63), -(2**63)),
        (tf.float64, 2**53, 2.0**53),
        (tf.uint8, [-1, 257], [255, 1]),
        (tf.string, ["a", b"b"], [b"a", b"b"]),
        (tf.float32, np.float64(0.5), 0.5),
        (tf.int32, np.array(7, np.int64), 7),
    ],
)
def test_what_values_become(dtype: Any, value: Any, want: Any) -> None:
    found = _feed(dtype).convert(value)
    assert found.dtype == dtype.as_numpy_dtype and found.tolist() == want


@pytest.mark.parametrize(
    ("dtype", "value", "error", "message"),
    [
        (tf.float32, 2**24 + 1, TypeError, "float32 has no such number. Received: 16777217"),
        (tf.float32, 10**400, TypeError, "Cannot feed Tensor 'x:0' of dtype float32"),
        (tf.bool, 2, TypeError, "bool has no such number. Received: 2"),
        (tf.int32, [10**20], TypeError, "Cannot feed Tensor 'x:0' of dtype int32"),
        (tf.int32, "seven", ValueError, "invalid literal.*Received: 'seven'"),
        (tf.float32, [[1.0], [1.0, 2.0]], ValueError, "Cannot feed Tensor 'x:0' of dtype float32"),
        (tf.string, [1], TypeError, "Expected string. Received: 1"),
        (tf.float32, None, ValueError, "None is not a value to feed for Tensor 'x:0', which has shape"),
        (tf.float32, object(), TypeError, "Cannot feed Tensor 'x:0'"),
    ],
)
def test_what_is_refused(dtype: Any, value: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        _feed(dtype).convert(value)


def test_what_stands_for_a_tensor_is_not_a_value() -> None:
    x = tf.placeholder(tf.float32, [])
    for value in (tf.constant(1.0), tf.Variable(1.0), tf.IndexedSlices(tf.ones([1]), tf.constant([0]))):
        with pytest.raises(TypeError, match="value of a feed cannot be a Tensor.*for 'Placeholder:0'"):
            Feed(x).convert(value)
    with pytest.raises(TypeError, match="handle of a resource and cannot be fed"):
        Feed(tf.Variable(1.0, use_resource=True).handle)


def test_a_shape_is_what_the_tensor_has_now() -> None:
    x = tf.placeholder(tf.float32, name="x")
    feed = Feed(x)
    assert feed.any_shape and feed.convert([1.0, 2.0]).shape == (2,)
    x.set_shape([None, 2])
    with pytest.raises(ValueError, match=r"Cannot feed value of shape \(2,\) for Tensor 'x:0', .*\(\?, 2\)"):
        feed.convert([1.0, 2.0])
    assert feed.convert([[1.0, 2.0]]).shape == (1, 2)
    x.set_shape([3, 2])
    with pytest.raises(ValueError, match=r"value of shape \(1, 2\)"):
        feed.convert([[1.0, 2.0]])
    assert not Feed(x).any_shape and Feed(tf.placeholder(tf.float32, [None])).any_shape


def test_keys_that_are_not_tensors() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    other = tf.Graph()
    with other.as_default():
        foreign = tf.constant(1.0)
    with tf.Session() as sess:
        assert sess.run(x, {"x:0": 3.0}) == 3
        for key, message in (
            (3, "Can not convert a int into a Tensor. Received: 3$"),
            ("x", "refers to an Operation, not a Tensor.*Received: 'x'$"),
            ("y:0", "no operation 'y'.*Received: 'y:0'$"),
            (foreign, "not an element of this graph"),
            (x.op, "Can not convert a Operation into a Tensor"),
        ):
            with pytest.raises(TypeError, match=f"Cannot interpret feed_dict key as Tensor: .*{message}"):
                sess.run(x, {x: 1.0, key: 1.0})


def test_nested_keys() -> None:
    a, b, c = (tf.placeholder(tf.float32, [], name=name) for name in "abc")
    total = a * 100 + b * 10 + c
    with tf.Session() as sess:
        for key, value in (
            ((a, b, c), (1, 2, 3)),
            ((a, b, c), [1, 2, 3]),
            ((a, b, c), np.array([1.0, 2.0, 3.0])),
            ((a, (b, (c,))), (1, (2, (3,)))),
            (("a:0", b, c), (1, 2, 3)),
        ):
            assert sess.run(total, {key: value}) == 123
        assert sess.run(total, {(a, b): (1, 2), c: 3}) == 123
        with pytest.raises(ValueError, match="Key had 2 elements, but value had 1 elements"):
            sess.run(total, {(a, b): 1.0, c: 3})
        with pytest.raises(ValueError, match="Key had 2 elements, but value had 1 elements"):
            sess.run(total, {(a, (b, c)): (1, [2])})


class Many:
    """Fed as any number of tensors."""

    def __init__(self, tensors: Any) -> None:
        self.tensors = tensors


def test_a_type_of_a_programs_own_is_fed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_expansions", list(fetch._expansions))
    fetch.register_session_run_conversion_functions(
        Many,
        lambda m: (m.tensors, sum),
        lambda m, value: list(zip(m.tensors, value)),
        lambda m: m.tensors,
    )
    a, b = tf.placeholder(tf.float32, [], name="a"), tf.placeholder(tf.float32, [], name="b")
    many, named = Many([a, b]), Many(["a:0", "b:0"])
    with tf.Session() as sess:
        assert sess.run(many, {many: [1, 2]}) == 3 and sess.run(a - b, {named: [1, 2]}) == -1
        assert sess.run(a, {many: [7]}) == 7  # only the tensors that have a value are fed
        assert sess.run(a - b, {many: [5, 3]}) == 2
        handle = sess.partial_run_setup([a, b], [many])
        assert sess.partial_run(handle, a, {many: [1, 2]}) == 1 and sess.partial_run(handle, b) == 2


def test_what_cannot_be_fed_in_a_run_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_expansions", list(fetch._expansions))
    fetch.register_session_run_conversion_functions(Many, lambda m: (m.tensors, sum), lambda m, value: [])
    a = tf.placeholder(tf.float32, [], name="a")
    with (
        tf.Session() as sess,
        pytest.raises(TypeError, match="Many cannot be fed here: its type has no function for partial runs"),
    ):
        sess.partial_run_setup([a], [Many([a])])


def test_a_value_that_a_run_has_kept_is_fed_by_its_handle() -> None:
    x, name = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.string, [])
    with tf.Session() as sess:
        kept = sess.run(tf.get_session_handle(tf.constant([1.0, 2.0])))
        assert sess.run(x * 2.0, {x: kept}).tolist() == [2, 4]
        assert sess.run(name, {name: kept}) == str(kept).encode()
        with pytest.raises(ValueError, match=r"value of shape \(2,\)"):
            sess.run(tf.placeholder(tf.float32, []) + 0.0, {tf.placeholder(tf.float32, []): kept})
