"""`tf.data.Options` and the options inside it. millrace accepts them all; those about order change the
pipeline.
"""

from __future__ import annotations

from typing import Any

from millrace.core.public import public


class OptionsBase:
    """Options whose fields are declared by type and default, and refuse values of other types."""

    _fields: dict[str, tuple[Any, Any]] = {}  # name -> (types, a function that makes the default)

    def __init__(self) -> None:
        object.__setattr__(self, "_set", {})

    def __getattr__(self, name: str) -> Any:
        fields = type(self)._fields
        if name not in fields:
            raise AttributeError(f"{type(self).__name__} has no option {name!r}")
        values = self.__dict__["_set"]
        if name not in values:
            made = fields[name][1]()
            if made is None:
                return None
            values[name] = made
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        fields = type(self)._fields
        if name not in fields:
            raise AttributeError(f"Cannot set the property {name} on {type(self).__name__}.")
        kinds = fields[name][0]
        if value is not None and not isinstance(value, kinds):
            raise TypeError(
                f"property {name} must be of type {kinds!r}. Received: {value!r} (type: {type(value)})"
            )
        self.__dict__["_set"][name] = value

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, n) == getattr(other, n) for n in type(self)._fields)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *type(self)._fields})


def merged(first: Any, second: Any) -> Any:
    """Options with what either says.

    Raises:
      ValueError: they contradict each other.
    """
    result = type(first)()
    for name in type(first)._fields:
        one, two = getattr(first, name), getattr(second, name)
        if isinstance(one, OptionsBase) and isinstance(two, OptionsBase):
            value = merged(one, two)
        elif one is not None and two is not None and one != two:
            raise ValueError(f"Cannot merge incompatible values {one!r} and {two!r} of option: {name}")
        else:
            value = one if one is not None else two
        if value is not None:
            setattr(result, name, value)
    return result


def _none() -> None:
    return None


@public("data.experimental.MapVectorizationOptions")
class MapVectorizationOptions(OptionsBase):
    """Options about vectorized maps: `enabled`, `use_choose_fastest`."""

    _fields = {"enabled": (bool, _none), "use_choose_fastest": (bool, _none)}


_SWITCHES = (
    "apply_default_optimizations",
    "autotune",
    "autotune_buffers",
    "filter_fusion",
    "filter_with_random_uniform_fusion",
    "hoist_random_uniform",
    "map_and_batch_fusion",
    "map_and_filter_fusion",
    "map_fusion",
    "map_parallelization",
    "noop_elimination",
    "parallel_batch",
    "shuffle_and_repeat_fusion",
)


@public("data.experimental.OptimizationOptions")
class OptimizationOptions(OptionsBase):
    """Options about TensorFlow's optimizations of pipelines, which change no element; accepted."""

    _fields = {
        **dict.fromkeys(_SWITCHES, (bool, _none)),
        "autotune_algorithm": (int, _none),
        "autotune_cpu_budget": (int, _none),
        "map_vectorization": (MapVectorizationOptions, MapVectorizationOptions),
    }


@public("data.experimental.ThreadingOptions")
class ThreadingOptions(OptionsBase):
    """Options about threads: `max_intra_op_parallelism`, `private_threadpool_size`; accepted."""

    _fields = {"max_intra_op_parallelism": (int, _none), "private_threadpool_size": (int, _none)}


@public("data.experimental.DistributeOptions")
class DistributeOptions(OptionsBase):
    """Options about several workers: `auto_shard`, `num_devices`."""

    _fields = {"auto_shard": (bool, lambda: True), "num_devices": (int, _none)}


@public("data.experimental.StatsOptions")
class StatsOptions(OptionsBase):
    """Options about statistics: `aggregator`, `prefix`, `counter_prefix`, `latency_all_edges`; accepted."""

    _fields = {
        "aggregator": (object, _none),
        "prefix": (str, lambda: ""),
        "counter_prefix": (str, lambda: ""),
        "latency_all_edges": (bool, lambda: None),
    }


@public("data.Options")
class Options(OptionsBase):
    """What a pipeline may do: set its attributes and give it to `Dataset.with_options`.

    `experimental_deterministic` False allows elements in another order where that is faster; the other groups
    of options (`experimental_optimization`, `experimental_threading`, ...) are accepted.
    """

    _fields = {
        "experimental_deterministic": (bool, _none),
        "experimental_distribute": (DistributeOptions, DistributeOptions),
        "experimental_optimization": (OptimizationOptions, OptimizationOptions),
        "experimental_slack": (bool, _none),
        "experimental_stateful_whitelist": (list, _none),
        "experimental_stats": (StatsOptions, StatsOptions),
        "experimental_threading": (ThreadingOptions, ThreadingOptions),
    }

    def merge(self, options: Options) -> Options:
        """Options with what either says.

        Raises:
          ValueError: they contradict each other.
        """
        return merged(self, options)

    def static_optimizations(self) -> list[str]:
        """The names of the optimizations that TensorFlow would make."""
        wanted = self.experimental_optimization
        found = []
        explicit = [
            n for n in _SWITCHES if n not in ("apply_default_optimizations", "autotune", "autotune_buffers")
        ]
        found += [name for name in explicit if getattr(wanted, name)]
        if wanted.map_vectorization.enabled:
            found.append("map_vectorization")
        if wanted.autotune_buffers:
            found += ["inject_prefetch"]
        if wanted.apply_default_optimizations is not False:
            defaults = ("map_and_batch_fusion", "noop_elimination", "shuffle_and_repeat_fusion")
            found += [n for n in defaults if getattr(wanted, n) is not False and n not in found]
        if self.experimental_deterministic is False:
            found.append("make_sloppy")
        if self.experimental_slack:
            found.append("slack")
        return found
