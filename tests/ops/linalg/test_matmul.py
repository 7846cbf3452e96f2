"""Matrix products against NumPy."""

import ml_dtypes
import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_C = np.complex128


def _turned(x, flip):
    return np.swapaxes(np.conj(x), -1, -2) if flip else x


def _matmul(turn_a, turn_b):
    return lambda a, b: (a.T if turn_a else a) @ (b.T if turn_b else b)


def _batched(adj_x, adj_y):
    return lambda x, y: np.matmul(_turned(x, adj_x), _turned(y, adj_y))


class TestMatMul(OpSuite):
    """Two matrices."""

    cases = (
        *(
            OpCase(
                "MatMul",
                [floats(*((3, 2) if a else (2, 3))), floats(*((4, 3) if b else (3, 4)), seed=1)],
                _matmul(a, b),
                transpose_a=a,
                transpose_b=b,
            )
            for a in (False, True)
            for b in (False, True)
        ),
        OpCase("MatMul", [floats(2, 3, dtype=_C), floats(3, 4, dtype=_C)], np.matmul),
        OpCase("MatMul", [ints(2, 3), ints(3, 4)], np.matmul),
        OpCase("MatMul", [ints(2, 3, dtype=np.int64), ints(3, 4, dtype=np.int64)], np.matmul),
        OpCase("MatMul", [floats(2, 3, dtype=np.float16), floats(3, 4, dtype=np.float16)], np.matmul, wrt=()),
        OpCase("MatMul", [floats(2, 0), floats(0, 4)], np.matmul, wrt=()),
        *(
            OpCase(
                "SparseMatMul",
                [floats(*((3, 2) if a else (2, 3))), floats(*((4, 3) if b else (3, 4)), seed=1)],
                _matmul(a, b),
                transpose_a=a,
                transpose_b=b,
                wrt=(),
            )
            for a in (False, True)
            for b in (False, True)
        ),
    )


class TestBatchMatMul(OpSuite):
    """Batches of matrices."""

    cases = (
        *(
            OpCase(
                op,
                [
                    floats(2, *((4, 3) if x else (3, 4)), dtype=_C),
                    floats(2, *((5, 4) if y else (4, 5)), dtype=_C, seed=1),
                ],
                _batched(x, y),
                adj_x=x,
                adj_y=y,
            )
            for op in ("BatchMatMul", "BatchMatMulV2")
            for x in (False, True)
            for y in (False, True)
        ),
        OpCase("BatchMatMulV2", [floats(2, 1, 3, 4), floats(5, 4, 2)], np.matmul),
        OpCase("BatchMatMulV2", [floats(3, 4), floats(5, 4, 2)], np.matmul),
    )


def test_bfloat16_sums_in_float32():
    a = floats(3, 50).astype(ml_dtypes.bfloat16)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(tf.matmul(tf.constant(a), tf.constant(a), transpose_b=True))
    want = (a.astype(np.float32) @ a.astype(np.float32).T).astype(ml_dtypes.bfloat16)
    assert got.dtype == ml_dtypes.bfloat16
    assert np.array_equal(got.astype(np.float32), want.astype(np.float32))


@pytest.mark.parametrize("flag", ["transpose_a", "transpose_b", "adjoint_a", "adjoint_b"])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_matmul_flags(flag, batch):
    shape_a = (*batch, *((3, 2) if flag[-1] == "a" else (2, 3)))
    shape_b = (*batch, *((4, 3) if flag[-1] == "b" else (3, 4)))
    a, b = floats(*shape_a, dtype=_C), floats(*shape_b, dtype=_C, seed=1)
    operands = {"a": a, "b": b}
    x = np.swapaxes(operands[flag[-1]], -1, -2)
    operands[flag[-1]] = np.conj(x) if flag.startswith("adjoint") else x
    with tf.Graph().as_default(), tf.Session() as session:
        product = tf.matmul(a, b, **{flag: True})
        assert product.op.type == ("BatchMatMulV2" if batch else "MatMul")
        np.testing.assert_allclose(session.run(product), operands["a"] @ operands["b"])


def test_operator_and_function_choose_alike():
    with tf.Graph().as_default():
        for shapes in (((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4))):
            a, b = (tf.placeholder(tf.float32, s) for s in shapes)
            assert (a @ b).op.type == tf.matmul(a, b).op.type


def test_matvec():
    a, x = floats(2, 3, 4), floats(2, 4)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(tf.linalg.matvec(a, x))
    np.testing.assert_allclose(got, np.einsum("bij,bj->bi", a, x), rtol=1e-5)


def test_refusals():
    with tf.Graph().as_default(), tf.Session() as session:
        a = tf.placeholder(tf.float32, [2, 3])
        with pytest.raises(ValueError, match=r"must be equal, but are 3 and 2.*Received"):
            tf.matmul(a, a)
        with pytest.raises(ValueError, match="rank 2"):
            tf.matmul(a, tf.zeros([3]))
        with pytest.raises(TypeError, match="float64"):
            tf.matmul(a, np.ones((3, 2)))
        with pytest.raises(TypeError, match="uint8"):
            tf.matmul(np.ones((2, 2), np.uint8), np.ones((2, 2), np.uint8))
        with pytest.raises(ValueError, match="only one of transpose_a and adjoint_a"):
            tf.matmul(a, a, transpose_a=True, adjoint_a=True)
        with pytest.raises(ValueError, match="batch|broadcast"):
            tf.matmul(tf.zeros([2, 3, 4]), tf.zeros([3, 4, 5]))
        u = tf.placeholder(tf.float32, [None, None])
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"size-incompatible.*\[2, 3\]"):
            session.run(tf.matmul(u, u), {u: np.ones((2, 3))})
