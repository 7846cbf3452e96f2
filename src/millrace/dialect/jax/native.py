"""Products and convolutions of float32 through millrace's native kernels, where they are allowed and pay.

Each function gives None where XLA's own way is to be taken. The kernels are custom calls, so that they are
used only where the trace going on says so (`Checks.native`): not in what is exported, and in the bodies of
loops, which JAX transforms, only when they are final.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from millrace.dialect.jax.control import Checks

_LEAST_FLOPS = 1 << 20  # below this the call itself counts
_FEW_ROWS = 96  # with fewer, transposing the other matrix costs more than XLA's own product,
_TURNED_ROWS = 32  # but for multiples of this, of which the kernel transposes the rows instead
_PANEL = 32  # columns: those of a panel with AVX-512, of two with AVX
PACKED = 2  # where the kernel expects whether a matrix is transposed
_LEAST_STEP = 1 << 14  # elements: what is smaller stays in the caches
_LEAST_CHANNELS = 4  # a kernel computes 16 columns at once with AVX-512; with 8 it takes half of XLA's time
_LEAST_WINDOW = 9  # elements: smaller windows take longer to gather than to multiply
_LEAST_COLUMNS = 16


class After(NamedTuple):
    """What is done to a product before it is stored, in this order.

    Attributes:
      normal: a mean and a factor, `[columns]`: the product becomes (product - mean) * factor.
      bias: `[columns]`, added.
      addend: of the product's shape, added.
      floor: True where negative numbers become zero.
      mask: of the product's shape: only what it is positive for is kept, all else becomes zero.
    """

    normal: tuple[Any, ...] = ()
    bias: Any = None
    addend: Any = None
    floor: bool = False
    mask: Any = None

    @property
    def arrays(self) -> list[Any]:
        """What it takes, in order."""
        return [*self.normal, *(a for a in (self.bias, self.addend, self.mask) if a is not None)]

    @property
    def flags(self) -> int:
        """What it does, as the kernels read it."""
        does = (bool(self.normal), self.bias is not None, self.addend is not None, self.floor)
        return sum(flag << place for place, flag in enumerate((*does, self.mask is not None)))

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether all arrays go with a product of `shape`."""
        vectors = [*self.normal, *([] if self.bias is None else [self.bias])]
        whole = [a for a in (self.addend, self.mask) if a is not None]
        return all(a.shape == shape[-1:] for a in vectors) and all(a.shape == shape for a in whole)


NOTHING = After()


def matmul(a: Any, b: Any, turn_a: bool, turn_b: bool, after: After = NOTHING) -> Any:
    """The product of two matrices, either of which is stored transposed.

    On two cores with AVX-512, `[1024, 1024]^T [1024, 256]` takes 1.88 ms, XLA's 2.64, and
    `[128, 784] [784, 512]` 0.39 ms, XLA's 0.45.
    """
    rows, inner = a.shape[::-1] if turn_a else a.shape
    columns = b.shape[0] if turn_b else b.shape[1]
    if 2 * rows * inner * columns < _LEAST_FLOPS or not after.fits((rows, columns)):
        return None
    if turn_b and not turn_a and rows < _FEW_ROWS and rows % _TURNED_ROWS:
        return None
    if not _allowed(a, b, *after.arrays):
        return None
    return _call("matmul", (rows, columns), a, b, [turn_a, turn_b, after.flags], *after.arrays)


def pack(b: Any, turned: bool) -> Any:
    """The matrix `b`, stored transposed if `turned`, in the form that `matmul_packed` takes."""
    columns, rows = b.shape if turned else b.shape[::-1]
    out = jax.ShapeDtypeStruct((-(-columns // _PANEL), rows, _PANEL), jnp.float32)
    return jax.ffi.ffi_call("millrace_pack", out)(b, numbers=np.array([turned], np.int64))


def matmul_packed(a: Any, packed: Any, columns: int, turn_a: bool, flags: int = 0, *others: Any) -> Any:
    """`matmul` of a matrix of so many columns that `pack` packed, and what an `After` says and takes."""
    rows = a.shape[1] if turn_a else a.shape[0]
    return _call("matmul", (rows, columns), a, packed, [turn_a, PACKED, flags], *others)


def conv(
    x: Any,
    w: Any,
    strides: Sequence[int],
    pads: Any,
    dilations: Sequence[int],
    after: After = NOTHING,
) -> Any:
    """The convolution of `[batch, height, width, in]` with `[height, width, in, out]`.

    `[64, 14, 14, 32]` with a 5x5 filter to 64 channels takes 4.6 ms on two cores, XLA's 8.5.
    """
    if not _suits(x, w, w.shape[-1]) or math.prod(w.shape[:-1]) < _LEAST_WINDOW:
        return None
    outs = _outs(x, w, strides, pads, dilations)
    shape = (x.shape[0], *outs, w.shape[-1])
    if not _worth(x, w, outs) or not after.fits(shape) or not _allowed(x, w, *after.arrays):
        return None
    befores = [before for before, _ in pads]
    numbers = [*w.shape[:2], *outs, *strides, *befores, *dilations, after.flags]
    return _call("conv", shape, x, w, numbers, *after.arrays)


def conv_input_grad(shape: Any, w: Any, dy: Any, strides: Any, pads: Any, dilations: Any) -> Any:
    """The gradient of a convolution's input, an array of `shape`; not where steps and dilations meet.

    In steps of two, `[64, 14, 14, 32]` with a 5x5 filter to 64 channels takes 1.5 ms on two cores, XLA's 2.7.
    """
    if not _suits(dy, w, w.shape[-2]) or shape[-1] != w.shape[-2]:
        return None
    if any(s > 1 and d > 1 for s, d in zip(strides, dilations, strict=True)):
        return None
    if not _worth(dy, w, dy.shape[1:3]) or not _allowed(dy, w):
        return None
    # Every s-th element of the result comes from every s-th of the filter's, by a convolution of its own.
    zero = jnp.zeros((), jnp.float32)
    axes = [
        list(_phases(n, k, s, before, d))
        for n, k, s, (before, _), d in zip(shape[1:3], w.shape[:2], strides, pads, dilations, strict=True)
    ]
    total = None
    for rows, columns in itertools.product(*axes):
        part = w[rows.tap :: strides[0], columns.tap :: strides[1]]
        numbers = [*part.shape[:2], rows.count, columns.count, 1, 1, rows.before, columns.before, *dilations]
        found = _call("conv_input_grad", (shape[0], rows.count, columns.count, shape[-1]), dy, part, numbers)
        if len(axes[0]) * len(axes[1]) == 1 and found.shape == tuple(shape):
            return found
        spread = [
            (at.first, n - at.first - (at.count - 1) * s - 1, s - 1)
            for at, n, s in zip((rows, columns), shape[1:3], strides, strict=True)
        ]
        placed = lax.pad(found, zero, [(0, 0, 0), *spread, (0, 0, 0)])
        total = placed if total is None else total + placed
    return jnp.zeros(tuple(shape), jnp.float32) if total is None else total


class _Phase(NamedTuple):
    """The elements of an axis that meet the same elements of a filter taken in steps.

    Attributes:
      first, count: the elements.
      tap: the first of the filter's elements.
      before: the padding that the part of the filter sees.
    """

    first: int
    count: int
    tap: int
    before: int


def _phases(size: int, kernel: int, stride: int, before: int, dilation: int) -> Iterator[_Phase]:
    for tap in range(min(stride, kernel)):
        first = (tap - before) % stride
        if first < size:
            taps = -(-(kernel - tap) // stride)
            shift = (first + before - tap) // stride
            yield _Phase(first, -(-(size - first) // stride), tap, (taps - 1) * dilation - shift)


def conv_filter_grad(x: Any, shape: Any, dy: Any, strides: Any, pads: Any, dilations: Any) -> Any:
    """The gradient of a convolution's filter, an array of `shape`.

    `[64, 14, 14, 32]` with a 5x5 filter to 64 channels takes 7.7 ms on one core, XLA's 20.7.
    """
    like = jax.ShapeDtypeStruct(tuple(shape), x.dtype)
    if not _suits(x, like, shape[-1]) or shape[-2] != x.shape[-1]:
        return None
    if not _worth(x, like, dy.shape[1:3]) or not _allowed(x, dy):
        return None
    numbers = [*shape[:2], *dy.shape[1:3], *strides, *[before for before, _ in pads], *dilations]
    return _call("conv_filter_grad", tuple(shape), x, dy, numbers)


def depthwise(x: Any, w: Any, outs: Any, strides: Any, befores: Any, dilations: Any) -> Any:
    """The convolution of each channel of `[batch, height, width, channels]` with a filter of its own.

    `w` is `[height, width, channels, 1]`. XLA makes a pass over memory of each of its elements: a step of the
    program `separable` in `benchmarks/` takes 6.5 ms that way, with the three kernels 3.8.
    """
    return _depthwise(
        "", (x.shape[0], *outs, x.shape[-1]), x, w, w.shape, (outs, strides, befores, dilations)
    )


def depthwise_input_grad(
    shape: Any, w: Any, dy: Any, outs: Any, strides: Any, befores: Any, dilations: Any
) -> Any:
    """The gradient of its input, an array of `shape`."""
    return _depthwise("_input_grad", shape, dy, w, w.shape, (outs, strides, befores, dilations))


def depthwise_filter_grad(
    x: Any, shape: Any, dy: Any, outs: Any, strides: Any, befores: Any, dilations: Any
) -> Any:
    """The gradient of its filter, an array of `shape`."""
    return _depthwise("_filter_grad", shape, x, dy, shape, (outs, strides, befores, dilations))


def _depthwise(which: str, shape: Any, a: Any, b: Any, filters: Any, places: Any) -> Any:
    work = a.size * math.prod(filters[:2])
    if filters[3] != 1 or filters[2] < _LEAST_CHANNELS or work < _LEAST_STEP or 0 in (*shape, *filters):
        return None
    if not _allowed(a, b):
        return None
    numbers = [*filters[:2], *itertools.chain(*places)]
    return _call(f"depthwise{which}", tuple(shape), a, b, numbers)


def column_sums(x: Any) -> Any:
    """The sums of `x` over all axes but the last, as for the gradient of a bias.

    XLA's own waits for threads that other kernels use: with it the step of a small perceptron takes 2.41 ms
    instead of 2.34, that of the convolutional network in `benchmarks/` 27 instead of 26.
    """
    if x.ndim < 2 or x.size < _LEAST_STEP or x.shape[-1] < _LEAST_COLUMNS or not _allowed(x):
        return None
    out = jax.ShapeDtypeStruct(x.shape[-1:], jnp.float32)
    return jax.ffi.ffi_call("millrace_column_sums", out)(x)


def adam(arrays: Sequence[Any], scalars: Sequence[Any]) -> Any:
    """(var, m, v) after a step of Adam, in place and in one pass; XLA takes one for each of them.

    The arrays are var, m, v and the gradient, the scalars the corrected rate, 1 - beta1, 1 - beta2, epsilon.

    `[3136, 1024]` takes 1.9 ms on two cores, XLA's 3.5. For small ones there is less to compile.
    """
    if arrays[0].size == 0 or not _allowed(*arrays):
        return None
    packed = jnp.stack([jnp.asarray(s, jnp.float32) for s in scalars])
    like = jax.ShapeDtypeStruct(arrays[0].shape, jnp.float32)
    call = jax.ffi.ffi_call("millrace_adam", [like] * 3, input_output_aliases={0: 0, 1: 1, 2: 2})
    return tuple(call(*arrays, packed))


def add_rows(table: Any, rows: Any, updates: Any, sign: int) -> Any:
    """`table` with `sign` times each of `updates` added to its row, in place; rows outside are left out.

    XLA's own scatter goes through a loop for each row: 192 rows of 128 numbers take 0.2 ms, here 5 us.
    """
    if table.size < _LEAST_STEP or rows.ndim != 1 or rows.shape[0] == 0 or rows.dtype.kind != "i":
        return None
    if not _allowed(table, updates):
        return None
    rows = rows.astype(jnp.int32) if rows.dtype.itemsize < 4 else rows
    like = jax.ShapeDtypeStruct(table.shape, jnp.float32)
    call = jax.ffi.ffi_call("millrace_add_rows", like, input_output_aliases={0: 0})
    return call(table, rows, updates, numbers=np.array([sign], np.int64))


def _suits(x: Any, w: Any, columns: int) -> bool:
    return len(x.shape) == 4 and 0 not in (*x.shape, *w.shape) and columns >= _LEAST_CHANNELS


def _outs(x: Any, w: Any, strides: Any, pads: Any, dilations: Any) -> list[int]:
    return [
        (n + before + after - (k - 1) * d - 1) // s + 1
        for n, k, s, (before, after), d in zip(
            x.shape[1:3], w.shape[:2], strides, pads, dilations, strict=True
        )
    ]


def _worth(x: Any, w: Any, outs: Any) -> bool:
    return 2 * x.shape[0] * math.prod(outs) * math.prod(w.shape) >= _LEAST_FLOPS


def _allowed(*operands: Any) -> bool:
    if any(operand.dtype != jnp.float32 for operand in operands):
        return False
    checks = Checks.current()
    return checks is not None and checks.native()


def _call(kernel: str, shape: Any, a: Any, b: Any, numbers: Sequence[int], *others: Any) -> Any:
    out = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.ffi.ffi_call(f"millrace_{kernel}", out)(a, b, *others, numbers=np.array(numbers, np.int64))
