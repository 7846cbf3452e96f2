"""Optimizers that are not of the graph: they ask for losses and gradients, and set variables in one go."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.autodiff.gradients import gradients
from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.core.public import public
from millrace.graph.defaults import get_default_session
from millrace.graph.tensor import Tensor
from millrace.lib.platform import log
from millrace.lib.variables.sets import trainable_variables
from millrace.ops.array import concat, constant
from millrace.ops.array.reshape import reshape


@public("contrib.opt.ExternalOptimizerInterface")
class ExternalOptimizerInterface:
    """Minimizes a loss with an optimizer outside of the graph; subclasses override `_minimize`.

    Args:
      loss: a scalar.
      var_list: the variables to change; default: the trainable ones.
      equalities: tensors that are to be zero.
      inequalities: tensors that are not to be negative.
      var_to_bounds: variable -> (lower, upper), each a scalar or of the variable's shape.
      **optimizer_kwargs: kept for the optimizer.

    Raises:
      ValueError: the bounds of a variable are not a pair.
    """

    def __init__(
        self,
        loss: Any,
        var_list: Sequence[Any] | None = None,
        equalities: Sequence[Any] | None = None,
        inequalities: Sequence[Any] | None = None,
        var_to_bounds: dict[Any, Any] | None = None,
        **optimizer_kwargs: Any,
    ) -> None:
        self._loss = loss
        self._equalities = list(equalities or ())
        self._inequalities = list(inequalities or ())
        self._vars = list(trainable_variables() if var_list is None else var_list)
        self._packed_bounds = None if var_to_bounds is None else self._bounds(var_to_bounds)
        self._update_placeholders = [
            raw.Placeholder(dtype=v.dtype.base_dtype, shape=v.shape) for v in self._vars
        ]
        self._var_updates = [
            v.assign(reshape(p, v.shape.as_list()))
            for v, p in zip(self._vars, self._update_placeholders, strict=True)
        ]
        self._packed_loss_grad = self._gradient_of(loss)
        self._packed_equality_grads = [self._gradient_of(e) for e in self._equalities]
        self._packed_inequality_grads = [self._gradient_of(e) for e in self._inequalities]
        self.optimizer_kwargs = optimizer_kwargs
        self._packed_var = _packed([v.value() for v in self._vars])
        ends = np.cumsum([0, *(int(np.prod(v.shape.as_list())) for v in self._vars)])
        self._packing_slices = [slice(a, b) for a, b in itertools.pairwise(ends)]

    def _bounds(self, var_to_bounds: dict[Any, Any]) -> list[tuple[float, float]]:
        """A pair for each element of the variables in a row."""
        lower, upper = [], []
        for var in self._vars:
            bounds = var_to_bounds.get(var, (-np.inf, np.inf))
            if len(bounds) != 2:
                raise ValueError(f"Bounds must be a pair (lower, upper). Received: {bounds!r}")
            shape = var.shape.as_list()
            for side, value in zip((lower, upper), bounds, strict=True):
                side.append(np.broadcast_to(value, shape).ravel().astype(float))
        return list(zip(np.concatenate(lower).tolist(), np.concatenate(upper).tolist(), strict=True))

    def _gradient_of(self, loss: Any) -> Tensor:
        found = []
        for gradient, var in zip(gradients(loss, self._vars), self._vars, strict=True):
            if gradient is None:
                gradient = constant.constant(np.zeros(var.shape.as_list(), var.dtype.base_dtype.np_dtype))
            elif isinstance(gradient, IndexedSlices):
                gradient = convert.to_tensor(gradient)
            found.append(gradient)
        return _packed(found)

    def minimize(
        self,
        session: Any = None,
        feed_dict: Any = None,
        fetches: Any = None,
        step_callback: Callable[..., Any] | None = None,
        loss_callback: Callable[..., Any] | None = None,
        **run_kwargs: Any,
    ) -> None:
        """Minimizes, and sets the variables to what was found.

        Args:
          session: default: the default session.
          feed_dict: fed to every run.
          fetches: what to fetch beside the loss, for `loss_callback`.
          step_callback: called with the variables in a row after each step.
          loss_callback: called with the values of `fetches` at each evaluation.
          **run_kwargs: of `Session.run`.
        """
        session = session or get_default_session()
        feeds = dict(feed_dict or {})
        fetched = list(fetches or [])

        def evaluator(tensors: list[Any], extra: list[Any], callback: Any) -> Callable[[Any], list[Any]]:
            def evaluate(x: Any) -> list[Any]:
                values = [x[part] for part in self._packing_slices]
                feed = {v: p.reshape(v.shape.as_list()) for v, p in zip(self._vars, values, strict=True)}
                found = session.run(tensors + extra, {**feed, **feeds}, **run_kwargs)
                if callback is not None:
                    callback(*found[len(tensors) :])
                return found[: len(tensors)]

            return evaluate

        loss_grad = evaluator([self._loss, self._packed_loss_grad], fetched, loss_callback)
        equality = [evaluator([e], [], None) for e in self._equalities]
        equality_grad = [evaluator([g], [], None) for g in self._packed_equality_grads]
        inequality = [evaluator([e], [], None) for e in self._inequalities]
        inequality_grad = [evaluator([g], [], None) for g in self._packed_inequality_grads]
        found = self._minimize(
            initial_val=session.run(self._packed_var, feeds, **run_kwargs),
            loss_grad_func=loss_grad,
            equality_funcs=equality,
            equality_grad_funcs=equality_grad,
            inequality_funcs=inequality,
            inequality_grad_funcs=inequality_grad,
            packed_bounds=self._packed_bounds,
            step_callback=step_callback,
            optimizer_kwargs=self.optimizer_kwargs,
        )
        values = [np.asarray(found)[part] for part in self._packing_slices]
        feed = {
            p: value.reshape(v.shape.as_list())
            for p, v, value in zip(self._update_placeholders, self._vars, values, strict=True)
        }
        session.run(self._var_updates, feed, **run_kwargs)

    def _minimize(self, **arguments: Any) -> np.ndarray:
        """The variables in a row at the minimum."""
        raise NotImplementedError(f"{type(self).__name__} must override _minimize")


def _packed(tensors: list[Tensor]) -> Tensor:
    flat = [reshape(t, [-1]) for t in tensors]
    return flat[0] if len(flat) == 1 else concat.concat(flat, 0)


@public("contrib.opt.ScipyOptimizerInterface")
class ScipyOptimizerInterface(ExternalOptimizerInterface):
    """Minimizes a loss with `scipy.optimize.minimize`; needs SciPy.

    Arguments as for `ExternalOptimizerInterface`; others go to SciPy: `method`, by default "L-BFGS-B", or
    "SLSQP" where there are constraints; `options`, `tol`.
    """

    _DEFAULT_METHOD = "L-BFGS-B"

    def _minimize(  # type: ignore[override]
        self,
        initial_val: Any,
        loss_grad_func: Callable[[Any], list[Any]],
        equality_funcs: list[Any],
        equality_grad_funcs: list[Any],
        inequality_funcs: list[Any],
        inequality_grad_funcs: list[Any],
        packed_bounds: Any,
        step_callback: Any,
        optimizer_kwargs: dict[str, Any],
    ) -> np.ndarray:
        import scipy.optimize

        def loss_and_slope(x: Any) -> tuple[float, np.ndarray]:
            loss, slope = loss_grad_func(x)
            return float(loss), np.asarray(slope, np.float64)

        def constraint(kind: str, function: Any, slope: Any) -> dict[str, Any]:
            return {
                "type": kind,
                "fun": lambda x: np.asarray(function(x)[0], np.float64),
                "jac": lambda x: np.asarray(slope(x)[0], np.float64),
            }

        constraints = [
            constraint("eq", f, g) for f, g in zip(equality_funcs, equality_grad_funcs, strict=True)
        ]
        constraints += [
            constraint("ineq", f, g) for f, g in zip(inequality_funcs, inequality_grad_funcs, strict=True)
        ]
        given = dict(optimizer_kwargs)
        method = given.pop("method", "SLSQP" if constraints else self._DEFAULT_METHOD)
        arguments: dict[str, Any] = {
            "jac": True,
            "callback": step_callback,
            "method": method,
            "constraints": constraints,
            "bounds": packed_bounds,
        }
        clash = [name for name in given if name in arguments]
        if clash:
            raise ValueError(f"Optimizer keyword arg '{clash[0]}' is set automatically and cannot be given")
        result = scipy.optimize.minimize(
            loss_and_slope, np.asarray(initial_val, np.float64), **{**arguments, **given}
        )
        log.info(
            "Optimization terminated with:\n  Message: %s\n  Objective function value: %f\n"
            "  Number of iterations: %s\n  Number of functions evaluations: %s",
            result.message,
            result.fun,
            getattr(result, "nit", "-"),
            result.nfev,
        )
        return result.x.astype(self._packed_var.dtype.base_dtype.np_dtype)
