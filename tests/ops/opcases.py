"""Rows that test an operation, and the suite that expands each row into every check that all operations
share.

    class TestSums(OpSuite):
        cases = (
            OpCase("Add", [floats(2, 3), floats(3)], np.add),
            OpCase("Sum", [floats(2, 3, 4), [0, 2]], lambda x, axes: x.sum((0, 2)), keep_dims=False),
        )

The oracle is NumPy or SciPy, never the code that it judges. An input given as a Python list or number is a
constant (axes, shapes, sizes); an array is fed through a placeholder; a tuple of either is a list argument.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.core.shapes import TensorShape
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, lookup

_TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-6, "complex64": 4e-6}


def floats(
    *shape: int, low: float = -2.0, high: float = 2.0, dtype: Any = np.float32, seed: int = 0
) -> np.ndarray:
    """Reproducible numbers in [low, high), away from special values."""
    generator = np.random.default_rng([seed, *shape])
    values = generator.uniform(low, high, shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * generator.uniform(low, high, shape)
    return np.asarray(values, dtype)


def ints(*shape: int, low: int = -5, high: int = 6, dtype: Any = np.int32, seed: int = 0) -> np.ndarray:
    """Reproducible integers in [low, high)."""
    return np.asarray(np.random.default_rng([seed, *shape]).integers(low, high, shape), dtype)


class OpCase:
    """One operation on one set of inputs.

    Attributes:
      op: the operation's type.
      inputs: arrays (fed), lists and numbers (constants), tuples (list arguments).
      oracle: a function of the inputs as arrays that gives the value, or a sequence of values.
      attrs: the attributes that are given.
      wrt: which inputs gradients are checked for; default, all fed floating ones; () for none.
      order: up to which order.
      tolerance: of values, relative and absolute; default by dtype.
      xla: whether the compiled tier can run the kernel.
      step: the step of finite differences.
    """

    def __init__(
        self,
        op: str,
        inputs: Sequence[Any],
        oracle: Callable[..., Any],
        *,
        wrt: Sequence[int] | None = None,
        order: int = 2,
        tolerance: float | None = None,
        xla: bool = True,
        step: float = 1e-4,
        label: str = "",
        **attrs: Any,
    ) -> None:
        self.op, self.inputs, self.oracle, self.attrs = op, tuple(inputs), oracle, attrs
        self.wrt, self.order, self.tolerance, self.xla, self.step = wrt, order, tolerance, xla, step
        self.label = label

    @property
    def opdef(self) -> OpDef:
        """The declaration under test."""
        return lookup(self.op)

    def __repr__(self) -> str:
        shown = "-".join(_describe(x) for x in self.inputs)
        extra = "".join(f"-{k}={v}" for k, v in self.attrs.items())
        return f"{self.op}-{shown}{extra}{self.label and '-' + self.label}"

    def expected(self) -> list[np.ndarray]:
        """The oracle's values, always a list."""
        with np.errstate(all="ignore"):
            result = self.oracle(*(_arrays(x) for x in self.inputs))
        return [np.asarray(r) for r in result] if isinstance(result, list | tuple) else [np.asarray(result)]

    def differentiable(self) -> list[int]:
        """The inputs whose gradients are checked."""
        if self.opdef.grad is NOT_DIFFERENTIABLE:
            return []
        if self.wrt is not None:
            return list(self.wrt)
        return [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray) and _is_smooth(x)]


def _describe(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"{x.dtype}{list(x.shape)}".replace(" ", "")
    if isinstance(x, tuple):
        return "(" + ",".join(_describe(v) for v in x) + ")"
    return str(x).replace(" ", "")


def _arrays(x: Any) -> Any:
    return tuple(_arrays(v) for v in x) if isinstance(x, tuple) else np.asarray(x)


def _is_smooth(x: np.ndarray) -> bool:
    return x.dtype.kind in "fc"


class Built:
    """A case as a graph."""

    def __init__(
        self, case: OpCase, inputs: Sequence[Any], dims: Callable[[np.ndarray], Any] = lambda x: x.shape
    ) -> None:
        self.graph = tf.Graph()
        self.feed: dict[Any, Any] = {}
        self.dims = dims
        with self.graph.as_default():
            self.tensors = [self._input(x) for x in inputs]
            result = getattr(raw, case.op)(*self.tensors, **case.attrs)
        self.outputs = _flat(result)

    def _input(self, x: Any) -> Any:
        if isinstance(x, tuple):
            return [self._input(v) for v in x]
        if not isinstance(x, np.ndarray):
            return tf.constant(x)
        tensor = tf.placeholder(tf.as_dtype(x.dtype), self.dims(x))
        self.feed[tensor] = x
        return tensor

    def run(self, fetches: Any, feed: dict[Any, Any] | None = None) -> Any:
        with tf.Session(graph=self.graph) as session:
            return session.run(fetches, feed or self.feed)


def _flat(result: Any) -> list[Any]:
    if isinstance(result, tf.Tensor):
        return [result]
    return [t for part in result for t in _flat(part)]


def assert_close(got: Any, want: Any, tolerance: float | None = None, what: str = "") -> None:
    """Fails unless both have one dtype and shape, and numbers that differ by no more than the tolerance."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if want.dtype.kind not in "fcV" and want.dtype.name != "bfloat16":
        assert np.array_equal(got, want), f"{what}: got {got}, expected {want}"
        return
    limit = _TOLERANCE.get(got.dtype.name, 1e-12) if tolerance is None else tolerance
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(
        got.astype(wide), want.astype(wide), rtol=limit, atol=limit, equal_nan=True, err_msg=what
    )


class OpSuite:
    """Every check that all operations share, for each row of `cases`; `conftest.py` hands the rows in."""

    cases: tuple[OpCase, ...] = ()

    def test_value(self, case: OpCase) -> None:
        built = Built(case, case.inputs)
        values = built.run(built.outputs)
        for tensor, value, want in zip(built.outputs, values, case.expected(), strict=True):
            assert np.asarray(value).dtype == tensor.dtype.np_dtype
            assert TensorShape(tensor.shape).is_compatible_with(np.shape(value))
            assert_close(value, want, case.tolerance, case.op)

    @pytest.mark.parametrize("known", ["rank", "nothing"])
    def test_shape_known_in_part(self, case: OpCase, known: str) -> None:
        dims = (lambda x: [None] * x.ndim) if known == "rank" else (lambda x: None)
        built = Built(case, case.inputs, dims)
        for tensor, value, want in zip(built.outputs, built.run(built.outputs), case.expected(), strict=True):
            assert TensorShape(tensor.shape).is_compatible_with(np.shape(value))
            assert_close(value, want, case.tolerance, case.op)

    def test_same_bits_every_time(self, case: OpCase) -> None:
        built = Built(case, case.inputs)
        for first, second in zip(built.run(built.outputs), built.run(built.outputs), strict=True):
            assert np.asarray(first).tobytes() == np.asarray(second).tobytes()

    def test_inputs_stay_as_they_are(self, case: OpCase) -> None:
        built = Built(case, case.inputs)
        before = {t: x.copy() for t, x in built.feed.items()}
        built.run(built.outputs)
        for tensor, x in built.feed.items():
            assert x.tobytes() == before[tensor].tobytes()

    def test_graphdef_round_trip(self, case: OpCase) -> None:
        built = Built(case, case.inputs)
        definition = tf.GraphDef.FromString(built.graph.as_graph_def().SerializeToString())
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(definition, name="")
            again = [graph.get_tensor_by_name(t.name) for t in built.outputs]
            feed = {graph.get_tensor_by_name(t.name): x for t, x in built.feed.items()}
            with tf.Session(graph=graph) as session:
                values = session.run(again, feed)
        for first, second in zip(built.run(built.outputs), values, strict=True):
            assert np.asarray(first).tobytes() == np.asarray(second).tobytes()

    def test_gradient(self, case: OpCase) -> None:
        wrt = case.differentiable()
        if not wrt:
            pytest.skip("not differentiable")
        check_gradients(case, wrt)

    @pytest.mark.xla
    def test_compiled_kernel(self, case: OpCase) -> None:
        if not case.xla or case.opdef.host:
            pytest.skip("runs on the host")
        for value, want in zip(run_compiled(case), case.expected(), strict=True):
            limit = max(case.tolerance or 0, 10 * _TOLERANCE.get(np.asarray(value).dtype.name, 1e-12), 1e-9)
            assert_close(value, want, limit, case.op)


def _widened(case: OpCase, wrt: Sequence[int]) -> list[Any]:
    """The inputs in double precision where they were smooth: finite differences need the digits."""
    return [
        tuple(_wide(v) for v in x) if isinstance(x, tuple) else _wide(x) if i in wrt or _fed_float(x) else x
        for i, x in enumerate(case.inputs)
    ]


def _fed_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and _is_smooth(x)


def _wide(x: Any) -> Any:
    if not _fed_float(x):
        return x
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def check_gradients(case: OpCase, wrt: Sequence[int]) -> None:
    """Compares gradients along a random direction with central differences, then their own gradients
    likewise.

    For complex numbers the direction is complex, and what is differentiated is the real part of a weighted
    sum.
    """
    generator = np.random.default_rng(zlib.crc32(repr(case).encode()))
    built = Built(case, _widened(case, wrt))
    xs: list[Any] = []
    for i in wrt:
        xs.extend(built.tensors[i] if isinstance(built.tensors[i], list) else [built.tensors[i]])
    directions = [_random(generator, built.feed[x]) for x in xs]
    with built.graph.as_default():
        smooth = [y for y in built.outputs if y.dtype.is_floating or y.dtype.is_complex]
        weights = [_random(generator, v) for v in built.run(smooth)]
        level = _weighted(list(zip(smooth, weights, strict=True)))
        for order in range(1, case.order + 1):
            gradients = tf.gradients(level, xs)
            if order == 2 and all(g is None for g in gradients):
                return
            pairs = [(g, d) for g, d in zip(gradients, directions, strict=True) if g is not None]
            assert pairs, f"{case.op}: no gradient at all"
            slope = _weighted(pairs)
            exact = float(built.run(slope))
            numeric = _difference(built, level, xs, directions, case.step)
            scale = max(1.0, abs(numeric), abs(exact))
            assert abs(exact - numeric) <= 1e-5 * scale, (
                f"{case.op}: order {order}, gradient {exact}, finite difference {numeric}"
            )
            level = slope


def _random(generator: np.random.Generator, like: Any) -> np.ndarray:
    like = np.asarray(like)
    value = generator.uniform(0.5, 1.5, like.shape) * generator.choice([-1.0, 1.0], like.shape)
    if like.dtype.kind == "c":
        value = value + 1j * generator.uniform(0.5, 1.5, like.shape)
    return value.astype(like.dtype)


def _weighted(pairs: Sequence[tuple[Any, np.ndarray]]) -> Any:
    """The real part of the sum of conj(weight) * tensor, a float64 scalar."""
    total = None
    for tensor, weight in pairs:
        part = raw.Mul(tf.convert_to_tensor(tensor), tf.constant(np.conj(weight)))
        if part.dtype.is_complex:
            part = raw.Real(part, Tout=tf.float64)
        part = tf.reduce_sum(part)
        total = part if total is None else raw.Add(total, part)
    return total


def _difference(
    built: Built, level: Any, xs: Sequence[Any], directions: Sequence[np.ndarray], step: float
) -> float:
    """Richardson's extrapolation of central differences."""

    def central(h: float) -> float:
        ends = []
        for sign in (1, -1):
            feed = dict(built.feed)
            for x, direction in zip(xs, directions, strict=True):
                feed[x] = built.feed[x] + sign * h * direction
            ends.append(float(built.run(level, feed)))
        return (ends[0] - ends[1]) / (2 * h)

    return (4 * central(step) - central(2 * step)) / 3


def run_compiled(case: OpCase) -> list[Any]:
    """The kernel's values when traced and compiled by XLA; static inputs and constants stay NumPy arrays."""
    import jax

    from millrace.dialect import jax_dialect
    from millrace.dialect.jax.control import Checks

    opdef = case.opdef
    built = Built(case, case.inputs)
    op = built.outputs[0].op
    static = [arg.name in opdef.static for arg in opdef.inputs]
    fixed = {i: _arrays_like(x, op.args()[i]) for i, x in enumerate(case.inputs)}
    traced = [i for i, x in enumerate(case.inputs) if not static[i]]
    kernel = opdef.xla or opdef.kernel
    attrs = {name: op.attrs[name] for name in opdef.kernel_attrs}

    def function(*values: Any) -> Any:
        args = dict(fixed)
        args.update(zip(traced, values, strict=True))
        return kernel(jax_dialect(), *(args[i] for i in range(len(case.inputs))), **attrs)

    with Checks(), jax.enable_x64(True):
        result = jax.jit(function)(*(fixed[i] for i in traced))
        result = jax.tree_util.tree_map(np.asarray, result)
    values = list(result) if isinstance(result, list | tuple) else [result]
    for value, tensor in zip(values, built.outputs, strict=True):
        assert value.dtype == tensor.dtype.np_dtype, (
            f"{case.op}: XLA gives {value.dtype}, declared {tensor.dtype.name}"
        )
    return values


def _arrays_like(x: Any, tensor: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(_arrays_like(v, t) for v, t in zip(x, tensor, strict=True))
    return np.asarray(x, tensor.dtype.np_dtype)
