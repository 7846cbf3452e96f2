"""`tf.test.Benchmark` and the stubs of `tf.test.StubOutForTesting`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from millrace.core.proto_names import ConfigProto
from millrace.core.public import public
from millrace.graph.defaults import get_default_session


@public("test.benchmark_config")
def benchmark_config() -> Any:
    """A `ConfigProto` for sessions of benchmarks."""
    return ConfigProto()


@public("test.Benchmark")
class Benchmark:
    """A class whose methods named `benchmark...` measure something and report it."""

    @classmethod
    def is_abstract(cls) -> bool:
        """True for `Benchmark` itself."""
        return cls is Benchmark

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, by the default session.

        Raises:
          ValueError: there is none.
        """
        session = get_default_session()
        if session is None:
            raise ValueError(
                "Benchmark: no default session is registered. Call it under `with tf.Session():`"
            )
        return session.run(tensors)

    def report_benchmark(
        self,
        iters: int | None = None,
        cpu_time: float | None = None,
        wall_time: float | None = None,
        throughput: float | None = None,
        extras: Any = None,
        name: str | None = None,
        metrics: Any = None,
    ) -> None:
        """Writes figures to standard output, one JSON object a line; None is left out."""
        figures = dict(
            name=name or self._name(),
            iters=iters,
            cpu_time=cpu_time,
            wall_time=wall_time,
            throughput=throughput,
            extras=extras,
            metrics=metrics,
        )
        sys.stdout.write(json.dumps({k: v for k, v in figures.items() if v is not None}) + "\n")

    def _name(self) -> str:
        """Class and method of the benchmark that reports."""
        frame: Any = sys._getframe(1)
        while frame is not None and not frame.f_code.co_name.startswith("benchmark"):
            frame = frame.f_back
        return type(self).__name__ + (f".{frame.f_code.co_name}" if frame is not None else "")

    def run_op_benchmark(
        self,
        sess: Any,
        op_or_tensor: Any,
        feed_dict: Any = None,
        burn_iters: int = 2,
        min_iters: int = 10,
        store_trace: bool = False,
        store_memory_usage: bool = True,
        name: str | None = None,
        extras: Any = None,
        mbs: float = 0,
    ) -> dict[str, Any]:
        """Times runs of something and reports their median.

        Args:
          sess: a session.
          op_or_tensor: what to run.
          feed_dict: what to feed.
          burn_iters, min_iters: runs before the clock starts, and under it.
          store_trace, store_memory_usage: accepted for TensorFlow's form.
          name: of the report; default: class and method.
          extras: figures to add.
          mbs: megabytes moved by a run, for the throughput.

        Returns:
          The figures: iters, wall_time (median, seconds), throughput (megabytes a second), extras.
        """
        for _ in range(burn_iters):
            sess.run(op_or_tensor, feed_dict)
        times = []
        for _ in range(min_iters):
            start = time.perf_counter()
            sess.run(op_or_tensor, feed_dict)
            times.append(time.perf_counter() - start)
        median = float(np.median(times))
        spread = {"wall_time_mean": float(np.mean(times)), "wall_time_stdev": float(np.std(times))}
        figures: dict[str, Any] = dict(
            iters=min_iters,
            wall_time=median,
            throughput=mbs / median if mbs else 0.0,
            extras={**spread, **(extras or {})},
        )
        self.report_benchmark(name=name, **figures)
        return {"name": name or self._name(), **figures}


@public("test.StubOutForTesting")
class StubOutForTesting:
    """Replaces attributes for the time of a test."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any, bool]] = []

    def Set(self, parent: Any, child_name: str, new_child: Any) -> None:  # noqa: N802
        """Replaces `parent.child_name`, until `UnsetAll`."""
        own = child_name in vars(parent)
        old = vars(parent)[child_name] if own else getattr(parent, child_name)
        self._replaced.append((parent, child_name, old, own))
        setattr(parent, child_name, new_child)

    def SmartSet(self, obj: Any, attr_name: str, new_attr: Any) -> None:  # noqa: N802
        """As `Set`, for an attribute that may be inherited; undone by `SmartUnsetAll`.

        Raises:
          AttributeError: there is no such attribute.
        """
        self.Set(obj, attr_name, new_attr)

    def UnsetAll(self) -> None:  # noqa: N802
        """Puts everything back, last replaced first."""
        for parent, name, old, own in reversed(self._replaced):
            if own:
                setattr(parent, name, old)
            else:
                delattr(parent, name)
        self._replaced.clear()

    def SmartUnsetAll(self) -> None:  # noqa: N802
        """As `UnsetAll`."""
        self.UnsetAll()

    def CleanUp(self) -> None:  # noqa: N802
        """As `UnsetAll`."""
        self.UnsetAll()

    def __enter__(self) -> StubOutForTesting:
        return self

    def __exit__(self, *error: Any) -> None:
        self.UnsetAll()
