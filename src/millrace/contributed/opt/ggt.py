"""GGT (Agarwal et al.): steps by the inverse root of a window of past gradients' products."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import colocate_with, control_dependencies
from millrace.contributed.optimizer_v2.optimizers import OptimizerV2
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.math.array import eye
from millrace.lib.math.reductions import reduce_min
from millrace.lib.variables.assigning import scatter_update
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.fill import range_
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.linalg.decomposition import svd
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast

_HYPER = {
    "beta1": "_beta1",
    "eps": "_eps",
    "lr": "_rate",
    "sigma_eps": "_sigma_eps",
    "svd_eps": "_svd_eps",
    "window": "_window",
}


@public("contrib.opt.GGTOptimizer")
class GGTOptimizer(OptimizerV2):
    """Steps along M m, where m averages the gradients g of all variables, laid end to end, and M is near the
    inverse root of the sum of the products of the last `window` averages.

    With G the last averages as columns, over the root of their number, and S and U the singular values and
    vectors of G'G + svd_eps I: variables move along G U (sqrt(S) + sigma_eps)^-3 U' G' m, and where the least
    root of S is greater than `eps`, also along what of m no past gradient spans, over that root.

    Args:
      learning_rate: a scalar.
      beta1: how much of the average each step keeps.
      use_locking: accepted; updates are always whole.
      name: default "GGT".
      window: how many averages are kept.
      eps: the least singular value for which what is not spanned counts.
      svd_eps: added to the diagonal before the decomposition.
      sigma_eps: added to the roots of the singular values.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        use_locking: bool = False,
        name: str = "GGT",
        window: int = 10,
        eps: Any = 1e-4,
        svd_eps: Any = 1e-6,
        sigma_eps: Any = 1e-2,
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._beta1, self._window = learning_rate, beta1, window
        self._eps, self._svd_eps, self._sigma_eps = eps, svd_eps, sigma_eps
        self._places: dict[str, tuple[int, int]] = {}
        self._vars: list[Any] = []

    def _create_slots(self, var_list: list[Any]) -> None:
        self._vars, start = list(var_list), 0
        for var in sorted(var_list, key=lambda v: v.name):
            size = var.get_shape().num_elements()
            self._places[var.name] = (start, start + size)
            start += size
        first = min(var_list, key=lambda v: v.name)
        dtype = var_list[0].dtype.base_dtype
        self._create_non_slot_variable(cast(0.0, dtype), "global_step", first)
        self._create_non_slot_variable(zeros([self._window, start], dtype), "grad_buffer", first)
        self._create_non_slot_variable(zeros([start], dtype), "moment1", first)
        self._create_non_slot_variable(zeros([start], dtype), "flat_grad", first)

    def _prepare(self) -> None:
        self._given = {
            name: to_tensor(self._call_if_callable(getattr(self, attribute)), name=name)
            for name, attribute in _HYPER.items()
        }

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        start, end = self._places[var.name]
        flat = reshape(grad, [end - start])
        return scatter_update(self._get_non_slot_variable("flat_grad"), range_(start, end), flat)

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        return self._apply_dense(grad, handle)

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        raise NotImplementedError(f"Sparse gradient updates are not supported. Received: that of {var.name}")

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        raise NotImplementedError(f"Sparse gradient updates are not supported. Received: that of {handle}")

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        with control_dependencies([group(*update_ops)]):
            step = self._get_non_slot_variable("global_step").assign_add(1.0)
        with control_dependencies([step]):
            moved, basis = self._averaged(to_tensor(step))
        delta = self._direction(moved, basis)
        changes = []
        for var in self._vars:
            start, end = self._places[var.name]
            with colocate_with(var.op):
                change = self._given["lr"] * reshape(delta[start:end], var.get_shape().as_list())
                changes.append(var.assign_sub(change))
        return group(*changes, name=name_scope)

    def _averaged(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """The average of the gradients as a column, and the last ones, over the root of their number."""
        moment = self._get_non_slot_variable("moment1")
        buffer, flat = (self._get_non_slot_variable(name) for name in ("grad_buffer", "flat_grad"))
        beta, window = self._given["beta1"], self._given["window"]
        moved = moment.assign(beta * moment.read_value() + (1.0 - beta) * flat.read_value())
        moved = to_tensor(moved)
        row = raw.FloorMod(cast(step - 1.0, int32), window)
        kept = to_tensor(scatter_update(buffer, row, moved))
        count = raw.Minimum(step, cast(window, step.dtype.base_dtype))
        return expand_dims(moved, -1), transpose(kept / raw.Sqrt(count))

    def _direction(self, moved: Tensor, basis: Tensor) -> Tensor:
        """Along which the variables, laid end to end, are moved."""
        gram = matmul(basis, basis, transpose_a=True) + eye(self._window) * self._given["svd_eps"]
        squares, vectors, _ = svd(gram)
        roots = raw.Sqrt(squares)
        least = reduce_min(roots)
        inside = matmul(vectors, matmul(basis, moved, transpose_a=True), transpose_a=True)

        def spread(weights: Tensor) -> Tensor:
            return matmul(basis, matmul(vectors, matmul(raw.Diag(weights), inside)))

        head = spread(1.0 / (roots + self._given["sigma_eps"]) ** constant(3.0, float32))
        tail = (moved - spread(1.0 / squares)) / least
        found = cond(
            raw.Greater(least, self._given["eps"]), lambda: raw.Add(head, tail), lambda: raw.Identity(head)
        )
        return reshape(found, [-1])
