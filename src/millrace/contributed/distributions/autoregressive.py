"""`tf.contrib.distributions.Autoregressive`: vectors drawn element after element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import Distribution
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.math.reductions import reduce_prod


@public("contrib.distributions.Autoregressive")
class Autoregressive(Distribution):
    """The distribution that a function gives for the elements of an event, each from those before it.

    Samples are drawn by going through the function `num_steps` times, starting with `sample0`, so that after
    step i the first i elements have their final values; element i of what the function gives must not depend
    on the elements from i on.

    Args:
      distribution_fn: a function from a sample to a distribution; without `sample0`, it is first called
        without arguments.
      sample0: the sample to start with.
      num_steps: how many times; default the number of elements of an event.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: `num_steps` is less than 1.
    """

    def __init__(
        self,
        distribution_fn: Callable[..., Any],
        sample0: Any = None,
        num_steps: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Autoregressive",
    ) -> None:
        given = dict(locals())
        with name_scope(name) as scope:
            self._distribution_fn, self._sample0 = distribution_fn, sample0
            first = distribution_fn() if sample0 is None else distribution_fn(sample0)
            self._distribution0 = first
            steps = reduce_prod(first.event_shape_tensor()) if num_steps is None else num_steps
            known = static_value(steps) if isinstance(steps, Tensor) else np.asarray(steps)
            if known is not None and known < 1:
                raise ValueError(f"num_steps ({known}) must be at least 1.")
            self._num_steps = steps if known is None else int(known)
            held = [sample0] if isinstance(sample0, Tensor) else []
        kind = first.reparameterization_type
        super().__init__(first.dtype, kind, validate_args, allow_nan_stats, given, held, scope)

    @property
    def distribution_fn(self) -> Callable[..., Any]:
        """The function."""
        return self._distribution_fn

    @property
    def sample0(self) -> Any:
        """The sample to start with."""
        return self._sample0

    @property
    def num_steps(self) -> Any:
        """How many times samples go through the function."""
        return self._num_steps

    @property
    def distribution0(self) -> Any:
        """What the function gives at first."""
        return self._distribution0

    def _batch_shape(self) -> Any:
        return self._distribution0.batch_shape

    def _batch_shape_tensor(self) -> Tensor:
        return self._distribution0.batch_shape_tensor()

    def _event_shape(self) -> Any:
        return self._distribution0.event_shape

    def _event_shape_tensor(self) -> Tensor:
        return self._distribution0.event_shape_tensor()

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        def step(samples: Tensor) -> Tensor:
            return self._distribution_fn(samples).sample(seed=seed)

        samples = self._distribution0.sample(n, seed=seed)
        if isinstance(self._num_steps, int):
            for _ in range(self._num_steps):
                samples = step(samples)
            return samples
        going: Any = lambda i, _: i < self._num_steps  # noqa: E731 - beside the body that it belongs to
        return while_loop(going, lambda i, x: (i + 1, step(x)), (0, samples))[1]

    def _log_prob(self, value: Tensor) -> Tensor:
        return self._distribution_fn(value).log_prob(value)
