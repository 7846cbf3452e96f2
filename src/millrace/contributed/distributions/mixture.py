"""`tf.contrib.distributions.Mixture`: one of several distributions, drawn each time."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import NOT_REPARAMETERIZED, Distribution, new_seed
from millrace.lib.distributions.discrete import Categorical
from millrace.lib.math.reductions import reduce_logsumexp, reduce_prod, reduce_sum
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.gather import gather
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.array.shape import size
from millrace.ops.array.tile import tile
from millrace.ops.array.where import dynamic_partition, dynamic_stitch
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.elementwise import exp, sqrt, square
from millrace.ops.nn.softmax import log_softmax


@public("contrib.distributions.Mixture")
class Mixture(Distribution):
    """A choice among distributions, which may be of different kinds.

    Args:
      cat: a `Categorical` with as many classes as there are components, and their batch shape: the weights.
      components: distributions of one dtype, batch shape and event shape.
      validate_args, allow_nan_stats, name: as for `Distribution`.
      use_static_graph: draw from every component for each sample and keep one, instead of drawing from each
        as often as it was chosen.

    Raises:
      TypeError: `cat` is not a `Categorical`, a component is not a `Distribution`, or dtypes differ.
      ValueError: there are no components, or their number or shapes do not fit.
    """

    def __init__(
        self,
        cat: Any,
        components: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        use_static_graph: bool = False,
        name: str = "Mixture",
    ) -> None:
        given = dict(locals())
        components = _checked(cat, components)
        self._cat, self._components, self._use_static_graph = cat, components, use_static_graph
        with name_scope(name) as scope:
            batches = [cat.batch_shape] + [c.batch_shape for c in components]
            events = [c.event_shape for c in components]
            self._static_batch, self._static_event = _merged(batches, "batch"), _merged(events, "event")
            if self._static_event.ndims is None or self._static_batch.ndims is None:
                raise ValueError(
                    f"Mixture: the ranks of batches and events must be known. Received: {components}"
                )
        super().__init__(
            components[0].dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, given, [], scope
        )

    @property
    def cat(self) -> Any:
        """The weights."""
        return self._cat

    @property
    def components(self) -> list[Any]:
        """The components."""
        return self._components

    @property
    def num_components(self) -> int:
        """How many components there are."""
        return len(self._components)

    def _batch_shape(self) -> Any:
        return self._static_batch

    def _batch_shape_tensor(self) -> Tensor:
        return self._cat.batch_shape_tensor()

    def _event_shape(self) -> Any:
        return self._static_event

    def _event_shape_tensor(self) -> Tensor:
        return self._components[0].event_shape_tensor()

    def _over_event(self, x: Tensor) -> Tensor:
        """A number of each batch member, with axes for an event."""
        for _ in range(self._static_event.ndims or 0):
            x = expand_dims(x, -1)
        return x

    def _weighted(self, values: list[Tensor], over_event: bool = True) -> Tensor:
        weights = unstack(exp(log_softmax(self._cat.logits)), self.num_components, -1)
        if over_event:
            weights = [self._over_event(w) for w in weights]
        return add_n([w * v for w, v in zip(weights, values, strict=True)])

    def _mean(self) -> Tensor:
        return self._weighted([c.mean() for c in self._components])

    def _stddev(self) -> Tensor:
        means, deviations = [c.mean() for c in self._components], [c.stddev() for c in self._components]
        squares = [square(d) + square(m) for d, m in zip(deviations, means, strict=True)]
        return sqrt(self._weighted(squares) - square(self._weighted(means)))

    def _of_components(self, values: list[Tensor]) -> Tensor:
        """The logarithm of the mixed probability, from those of the components."""
        weights = unstack(log_softmax(self._cat.logits), self.num_components, -1)
        return reduce_logsumexp(stack([w + v for w, v in zip(weights, values, strict=True)]), 0)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._of_components([c.log_prob(x) for c in self._components])

    def _log_cdf(self, x: Tensor) -> Tensor:
        return self._of_components([c.log_cdf(x) for c in self._components])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        chosen = self._cat.sample(n, seed=seed)
        if self._use_static_graph:
            return self._kept(chosen, n, seed)
        return self._gathered(chosen, n, seed)

    def _kept(self, chosen: Tensor, n: Any, seed: int | None) -> Tensor:
        """A draw from every component, and of these the chosen ones."""
        draws = []
        for component in self._components:
            seed = new_seed(seed, "mixture")
            draws.append(component.sample(n, seed=seed))
        axis = -1 - (self._static_event.ndims or 0)
        all_draws = stack(draws, axis)
        mask = self._over_event(one_hot(chosen, self.num_components, dtype=self.dtype.base_dtype))
        return reduce_sum(all_draws * mask, axis)

    def _gathered(self, chosen: Tensor, n: Any, seed: int | None) -> Tensor:
        """From each component as many draws as chose it; each goes to the place that did."""
        count = self.num_components
        batch, event = self.batch_shape_tensor(), self.event_shape_tensor()
        batch_size = reduce_prod(batch)
        flat = reshape(chosen, [-1])
        places = dynamic_partition(raw.Range(0, size(flat), 1), flat, count)
        members = dynamic_partition(tile(raw.Range(0, batch_size, 1), [n]), flat, count)
        parts = []
        for component, member in zip(self._components, members, strict=True):
            seed = new_seed(seed, "mixture")
            drawn = component.sample(size(member), seed=seed)
            rows = reshape(drawn, concat([[-1], event], 0))
            parts.append(gather(rows, raw.Range(0, size(member), 1) * batch_size + member))
        together = dynamic_stitch(places, parts)
        return reshape(together, concat([convert_to_tensor([n], int32), batch, event], 0))

    def entropy_lower_bound(self, name: str = "entropy_lower_bound") -> Tensor:
        """The mean of the components' entropies, which the mixture's is not below."""
        with self._name_scope(name):
            return self._weighted([c.entropy() for c in self._components], over_event=False)


def _checked(cat: Any, components: Any) -> list[Any]:
    if not isinstance(cat, Categorical):
        raise TypeError(f"cat must be a Categorical distribution. Received: {cat!r}")
    if not components:
        raise ValueError("components must be a non-empty list or tuple")
    if not isinstance(components, list | tuple):
        raise TypeError(f"components must be a list or tuple. Received: {components!r}")
    for component in components:
        if not isinstance(component, Distribution):
            raise TypeError(
                f"all entries in components must be Distribution instances. Received: {component!r}"
            )
    dtype = components[0].dtype
    if any(c.dtype != dtype for c in components):
        received = [c.dtype.name for c in components]
        raise TypeError(f"all components must have the same dtype. Received: {received}")
    classes = cat.logits.shape[-1].value
    if classes is None:
        raise ValueError("Mixture: the number of classes of cat must be known. Received: an unknown one")
    if classes != len(components):
        raise ValueError(
            f"cat.num_classes != len(components). Received: {classes} classes, {len(components)} components"
        )
    return list(components)


def _merged(shapes: list[Any], what: str) -> Any:
    first = shapes[0]
    for shape in shapes[1:]:
        if not first.is_compatible_with(shape):
            raise ValueError(f"Mixture: {what} shapes must agree. Received: {[str(s) for s in shapes]}")
        first = first.merge_with(shape)
    return first
