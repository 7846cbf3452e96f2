"""Which tensors of a run are to be dumped: filled into a `RunOptions`, or said by a `WatchOptions`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from millrace.core.public import public
from millrace.graph.graph import Graph

Names = str | None


@public("python.debug.WatchOptions", "python.debug.wrappers.framework.WatchOptions")
class WatchOptions:
    """What the `watch_fn` of a debug hook or session answers.

    Args:
      debug_ops: one or several of "DebugIdentity" (the value), "DebugNanCount" and "DebugNumericSummary"; an
        option of the last may follow its name.
      node_name_regex_whitelist: only operations whose name matches from its start.
      op_type_regex_whitelist: only operations of such a type.
      tensor_dtype_regex_whitelist: only tensors of such a dtype.
      tolerate_debug_op_creation_failures: leave out what cannot be watched.
    """

    def __init__(
        self,
        debug_ops: Any = None,
        node_name_regex_whitelist: Names = None,
        op_type_regex_whitelist: Names = None,
        tensor_dtype_regex_whitelist: Names = None,
        tolerate_debug_op_creation_failures: bool = False,
    ) -> None:
        self.debug_ops = debug_ops or ["DebugIdentity"]
        self.node_name_regex_whitelist = node_name_regex_whitelist
        self.op_type_regex_whitelist = op_type_regex_whitelist
        self.tensor_dtype_regex_whitelist = tensor_dtype_regex_whitelist
        self.tolerate_debug_op_creation_failures = tolerate_debug_op_creation_failures

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"WatchOptions({told})"


@public("python.debug.add_debug_tensor_watch", "python.debug.lib.debug_utils.add_debug_tensor_watch")
def add_debug_tensor_watch(
    run_options: Any,
    node_name: str,
    output_slot: int = 0,
    debug_ops: Any = "DebugIdentity",
    debug_urls: Any = None,
    tolerate_debug_op_creation_failures: bool = False,
    global_step: int = -1,
) -> None:
    """Has one output of an operation dumped.

    Args:
      run_options: a `RunOptions`, which is changed.
      node_name: the operation.
      output_slot: which of its outputs; -1 for all.
      debug_ops: as for `WatchOptions`.
      debug_urls: one or several of `file:///folder`.
      tolerate_debug_op_creation_failures: leave out what cannot be watched.
      global_step: kept beside the dumps.
    """
    options = run_options.debug_options
    options.global_step = global_step
    options.debug_tensor_watch_opts.add(
        node_name=node_name,
        output_slot=output_slot,
        debug_ops=_listed(debug_ops),
        debug_urls=_listed(debug_urls or []),
        tolerate_debug_op_creation_failures=tolerate_debug_op_creation_failures,
    )


@public("python.debug.watch_graph", "python.debug.lib.debug_utils.watch_graph")
def watch_graph(
    run_options: Any,
    graph: Graph,
    debug_ops: Any = "DebugIdentity",
    debug_urls: Any = None,
    node_name_regex_whitelist: Names = None,
    op_type_regex_whitelist: Names = None,
    tensor_dtype_regex_whitelist: Names = None,
    tolerate_debug_op_creation_failures: bool = False,
    global_step: int = -1,
    reset_disk_byte_usage: bool = False,
) -> None:
    """Has every tensor of a graph dumped for which all given patterns match.

    Args:
      run_options: a `RunOptions`, which is changed.
      graph: whose tensors.
      debug_ops, debug_urls, global_step: as for `add_debug_tensor_watch`.
      node_name_regex_whitelist, op_type_regex_whitelist, tensor_dtype_regex_whitelist,
        tolerate_debug_op_creation_failures: as for `WatchOptions`.
      reset_disk_byte_usage: kept in the options.
    """
    patterns = (node_name_regex_whitelist, op_type_regex_whitelist, tensor_dtype_regex_whitelist)

    def wanted(*about: str) -> bool:
        return all(p is None or re.match(p, text) for p, text in zip(patterns, about, strict=True))

    _watch(
        run_options, graph, wanted, debug_ops, debug_urls, tolerate_debug_op_creation_failures, global_step
    )
    run_options.debug_options.reset_disk_byte_usage = reset_disk_byte_usage


@public(
    "python.debug.watch_graph_with_blacklists", "python.debug.lib.debug_utils.watch_graph_with_blacklists"
)
def watch_graph_with_blacklists(
    run_options: Any,
    graph: Graph,
    debug_ops: Any = "DebugIdentity",
    debug_urls: Any = None,
    node_name_regex_blacklist: Names = None,
    op_type_regex_blacklist: Names = None,
    tensor_dtype_regex_blacklist: Names = None,
    tolerate_debug_op_creation_failures: bool = False,
    global_step: int = -1,
    reset_disk_byte_usage: bool = False,
) -> None:
    """As `watch_graph`, for the tensors for which none of the given patterns matches."""
    patterns = (node_name_regex_blacklist, op_type_regex_blacklist, tensor_dtype_regex_blacklist)

    def wanted(*about: str) -> bool:
        return not any(p is not None and re.match(p, text) for p, text in zip(patterns, about, strict=True))

    _watch(
        run_options, graph, wanted, debug_ops, debug_urls, tolerate_debug_op_creation_failures, global_step
    )
    run_options.debug_options.reset_disk_byte_usage = reset_disk_byte_usage


def _watch(
    run_options: Any,
    graph: Graph,
    wanted: Callable[[str, str, str], bool],
    debug_ops: Any,
    debug_urls: Any,
    tolerate: bool,
    global_step: int,
) -> None:
    run_options.debug_options.global_step = global_step
    for op in graph.get_operations():
        for slot, tensor in enumerate(op.outputs):
            if wanted(op.name, op.type, tensor.dtype.name):
                add_debug_tensor_watch(
                    run_options, op.name, slot, debug_ops, debug_urls, tolerate, global_step
                )


def _listed(words: str | Sequence[str]) -> list[str]:
    return [words] if isinstance(words, str) else list(words)
