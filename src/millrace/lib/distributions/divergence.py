"""The Kullback-Leibler divergence of two distributions: which function computes it for which classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.checks import Assert
from millrace.lib.math.reductions import reduce_any

_functions: dict[tuple[type, type], Callable[..., Tensor]] = {}


def _registered(a: type, b: type) -> Callable[..., Tensor] | None:
    """The function for the closest pair of base classes."""
    found = [
        (i + j, i, _functions[base_a, base_b])
        for i, base_a in enumerate(a.__mro__)
        for j, base_b in enumerate(b.__mro__)
        if (base_a, base_b) in _functions
    ]
    return min(found, key=lambda f: f[:2])[2] if found else None


@public("distributions.kl_divergence", "contrib.distributions.kl_divergence")
def kl_divergence(
    distribution_a: Any, distribution_b: Any, allow_nan_stats: bool = True, name: str | None = None
) -> Tensor:
    """The mean under `distribution_a` of log(prob_a / prob_b).

    Args:
      distribution_a, distribution_b: distributions of classes that a function was registered for.
      allow_nan_stats: give NaN where it is undefined; else that is an error when run.
      name: a scope of the function that computes it.

    Returns:
      The broadcast batch shape, floating.

    Raises:
      NotImplementedError: no function was registered for the classes.
      InvalidArgumentError: when run, if the result is NaN and `allow_nan_stats` is False.
    """
    function = _registered(type(distribution_a), type(distribution_b))
    if function is None:
        raise NotImplementedError(
            "No KL(distribution_a || distribution_b) is registered. Received: types "
            f"{type(distribution_a).__name__} and {type(distribution_b).__name__}"
        )
    with name_scope("KullbackLeibler"):
        divergence = function(distribution_a, distribution_b, name=name)
        if allow_nan_stats:
            return divergence
        divergence = raw.Identity(divergence, name="kl")
        defined = raw.LogicalNot(reduce_any(raw.IsNan(divergence)))
        told = [f"KL of {distribution_a.name} and {distribution_b.name} is NaN. Received:", divergence]
        with control_dependencies([Assert(defined, told)]):
            return raw.Identity(divergence, name="checked_kl")


def cross_entropy(ref: Any, other: Any, allow_nan_stats: bool = True, name: str | None = None) -> Tensor:
    """The mean under `ref` of -log(prob_other): the entropy of `ref` plus the divergence."""
    with name_scope(name, "cross_entropy"):
        return ref.entropy() + kl_divergence(ref, other, allow_nan_stats=allow_nan_stats)


@public("distributions.RegisterKL", "contrib.distributions.RegisterKL")
class RegisterKL:
    """Decorator that registers a function `(a, b, name=None) -> tensor` for the divergence of two classes.

    Args:
      dist_cls_a, dist_cls_b: the classes of its arguments.
    """

    def __init__(self, dist_cls_a: type, dist_cls_b: type) -> None:
        self._key = (dist_cls_a, dist_cls_b)

    def __call__(self, kl_fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Registers `kl_fn` and returns it.

        Raises:
          TypeError: it is not callable.
          ValueError: a function is registered for these classes already.
        """
        if not callable(kl_fn):
            raise TypeError(f"RegisterKL: kl_fn must be callable. Received: {kl_fn!r}")
        if self._key in _functions:
            a, b = (cls.__name__ for cls in self._key)
            raise ValueError(f"RegisterKL: KL({a} || {b}) is registered already. Received: {kl_fn!r}")
        _functions[self._key] = kl_fn
        return kl_fn
