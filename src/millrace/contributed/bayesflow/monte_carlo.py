"""`tf.contrib.bayesflow.monte_carlo`: means of functions of random values, from samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_max, reduce_mean
from millrace.ops.array.constant import stop_gradient
from millrace.ops.math.elementwise import exp, log
from millrace.ops.nn.activation import relu

_LEAST = 1e-10  # added under the logarithm


@public("contrib.bayesflow.monte_carlo.expectation")
def expectation(
    f: Callable[[Any], Any],
    samples: Any,
    log_prob: Callable[[Any], Any] | None = None,
    use_reparametrization: bool = True,
    axis: Any = 0,
    keep_dims: bool = False,
    name: str | None = None,
) -> Tensor:
    """The mean of a function over samples, with the gradient of the expectation.

    Args:
      f: of samples to values of the same shape along `axis`.
      samples: drawn from the distribution.
      log_prob: of samples to their log probability; needed where the samples are not differentiable by the
        distribution's parameters.
      use_reparametrization: the samples are differentiable; else the gradient is that of the score function.
      axis: what to average over.
      keep_dims: keep the averaged dimensions, with size 1.
      name: scope.

    Raises:
      ValueError: `f`, or a `log_prob` that is needed, cannot be called.
    """
    with name_scope(name, "expectation", [samples]):
        if not callable(f):
            raise ValueError(f"`f` must be a callable function. Received: {f!r}")
        if use_reparametrization:
            return reduce_mean(f(samples), axis=axis, keepdims=keep_dims)
        if not callable(log_prob):
            raise ValueError(f"`log_prob` must be a callable function. Received: {log_prob!r}")
        fixed = stop_gradient(samples)
        log_probs = log_prob(fixed)
        values = f(fixed)
        # The second term is 0; its gradient is that of the probabilities.
        values = values + stop_gradient(values) * (log_probs - stop_gradient(log_probs))
        return reduce_mean(values, axis=axis, keepdims=keep_dims)


@public("contrib.bayesflow.monte_carlo.expectation_importance_sampler")
def expectation_importance_sampler(
    f: Callable[[Any], Any],
    log_p: Callable[[Any], Any],
    sampling_dist_q: Any,
    z: Any = None,
    n: int | None = None,
    seed: int | None = None,
    name: str = "expectation_importance_sampler",
) -> Tensor:
    """The mean of `f` under `p`, from samples of another distribution.

    Args:
      f: of samples to values, of either sign.
      log_p: of samples to their log probability under p.
      sampling_dist_q: the distribution that is drawn from.
      z: samples `[n, ...]` of it, or
      n: how many to draw.
      seed: of the draws.
      name: scope.

    Raises:
      ValueError: both of `z` and `n` are given, or neither.
    """
    with name_scope(name, values=[z, n]):
        samples = _samples(sampling_dist_q, z, n, seed)
        log_p_z = log_p(samples)
        log_q_z = sampling_dist_q.log_prob(samples)
        values = f(samples)
        parts = log(relu(values) + _LEAST), log(relu(-1.0 * values) + _LEAST)
        above, below = (_log_mean(part + log_p_z - log_q_z) for part in parts)
    return exp(above) - exp(below)


@public("contrib.bayesflow.monte_carlo.expectation_importance_sampler_logspace")
def expectation_importance_sampler_logspace(
    log_f: Callable[[Any], Any],
    log_p: Callable[[Any], Any],
    sampling_dist_q: Any,
    z: Any = None,
    n: int | None = None,
    seed: int | None = None,
    name: str = "expectation_importance_sampler_logspace",
) -> Tensor:
    """The logarithm of the mean of a positive function under `p`, from samples of another distribution.

    Args:
      log_f: of samples to the logarithm of the function.
      log_p, sampling_dist_q, z, n, seed, name: as for `expectation_importance_sampler`.

    Raises:
      ValueError: both of `z` and `n` are given, or neither.
    """
    with name_scope(name, values=[z, n]):
        samples = _samples(sampling_dist_q, z, n, seed)
        return _log_mean(log_f(samples) + log_p(samples) - sampling_dist_q.log_prob(samples))


def _samples(distribution: Any, z: Any, n: int | None, seed: int | None) -> Tensor:
    with name_scope("get_samples", values=[z, n]):
        if (z is None) == (n is None):
            raise ValueError(f'Must specify exactly one of arguments "n" and "z". Received: n={n}, z={z}')
        return distribution.sample(n, seed=seed) if z is None else convert.to_tensor(z, name="z")


def _log_mean(log_values: Tensor) -> Tensor:
    """The logarithm of the mean over the first dimension."""
    center = stop_gradient(reduce_max(log_values, [0]))
    return log(reduce_mean(exp(log_values - center), [0])) + center
