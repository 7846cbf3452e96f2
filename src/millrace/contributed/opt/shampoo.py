"""Shampoo (Gupta, Koren and Singer): a preconditioner for each dimension of a variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.indexed_slices import IndexedSlices
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, while_loop
from millrace.lib.math.array import eye
from millrace.lib.math.contraction import tensordot
from millrace.lib.math.reductions import reduce_max, reduce_sum
from millrace.ops.array.constant import zeros
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.linalg.decomposition import svd
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.comparison import equal
from millrace.training.optimizers.optimizer import Optimizer, cast

_CLOSE = 1e-6  # when the iteration for a root ends
_MOST_ROUNDS = 100


@public("contrib.opt.ShampooOptimizer")
class ShampooOptimizer(Optimizer):
    """Multiplies a gradient, along each dimension, by a power of the sum of its outer products there.

    With mat_i the sum along dimension i, of rank k, the step is
    learning_rate * gbar * (mat_0 / d_0 + epsilon)**(-alpha / k) * (mat_1 / d_1 + epsilon)**(-alpha / k) ...
    Of a dimension longer than `max_matrix_size` only the diagonal is kept.

    Args:
      global_step: counts the steps that the intervals are measured in.
      max_matrix_size: the longest dimension with a whole matrix.
      gbar_decay, gbar_weight: gbar becomes gbar_decay * gbar + gbar_weight * gradient; a number or a function
        of the global step. Without a decay, gbar is the gradient.
      mat_gbar_decay, mat_gbar_weight: of the matrices, likewise.
      learning_rate: a number or a function of the global step.
      svd_interval: steps from one power of the matrices to the next.
      precond_update_interval: steps from one gradient that is added to the matrices to the next.
      epsilon: is added to the diagonals.
      alpha: the power, divided among the dimensions.
      use_iterative_root: by Newton's iteration, in place of singular values.
      use_locking: accepted; updates are always whole.
      name: default "Shampoo".
    """

    def __init__(
        self,
        global_step: Any = 0,
        max_matrix_size: int = 768,
        gbar_decay: Any = 0.0,
        gbar_weight: Any = 1.0,
        mat_gbar_decay: Any = 1.0,
        mat_gbar_weight: Any = 1.0,
        learning_rate: Any = 1.0,
        svd_interval: int = 1,
        precond_update_interval: int = 1,
        epsilon: float = 1e-4,
        alpha: float = 0.5,
        use_iterative_root: bool = False,
        use_locking: bool = False,
        name: str = "Shampoo",
    ) -> None:
        super().__init__(use_locking, name)
        self._global_step = global_step
        self._max_matrix_size = max_matrix_size
        self._gbar_decay, self._gbar_weight = gbar_decay, gbar_weight
        self._mat_decay, self._mat_weight = mat_gbar_decay, mat_gbar_weight
        self._learning_rate = learning_rate
        self._svd_interval, self._update_interval = svd_interval, precond_update_interval
        self._epsilon, self._alpha = epsilon, alpha
        self._iterative = use_iterative_root

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            dtype = var.dtype.base_dtype
            self._zeros_slot(var, "gbar", self._name)
            for i, size in enumerate(var.get_shape().as_list()):
                if size > self._max_matrix_size:
                    self._get_or_make_slot(var, zeros([size], dtype), f"Gbar_{i}", self._name)
                    continue
                if self._svd_interval > 1:
                    self._get_or_make_slot(var, eye(size, dtype=dtype), f"H_{i}", self._name)
                self._get_or_make_slot(var, zeros([size, size], dtype), f"Gbar_{i}", self._name)

    def _at_step(self, value: Any, dtype: Any) -> Any:
        """A setting as a tensor; a function is called with the global step."""
        return cast(to_tensor(value(self._global_step) if callable(value) else value), dtype)

    def _every(self, interval: int, update: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        """`update()` in each step whose number, from 1 on, the interval divides."""
        if interval == 1:
            return update()
        return cond(equal((self._global_step + 1) % interval, 0), update, otherwise)

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        return self._applied(grad, var)

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        return self._applied(grad, handle)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._applied(self._dense(grad.values, grad.indices, var), var)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        return self._applied(self._dense(grad, indices, handle), handle)

    @staticmethod
    def _dense(values: Tensor, indices: Tensor, var: Any) -> Tensor:
        return raw.UnsortedSegmentSum(values, indices, var.get_shape().as_list()[0])

    def _applied(self, grad: Tensor, var: Any) -> Any:
        dtype = var.dtype.base_dtype
        moved = self._averaged(grad, var)
        sizes = var.get_shape().as_list()
        for i, size in enumerate(sizes):
            slot = self.get_slot(var, f"Gbar_{i}")
            kept = self._every(
                self._update_interval,
                lambda i=i: self._sum(grad, var, i),
                lambda slot=slot: slot.read_value(),
            )
            power = -self._alpha / len(sizes)
            if size > self._max_matrix_size:
                scale = raw.Pow(kept, to_tensor(power, dtype))
                moved = moved * reshape(scale, [size if k == i else 1 for k in range(len(sizes))])
            else:
                moved = _along(moved, self._factor(kept, var, i, size, power), i, len(sizes))
        return var.assign_sub(self._at_step(self._learning_rate, dtype) * moved)

    def _averaged(self, grad: Tensor, var: Any) -> Any:
        """What the step is taken along."""
        if not callable(self._gbar_decay) and self._gbar_decay == 0.0:
            return grad
        dtype = grad.dtype
        decay, weight = self._at_step(self._gbar_decay, dtype), self._at_step(self._gbar_weight, dtype)
        slot = self.get_slot(var, "gbar")
        return slot.assign(decay * slot.read_value() + weight * grad)

    def _sum(self, grad: Tensor, var: Any, i: int) -> Any:
        """Adds the gradient's products along dimension `i` up."""
        dims = var.get_shape().as_list()
        others = [k for k in range(len(dims)) if k != i]
        if dims[i] > self._max_matrix_size:
            new = reduce_sum(grad * grad, others) / dims[i]
        else:
            new = tensordot(grad, grad, [others, others])
        slot = self.get_slot(var, f"Gbar_{i}")
        decay, weight = (
            self._at_step(self._mat_decay, grad.dtype),
            self._at_step(self._mat_weight, grad.dtype),
        )
        return slot.assign(decay * slot.read_value() + weight * new)

    def _factor(self, kept: Any, var: Any, i: int, size: int, power: float) -> Any:
        """The power of a dimension's matrix, which is computed every so often."""
        compute = _by_iteration if self._iterative else _by_svd
        if self._svd_interval == 1:
            return compute(kept / size, power, self._epsilon)
        slot = self.get_slot(var, f"H_{i}")
        return self._every(
            self._svd_interval,
            lambda: slot.assign(compute(kept / size, power, self._epsilon)),
            slot.read_value,
        )


def _along(x: Any, matrix: Any, axis: int, rank: int) -> Any:
    """`matrix` times `x` along an axis."""
    product = tensordot(x, matrix, [[axis], [0]])
    order = list(range(rank - 1))
    order.insert(axis, rank - 1)
    return transpose(product, order)


def _by_svd(matrix: Any, power: float, epsilon: float) -> Any:
    size = matrix.get_shape().as_list()[0]
    damped = matrix + epsilon * eye(size, dtype=matrix.dtype)
    values, left, right = svd(damped, full_matrices=True)
    return matmul(left * raw.Pow(values, to_tensor(power, values.dtype)), right, transpose_b=True)


def _by_iteration(matrix: Any, power: float, epsilon: float) -> Any:
    """The inverse root of the order -1 / power by coupled Newton iterations."""
    order, dtype = round(-1 / power), matrix.dtype
    one = eye(matrix.get_shape().as_list()[0], dtype=dtype)
    damped = matrix + epsilon * one
    z = (1 + order) / (2 * reduce_sum(damped * damped) ** 0.5)

    def goes_on(number: Any, distance: Any, root: Any, rest: Any) -> Any:
        del root, rest
        return raw.LogicalAnd(number < _MOST_ROUNDS, distance > _CLOSE)

    def better(number: Any, distance: Any, root: Any, rest: Any) -> Any:
        del distance
        step = ((order + 1) * one - rest) / order
        root = matmul(root, step)
        for _ in range(order):
            rest = matmul(step, rest)
        return number + 1, reduce_max(raw.Abs(rest - one)), root, rest

    start = to_tensor(0), to_tensor(1.0, dtype), one * z ** (1 / order), damped * z
    return while_loop(goes_on, better, start)[2]
