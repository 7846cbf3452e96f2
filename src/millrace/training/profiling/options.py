"""What a profile counts, shows and writes: `ProfileOptionBuilder`."""

from __future__ import annotations

import copy
from typing import Any

from millrace.core.public import public

_LEAST = {"min_bytes": 0, "min_micros": 0, "min_params": 0, "min_float_ops": 0, "min_occurrence": 0}
_ALL = [".*"]
TRAINABLE = "_trainable_variables"  # the type that trainable variables have beside their operation's


def _options(**changed: Any) -> dict[str, Any]:
    return {
        "max_depth": 10000,
        **_LEAST,
        "order_by": "name",
        "account_type_regexes": list(_ALL),
        "start_name_regexes": list(_ALL),
        "trim_name_regexes": [],
        "show_name_regexes": list(_ALL),
        "hide_name_regexes": [],
        "account_displayed_op_only": True,
        "select": ["micros"],
        "step": -1,
        "output": "stdout",
        **changed,
    }


@public("profiler.ProfileOptionBuilder", "python.profiler.option_builder.ProfileOptionBuilder")
class ProfileOptionBuilder:
    """Makes the options of `tf.profiler.profile`, one call after the other.

    Args:
      options: to begin with.

    Example:
      >>> builder = tf.profiler.ProfileOptionBuilder
      >>> options = builder(builder.trainable_variables_parameter()).with_max_depth(2).build()
      >>> print(options["select"], options["max_depth"])
      ['params'] 2
    """

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        if options is None:
            options = _options(account_displayed_op_only=False)
        self._options = copy.deepcopy(options)

    @staticmethod
    def trainable_variables_parameter() -> dict[str, Any]:
        """Options that count the numbers in trainable variables."""
        return _options(account_type_regexes=[TRAINABLE], select=["params"])

    @staticmethod
    def float_operation() -> dict[str, Any]:
        """Options that count operations on numbers, where shapes are known."""
        return _options(min_float_ops=1, select=["float_ops"], order_by="float_ops")

    @staticmethod
    def time_and_memory(
        min_micros: int = 1,
        min_bytes: int = 1,
        min_accelerator_micros: int = 0,
        min_cpu_micros: int = 0,
        min_peak_bytes: int = 0,
        min_residual_bytes: int = 0,
        min_output_bytes: int = 0,
    ) -> dict[str, Any]:
        """Options that show where time and memory go; `profile` needs the `RunMetadata` of a traced run."""
        return _options(
            min_bytes=min_bytes,
            min_peak_bytes=min_peak_bytes,
            min_residual_bytes=min_residual_bytes,
            min_output_bytes=min_output_bytes,
            min_micros=min_micros,
            min_accelerator_micros=min_accelerator_micros,
            min_cpu_micros=min_cpu_micros,
            select=["micros", "bytes"],
            order_by="micros",
        )

    def build(self) -> dict[str, Any]:
        """The options."""
        return copy.deepcopy(self._options)

    def _with(self, **changed: Any) -> ProfileOptionBuilder:
        self._options.update(changed)
        return self

    def with_max_depth(self, max_depth: int) -> ProfileOptionBuilder:
        """Shows so many levels."""
        return self._with(max_depth=max_depth)

    def with_min_memory(
        self,
        min_bytes: int = 0,
        min_peak_bytes: int = 0,
        min_residual_bytes: int = 0,
        min_output_bytes: int = 0,
    ) -> ProfileOptionBuilder:
        """Shows only nodes that take so much memory."""
        return self._with(
            min_bytes=min_bytes,
            min_peak_bytes=min_peak_bytes,
            min_residual_bytes=min_residual_bytes,
            min_output_bytes=min_output_bytes,
        )

    def with_min_execution_time(
        self, min_micros: int = 0, min_accelerator_micros: int = 0, min_cpu_micros: int = 0
    ) -> ProfileOptionBuilder:
        """Shows only nodes that take so long."""
        return self._with(
            min_micros=min_micros,
            min_accelerator_micros=min_accelerator_micros,
            min_cpu_micros=min_cpu_micros,
        )

    def with_min_parameters(self, min_params: int) -> ProfileOptionBuilder:
        """Shows only nodes with so many parameters."""
        return self._with(min_params=min_params)

    def with_min_occurrence(self, min_occurrence: int) -> ProfileOptionBuilder:
        """Shows only operation types that occur so often."""
        return self._with(min_occurrence=min_occurrence)

    def with_min_float_operations(self, min_float_ops: int) -> ProfileOptionBuilder:
        """Shows only nodes with so many operations on numbers."""
        return self._with(min_float_ops=min_float_ops)

    def with_accounted_types(self, account_type_regexes: list[str]) -> ProfileOptionBuilder:
        """Counts only operations of types that match one of these patterns whole."""
        return self._with(account_type_regexes=list(account_type_regexes))

    def with_node_names(
        self,
        start_name_regexes: list[str] | None = None,
        show_name_regexes: list[str] | None = None,
        hide_name_regexes: list[str] | None = None,
        trim_name_regexes: list[str] | None = None,
    ) -> ProfileOptionBuilder:
        """Shows nodes by name: patterns to start at, to show, to hide, and below which nothing is shown."""
        given = {
            "start_name_regexes": start_name_regexes,
            "show_name_regexes": show_name_regexes,
            "hide_name_regexes": hide_name_regexes,
            "trim_name_regexes": trim_name_regexes,
        }
        defaults = {"start_name_regexes": _ALL, "show_name_regexes": _ALL}
        return self._with(**{k: list(defaults.get(k, []) if v is None else v) for k, v in given.items()})

    def account_displayed_op_only(self, is_true: bool) -> ProfileOptionBuilder:
        """Whether totals leave out what is not shown."""
        return self._with(account_displayed_op_only=is_true)

    def with_empty_output(self) -> ProfileOptionBuilder:
        """Writes nothing; `profile` returns the figures all the same."""
        return self._with(output="none")

    def with_stdout_output(self) -> ProfileOptionBuilder:
        """Prints the report."""
        return self._with(output="stdout")

    def with_file_output(self, outfile: str) -> ProfileOptionBuilder:
        """Writes the report into a file."""
        return self._with(output=f"file:outfile={outfile}")

    def with_timeline_output(self, timeline_file: str) -> ProfileOptionBuilder:
        """Writes the run as a timeline, for Chromium's `chrome://tracing`."""
        return self._with(output=f"timeline:outfile={timeline_file}")

    def with_pprof_output(self, pprof_file: str) -> ProfileOptionBuilder:
        """Names a file for pprof."""
        return self._with(output=f"pprof:outfile={pprof_file}")

    def with_step(self, step: int) -> ProfileOptionBuilder:
        """Which of a profiler's steps to report; -1 for their mean."""
        return self._with(step=step)

    def order_by(self, attribute: str) -> ProfileOptionBuilder:
        """Sorts by "name" or one of the columns, the largest first."""
        return self._with(order_by=attribute)

    def select(self, attributes: list[str]) -> ProfileOptionBuilder:
        """The columns: "params", "float_ops", "micros", "bytes", "occurrence", ..."""
        return self._with(select=list(attributes))
