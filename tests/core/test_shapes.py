"""Static shapes: the rules on plain dims against NumPy, and TensorFlow 1's TensorShape and Dimension."""

import itertools
import math
import operator
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import shapes
from millrace.core.shapes import Dimension, TensorShape

full_dims = st.lists(st.integers(0, 4), max_size=4).map(tuple)
partial_dims = st.none() | st.lists(st.none() | st.integers(0, 4), max_size=4).map(tuple)


def fits(full, dims):
    """Whether the fully defined shape `full` is one of those that `dims` describes."""
    return dims is None or (
        len(full) == len(dims) and all(d is None or f == d for f, d in zip(full, dims, strict=True))
    )


def completions(dims, lengths=range(4)):
    """Every fully defined shape of few lengths that fits `dims`."""
    return itertools.product(*[lengths if d is None else [d] for d in dims])


@given(full_dims, full_dims)
def test_broadcast_of_known_shapes_is_numpys(a, b):
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ValueError, match="must broadcast"):
            shapes.broadcast(a, b)
    else:
        assert shapes.broadcast(a, b) == expected


@given(partial_dims, partial_dims, st.data())
def test_broadcast_of_partial_shapes_describes_every_possible_result(a, b, data):
    def fill(dims):
        lengths = data.draw(full_dims) if dims is None else dims
        return tuple(data.draw(st.integers(0, 4)) if d is None else d for d in lengths)

    full_a, full_b = fill(a), fill(b)
    try:
        result = np.broadcast_shapes(full_a, full_b)
    except ValueError:
        return
    assert fits(result, shapes.broadcast(a, b))
    assert shapes.broadcast(a, b) == shapes.broadcast(b, a)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((2, None), (3, 1, 4), (3, 2, 4)),
        ((None,), (1,), (None,)),
        ((None,), (0,), (None,)),
        ((None,), (5,), (5,)),
        ((None,), (None,), (None,)),
        ((), (2, None), (2, None)),
        (None, (2,), None),
        ((2,), None, None),
        (None, None, None),
        ((0,), (1,), (0,)),
    ],
)
def test_broadcast_with_unknowns(a, b, expected):
    assert shapes.broadcast(a, b) == expected
    assert shapes.broadcast(b, a) == expected


def test_broadcast_failure_names_lengths_and_shapes():
    with pytest.raises(ValueError, match=r"got 3 and 4 in \[2,3\] and \[\?,4\]$"):
        shapes.broadcast((2, 3), (None, 4))


@given(partial_dims, partial_dims, full_dims)
def test_merge_describes_what_both_describe(a, b, full):
    if shapes.compatible(a, b):
        merged = shapes.merge(a, b)
        assert fits(full, merged) == (fits(full, a) and fits(full, b))
        assert merged == shapes.merge(b, a)
        assert shapes.compatible(merged, a) and shapes.compatible(merged, b)
    else:
        assert not (fits(full, a) and fits(full, b))
        with pytest.raises(ValueError, match="must be equal where both are known"):
            shapes.merge(a, b)


@given(partial_dims, partial_dims, full_dims)
def test_most_general_describes_what_either_describes(a, b, full):
    general = shapes.most_general(a, b)
    assert general == shapes.most_general(b, a)
    if fits(full, a) or fits(full, b):
        assert fits(full, general)


@given(partial_dims, partial_dims)
def test_compatible_means_a_common_completion(a, b):
    if a is None or b is None:
        assert shapes.compatible(a, b)
        return
    lengths = range(5)
    common = set(completions(a, lengths)) & set(completions(b, lengths))
    assert shapes.compatible(a, b) == bool(common)


@given(partial_dims, partial_dims)
def test_concat_and_counts(a, b):
    both = shapes.concat(a, b)
    assert both == (None if a is None or b is None else (*a, *b))
    known = a is not None and None not in a
    assert shapes.fully_defined(a) == known
    assert shapes.num_elements(a) == (math.prod(a) if known else None)


def test_format_dims():
    assert shapes.format_dims((2, None, 3)) == "[2,?,3]"
    assert shapes.format_dims(()) == "[]"
    assert shapes.format_dims(None) == "<unknown>"


def proto(unknown_rank=False, sizes=()):
    return SimpleNamespace(unknown_rank=unknown_rank, dim=[SimpleNamespace(size=s) for s in sizes])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ([], ()),
        ([2, None], (2, None)),
        ((2, 3), (2, 3)),
        (3, (3,)),
        (np.int32(3), (3,)),
        (2.0, (2,)),
        (Dimension(3), (3,)),
        (Dimension(None), (None,)),
        ([Dimension(None), 4], (None, 4)),
        (TensorShape([2, None]), (2, None)),
        (TensorShape(None), None),
        (np.array([2, 3]), (2, 3)),
        pytest.param(iter([2, 3]), (2, 3), id="iterator"),
        (range(2), (0, 1)),
        (["3", True, np.float32(2)], (3, 1, 2)),
        ([2**40], (2**40,)),
        (proto(unknown_rank=True), None),
        (proto(sizes=[-1, 3]), (None, 3)),
    ],
    ids=repr,
)
def test_as_dims(value, expected):
    dims = shapes.as_dims(value)
    assert dims == expected
    assert dims is None or all(d is None or type(d) is int for d in dims)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([-1], ValueError),
        (-5, ValueError),
        ([2.5], ValueError),
        ([float("nan")], ValueError),
        (["a"], ValueError),
        ("ab", TypeError),
        (b"2", TypeError),
        ([[1]], TypeError),
        ([np.array([1])], TypeError),
        pytest.param(object(), TypeError, id="object"),
        (proto(sizes=[-2]), ValueError),
    ],
    ids=repr,
)
def test_as_dims_refuses(value, error):
    with pytest.raises(error):
        shapes.as_dims(value)


# TensorShape


@pytest.mark.parametrize(
    ("dims", "as_repr", "as_str"),
    [
        (None, "TensorShape(None)", "<unknown>"),
        ([], "TensorShape([])", "()"),
        ([2], "TensorShape([Dimension(2)])", "(2,)"),
        ([2, None], "TensorShape([Dimension(2), Dimension(None)])", "(2, ?)"),
    ],
)
def test_text(dims, as_repr, as_str):
    assert repr(TensorShape(dims)) == as_repr
    assert str(TensorShape(dims)) == as_str


def test_rank_and_lengths():
    shape = TensorShape([2, None])
    assert (shape.ndims, shape.rank, len(shape), shape.as_list()) == (2, 2, 2, [2, None])
    assert shape.dims_tuple == (2, None)
    assert [d.value for d in shape.dims] == [d.value for d in shape] == [2, None]
    assert not shape.is_fully_defined() and shape.num_elements() is None
    assert TensorShape([4, 2]).num_elements() == 8 and TensorShape([]).num_elements() == 1
    unknown = TensorShape(None)
    assert (unknown.ndims, unknown.rank, unknown.dims, unknown.num_elements()) == (None, None, None, None)
    assert not unknown and TensorShape([]) and TensorShape([0])
    for fails in (len, list, TensorShape.as_list, TensorShape.assert_is_fully_defined):
        with pytest.raises(ValueError, match=r"got <unknown>$"):
            fails(unknown)


def test_indexing():
    shape = TensorShape([2, 3, 4])
    assert (shape[0], shape[-1], shape[Dimension(1)], shape[np.int64(1)]) == (2, 4, 3, 3)
    assert isinstance(shape[0], Dimension)
    assert shape[1:] == [3, 4] and shape[::2] == [2, 4] and isinstance(shape[1:], TensorShape)
    assert 3 in shape
    with pytest.raises(IndexError):
        _ = shape[5]
    with pytest.raises(TypeError):
        _ = shape["a"]


def test_indexing_unknown_rank():
    unknown = TensorShape(None)
    assert unknown[7].value is None
    assert unknown[:3].as_list() == [None] * 3 and unknown[1:3].as_list() == [None] * 2
    assert unknown[2:1].as_list() == []
    for key in (slice(1, None), slice(-1, None), slice(None, -1)):
        assert unknown[key].ndims is None
    with pytest.raises(ValueError, match="with a step"):
        _ = unknown[0:4:2]


def test_equality():
    assert TensorShape([2, 3]) == [2, 3] and TensorShape([2, 3]) == (2, 3) and TensorShape(2) == 2
    assert TensorShape([2, 3]) != [2, 4]
    # Unknown lengths equal nothing but themselves.
    partial = TensorShape([2, None])
    assert partial == partial and not partial != partial
    assert not partial == TensorShape([2, None]) and partial != TensorShape([2, None])
    assert TensorShape(None) == None and TensorShape(None) == TensorShape(None)  # noqa: E711
    assert not TensorShape([2]) == None  # noqa: E711
    assert TensorShape([2]) != "x" and not TensorShape([2]) == object()
    for pair in ((TensorShape([2]), None), (TensorShape(None), [2]), (TensorShape(None), TensorShape(None))):
        with pytest.raises(ValueError, match="needs known ranks"):
            operator.ne(*pair)
    assert {TensorShape([2]): 1}[TensorShape([2])] == 1


def test_concatenation():
    shape = TensorShape([2])
    for joined in (shape + [3], shape + 3, shape.concatenate(Dimension(3)), shape + TensorShape([3])):
        assert joined == [2, 3]
    assert [3] + shape == [3, 2] and (3,) + shape == [3, 2]
    assert (shape + TensorShape(None)).ndims is None and TensorShape(None).concatenate([2]).ndims is None


def test_merging():
    assert TensorShape([2, None]).merge_with([None, 3]) == [2, 3]
    assert TensorShape(None).merge_with([2]) == [2] and TensorShape([2]).merge_with(None) == [2]
    for other in ([3], [2, 3]):
        with pytest.raises(ValueError, match="Shapes must be equal"):
            TensorShape([2]).merge_with(other)
    assert TensorShape([2, 3]).most_specific_compatible_shape([2, 4]).as_list() == [2, None]
    assert TensorShape([2]).most_specific_compatible_shape([2, 4]).ndims is None
    assert TensorShape([2, None]).is_compatible_with([2, 3]) and not TensorShape([2]).is_compatible_with(
        [2, 3]
    )


def test_ranks():
    shape, unknown = TensorShape([2, 3]), TensorShape(None)
    assert shape.with_rank(2) == shape and shape.with_rank(None) == shape
    assert unknown.with_rank(2).as_list() == [None, None]
    assert shape.with_rank_at_least(2) is shape and shape.with_rank_at_most(2) is shape
    assert unknown.with_rank_at_least(2) is unknown and unknown.with_rank_at_most(2) is unknown
    unknown.assert_has_rank(3)
    shape.assert_same_rank(unknown)
    shape.assert_same_rank([7, 7])


@pytest.mark.parametrize(
    ("method", "argument", "message"),
    [
        ("with_rank", 3, r"must have rank 3, got \(2, \?\)$"),
        ("assert_has_rank", 3, r"must have rank 3, got \(2, \?\)$"),
        ("with_rank_at_least", 3, r"rank at least 3, got \(2, \?\)$"),
        ("with_rank_at_most", 1, r"rank at most 1, got \(2, \?\)$"),
        ("assert_same_rank", [2], r"ranks must be equal, got \(2, \?\) and \(2,\)$"),
        ("assert_is_compatible_with", [3, 3], r"must agree where known, got \(2, \?\) and \(3, 3\)$"),
    ],
)
def test_refused_shapes_are_named(method, argument, message):
    with pytest.raises(ValueError, match=message):
        getattr(TensorShape([2, None]), method)(argument)
    with pytest.raises(ValueError, match=r"fully defined, got \(2, \?\)$"):
        TensorShape([2, None]).assert_is_fully_defined()


def test_proto_round_trip():
    for dims in (None, (), (2, None, 3)):
        message = TensorShape(dims).as_proto()
        assert message.unknown_rank == (dims is None)
        assert [axis.size for axis in message.dim] == [-1 if d is None else d for d in dims or ()]
        assert TensorShape(message).dims_tuple == dims


def test_pickling_and_numpy():
    for dims in (None, (), (2, None)):
        assert pickle.loads(pickle.dumps(TensorShape(dims))).dims_tuple == dims
    assert pickle.loads(pickle.dumps(Dimension(None))).value is None
    assert np.zeros(TensorShape([2, 3])).shape == np.zeros([Dimension(2), Dimension(3)]).shape == (2, 3)


def test_makers():
    assert shapes.scalar() == [] and shapes.vector(3) == [3]
    assert shapes.matrix(2, None).as_list() == [2, None]
    assert shapes.unknown_shape().ndims is None
    assert shapes.unknown_shape(2).as_list() == shapes.unknown_shape(ndims=2).as_list() == [None, None]
    with pytest.raises(TypeError, match="takes rank or ndims"):
        shapes.unknown_shape(2, ndims=2)
    shape, length = TensorShape([2]), Dimension(2)
    assert shapes.as_shape(shape) is shape and shapes.as_shape([2]) == shape
    assert shapes.as_dimension(length) is length and shapes.as_dimension(2) == length
    assert shapes.dimension_value(length) == shapes.dimension_value(2) == 2
    assert shapes.dimension_at_index(shape, 0).value == 2
    assert shapes.shape_of((2, None)).as_list() == [2, None]


# Dimension

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod]


@pytest.mark.parametrize("function", ARITHMETIC, ids=lambda f: f.__name__)
def test_arithmetic(function):
    expected = function(7, 2)
    for a, b in (
        (Dimension(7), 2),
        (7, Dimension(2)),
        (Dimension(7), Dimension(2)),
        (Dimension(7), np.int64(2)),
    ):
        result = function(a, b)
        assert isinstance(result, Dimension) and result.value == expected
    for a, b in ((Dimension(7), None), (None, Dimension(7)), (Dimension(None), 2), (2, Dimension(None))):
        assert function(a, b).value is None
    for other in (2.5, object(), {}):
        with pytest.raises(TypeError):
            function(Dimension(7), other)


def test_numpy_scalars_on_the_left():
    for result in (np.int64(3) * Dimension(2), np.int32(4) + Dimension(2), np.float32(2) * Dimension(3)):
        assert isinstance(result, Dimension) and result.value == 6


def test_arithmetic_limits():
    with pytest.raises(ValueError, match="must be >= 0, got -1"):
        Dimension(3) - 4
    with pytest.raises(ZeroDivisionError):
        Dimension(3) // 0
    for a, b in ((Dimension(7), 2), (7, Dimension(2))):
        with pytest.raises(TypeError, match="use // instead"):
            operator.truediv(a, b)
    assert Dimension(2) * [1] == [1, 1]


def test_comparison():
    assert Dimension(3) == 3 and Dimension(3) == Dimension(3) and Dimension(3) != 4 and Dimension(3) == 3.0
    assert (
        Dimension(3) < 4 and Dimension(3) <= 3 and Dimension(3) > 2 and Dimension(3) >= 3 and 3 < Dimension(4)
    )
    assert (Dimension(3) == "a", Dimension(3) != "a", Dimension(3) == 3.5) == (False, True, False)
    for function in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        for pair in ((Dimension(None), 3), (Dimension(3), None), (Dimension(None), Dimension(None))):
            assert function(*pair) is None
    with pytest.raises(ValueError):
        _ = Dimension(3) < 2.5


def test_dimension_as_integer():
    three = Dimension(3)
    assert (int(three), operator.index(three), three.value, hash(three)) == (3, 3, 3, hash(3))
    assert (repr(three), str(three), repr(Dimension(None)), str(Dimension(None))) == (
        "Dimension(3)",
        "3",
        "Dimension(None)",
        "?",
    )
    assert list(range(three)) == [0, 1, 2] and bool(Dimension(0)) and bool(Dimension(None))
    for fails in (int, operator.index):
        with pytest.raises(TypeError, match=r"got Dimension\(None\)$"):
            fails(Dimension(None))


def test_dimension_merging():
    assert Dimension(3).merge_with(None).value == Dimension(None).merge_with(3).value == 3
    assert Dimension(3).is_compatible_with(None) and not Dimension(3).is_compatible_with(4)
    with pytest.raises(ValueError, match=r"must be equal where known, got 3 and 4$"):
        Dimension(3).merge_with(4)
