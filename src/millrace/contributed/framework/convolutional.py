"""First values of convolutions that keep the lengths of signals: orthogonal kernels (Xiao et al., 2018)."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import eye
from millrace.lib.variables.initializers import Initializer
from millrace.ops.array.concat import stack
from millrace.ops.array.constant import zeros
from millrace.ops.array.reshape import expand_dims, matrix_transpose
from millrace.ops.array.scatter_nd import scatter_nd
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.random.draws import random_normal


class _Convolutional(Initializer):
    """What these initializers share.

    Args:
      gain: multiplies the kernel.
      seed: of the numbers drawn, see `tf.set_random_seed`.
      dtype: used where the call does not say; floating.

    Raises:
      ValueError: the dtype is not floating.
    """

    rank = 0

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.dtype = dtypes.as_dtype(dtype)
        if not self.dtype.is_floating:
            raise ValueError(f"Expected floating point type, got {self.dtype}.")
        self.gain, self.seed = gain, seed
        self._drawn = seed

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"gain": self.gain, "seed": self.seed, "dtype": self.dtype.name}

    def _begun(self, dtype: Any) -> Any:
        """The dtype of a kernel; the seeds of its numbers begin with the initializer's own."""
        self._drawn = self.seed
        return self.dtype if dtype is None else dtypes.as_dtype(dtype)

    def _numbers(self, shape: list[int], dtype: Any) -> Tensor:
        made = random_normal(shape, dtype=dtype, seed=self._drawn)
        if self._drawn is not None:
            self._drawn += 1
        return made

    def _orthogonal(self, n: int, dtype: Any) -> Tensor:
        """A random orthogonal matrix `[n, n]`."""
        q, r = raw.Qr(self._numbers([n, n], dtype), full_matrices=False)
        return q * raw.Sign(raw.DiagPart(r))

    def _scaled(self, kernel: Tensor) -> Tensor:
        return cast(self.gain, kernel.dtype) * kernel

    def _projection(self, n: int, dtype: Any) -> Tensor:
        """A symmetric projection `[n, n]` on a random subspace."""
        q = self._orthogonal(n, dtype)
        kept = cast(raw.Greater(self._numbers([n], dtype), 0), dtype)
        c = raw.Mul(q, kept)
        return matmul(c, matrix_transpose(c))


def _checked(shape: Any, rank: int) -> list[int]:
    """The lengths of a kernel of a convolution over `rank` axes."""
    dims = [int(d) for d in shape]
    if len(dims) != rank + 2:
        raise ValueError(f"The tensor to initialize must be {rank + 2}-dimensional. Received: shape {dims}")
    if dims[-2] > dims[-1]:
        raise ValueError(f"In_filters cannot be greater than out_filters. Received: shape {dims}")
    if len(set(dims[:-2])) > 1:
        raise ValueError(f"Kernel sizes must be equal. Received: shape {dims}")
    return dims


@public("contrib.framework.convolutional_delta_orthogonal")
class ConvolutionDeltaOrthogonal(_Convolutional):
    """A kernel of zeros with an orthogonal matrix at its centre; see `_Convolutional` for the arguments."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """A kernel of `shape`, which has 3 to 5 dimensions and no more inputs than outputs."""
        chosen = self._begun(dtype)
        dims = [int(d) for d in shape]
        if not 3 <= len(dims) <= 5:
            raise ValueError(
                f"The tensor to initialize must be at least three-dimensional and at most five-dimensional. "
                f"Received: shape {dims}"
            )
        if dims[-2] > dims[-1]:
            raise ValueError(f"In_filters cannot be greater than out_filters. Received: shape {dims}")
        q = self._orthogonal(dims[-1], chosen)[: dims[-2], :]
        q = self._scaled(q)
        if len(dims) == 3:
            at: Any = [[(dims[0] - 1) // 2]]
        else:
            at = [[(n - 1) // 2 for n in dims[:-2]]]
        return scatter_nd(at, expand_dims(q, 0), dims)


@public("contrib.framework.convolutional_orthogonal_1d")
class ConvolutionOrthogonal1D(_Convolutional):
    """An orthogonal kernel of a convolution over one axis; see `_Convolutional` for the arguments."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """A kernel of `shape`, `[width, inputs, outputs]`, with no more inputs than outputs."""
        chosen = self._begun(dtype)
        width, inputs, outputs = _checked(shape, 1)
        last = self._orthogonal(outputs, chosen)[:inputs, :]
        whole: dict[int, Tensor] | None = None
        if width > 1:
            whole = self._block(self._projection(outputs, chosen))
            for _ in range(width - 2):
                whole = _convolved(whole, self._block(self._projection(outputs, chosen)))
        rows = [last] if whole is None else [matmul(last, whole[i]) for i in range(width)]
        return self._scaled(stack(rows, 0))

    def _block(self, projection: Tensor) -> dict[int, Tensor]:
        n = projection.dims[0]  # pyright: ignore[reportOptionalSubscript]
        return {0: projection, 1: eye(n, dtype=projection.dtype) - projection}


@public("contrib.framework.convolutional_orthogonal_2d")
class ConvolutionOrthogonal2D(_Convolutional):
    """An orthogonal kernel of a convolution over two axes; see `_Convolutional` for the arguments."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """A kernel of `shape`, `[width, width, inputs, outputs]`, with no more inputs than outputs."""
        chosen = self._begun(dtype)
        width, _, inputs, outputs = _checked(shape, 2)
        last = self._orthogonal(outputs, chosen)[:inputs, :]
        if width == 1:
            return self._scaled(expand_dims(expand_dims(last, 0), 0))
        whole = self._block(outputs, chosen)
        for _ in range(width - 2):
            whole = _convolved(whole, self._block(outputs, chosen))
        cells = {at: matmul(last, whole[at]) for at in _places(width, 2)}
        rows = [stack([cells[i, j] for j in range(width)], 0) for i in range(width)]
        return self._scaled(stack(rows, 0))

    def _block(self, n: int, dtype: Any) -> dict[Any, Tensor]:
        p = self._projection(n, dtype)
        q = self._projection(n, dtype)
        one = eye(n, dtype=dtype)
        return {
            (0, 0): matmul(p, q),
            (0, 1): matmul(p, one - q),
            (1, 0): matmul(one - p, q),
            (1, 1): matmul(one - p, one - q),
        }


@public("contrib.framework.convolutional_orthogonal_3d")
class ConvolutionOrthogonal3D(_Convolutional):
    """An orthogonal kernel of a convolution over three axes; see `_Convolutional` for the arguments."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """A kernel of `shape`, `[width, width, width, inputs, outputs]`, with no more inputs than outputs."""
        chosen = self._begun(dtype)
        width, _, _, inputs, outputs = _checked(shape, 3)
        last = self._orthogonal(outputs, chosen)[:inputs, :]
        if width == 1:
            return self._scaled(raw.Reshape(last, [1, 1, 1, inputs, outputs]))
        whole = self._block(outputs, chosen)
        for _ in range(width - 2):
            whole = _convolved(whole, self._block(outputs, chosen))
        cells = {at: matmul(last, whole[at]) for at in _places(width, 3)}
        over = range(width)
        planes = [stack([stack([cells[i, j, k] for k in over]) for j in over]) for i in over]
        return self._scaled(stack(planes, 0))

    def _block(self, n: int, dtype: Any) -> dict[Any, Tensor]:
        one = eye(n, dtype=dtype)
        parts = []
        for _ in range(3):
            p = self._projection(n, dtype)
            parts.append((one - p, p))
        return {(i, j, k): matmul(matmul(parts[0][i], parts[1][j]), parts[2][k]) for i, j, k in _places(2, 3)}


def _places(width: int, rank: int) -> list[tuple[int, ...]]:
    places: list[tuple[int, ...]] = [()]
    for _ in range(rank):
        places = [(*at, i) for at in places for i in range(width)]
    return places


def _convolved(a: dict[Any, Tensor], b: dict[Any, Tensor]) -> dict[Any, Tensor]:
    """The convolution of two kernels of matrices."""
    if (0, 0) in a or (0, 0, 0) in a:
        rank = len(next(iter(a)))
        n, m = (round(len(x) ** (1 / rank)) for x in (a, b))
        spots = _places(n + m - 1, rank)
    else:
        spots = [(i,) for i in range(len(a) + len(b) - 1)]
        a, b = ({(i,): v for i, v in x.items()} for x in (a, b))
    shape = a[next(iter(a))].dims
    made = {}
    for at in spots:
        total = zeros(shape, a[next(iter(a))].dtype)
        for step in b:
            other = tuple(i - j for i, j in zip(at, step, strict=True))
            if other in a:
                total = total + matmul(a[other], b[step])
        made[at] = total
    if len(spots[0]) == 1:
        return {at[0]: v for at, v in made.items()}
    return made
