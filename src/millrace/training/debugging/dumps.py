"""Dumps of a run's tensors: event files in a folder, as TensorFlow 1.15's debugger writes and reads them.

A folder holds one folder for each device, in it `NODE_SLOT_DEBUGOP_MICROSECONDS` for each tensor (a node's
name scopes are folders), each a serialized `Event`; beside them what was fed, fetched, and the graph.
"""

from __future__ import annotations

import collections
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from millrace.core import protos
from millrace.core.parsing import parsed
from millrace.core.public import public
from millrace.exchange.tensor_messages import make_ndarray

DEVICE = "_tfdbg_device_"
GRAPH = "_tfdbg_graph_"
METADATA = "_tfdbg_core_metadata_"
FEEDS, FETCHES = "_tfdbg_feed_keys_info_", "_tfdbg_fetches_info_"


class CoreMetadata(NamedTuple):
    """What is known of the run that was dumped."""

    global_step: int
    session_run_index: int
    executor_step_index: int
    input_names: list[str]
    output_names: list[str]
    target_nodes: list[str]


@public("python.debug.lib.debug_data.WatchKeyDoesNotExistInDebugDumpDirError")
class WatchKeyDoesNotExistInDebugDumpDirError(ValueError):
    """Nothing was dumped under such a key."""


@public("python.debug.load_tensor_from_event_file", "python.debug.lib.debug_data.load_tensor_from_event_file")
def load_tensor_from_event_file(event_file_path: str) -> Any:
    """The array that a dump holds."""
    return load_tensor_from_event(
        parsed(protos.Event, Path(event_file_path).read_bytes(), str(event_file_path))
    )


@public("python.debug.load_tensor_from_event", "python.debug.lib.debug_data.load_tensor_from_event")
def load_tensor_from_event(event: Any) -> Any:
    """The array in an `Event`; None where the tensor had no value."""
    tensor = event.summary.value[0].tensor
    return make_ndarray(tensor) if tensor.dtype else None


@public("python.debug.DebugTensorDatum", "python.debug.lib.debug_data.DebugTensorDatum")
class DebugTensorDatum:
    """One tensor that a run has computed and dumped.

    Args:
      dump_root: the folder of the run.
      debug_dump_rel_path: the file, relative to it.

    Attributes:
      node_name, output_slot, tensor_name: whose value it is.
      debug_op: what was made of the value.
      device_name: where it was computed.
      timestamp: microseconds since 1970.
      dump_size_bytes, file_path: of the file.
    """

    def __init__(self, dump_root: str, debug_dump_rel_path: str) -> None:
        device, *folders, file = Path(debug_dump_rel_path).parts
        node, slot, self.debug_op, time = file.rsplit("_", 3)
        place = re.sub(r",(job|replica|task)_", r"/\1:", device.removeprefix(DEVICE))
        self.device_name = re.sub(r",device_(.+)_(\d+)$", r"/device:\1:\2", place)
        self.node_name = "/".join([*folders, node])
        self.output_slot, self.timestamp = int(slot), int(time)
        self.tensor_name = f"{self.node_name}:{self.output_slot}"
        self.watch_key = f"{self.tensor_name}:{self.debug_op}"
        self.file_path = os.path.join(dump_root, debug_dump_rel_path)
        self.dump_size_bytes = os.path.getsize(self.file_path)
        self.extended_timestamp = (self.timestamp, debug_dump_rel_path)

    def get_tensor(self) -> Any:
        """The value, an array."""
        return load_tensor_from_event_file(self.file_path)

    def __repr__(self) -> str:
        what = f"{self.tensor_name} @ {self.debug_op} @ {self.timestamp}"
        return f"{{DebugTensorDatum ({self.device_name}) {what}}}"


@public("python.debug.DebugDumpDir", "python.debug.lib.debug_data.DebugDumpDir")
class DebugDumpDir:
    """The dumps of one run.

    Args:
      dump_root: the folder of the run.
      partition_graphs: GraphDefs of what was run; default those that were dumped.
      validate: accepted; nothing more is checked.

    Raises:
      IOError: there is no such folder.
    """

    def __init__(self, dump_root: str, partition_graphs: Any = None, validate: bool = True) -> None:
        if not os.path.isdir(dump_root):
            raise OSError(f"Dump root directory {dump_root} does not exist")
        self._root = dump_root
        root = Path(dump_root)
        files = sorted(path for path in root.glob(f"{DEVICE}*/**/*") if path.is_file())
        data = [
            DebugTensorDatum(dump_root, str(path.relative_to(root)))
            for path in files
            if not path.name.startswith("_tfdbg_")
        ]
        self._data = sorted(data, key=lambda datum: datum.extended_timestamp)
        self._graphs: list[Any] = list(partition_graphs or ()) or [
            parsed(protos.GraphDef, parsed(protos.Event, path.read_bytes(), str(path)).graph_def, str(path))
            for path in files
            if path.name.startswith(GRAPH)
        ]
        self._nodes = {node.name: node for graph in self._graphs for node in graph.node}
        self._keys: dict[str, list[DebugTensorDatum]] = collections.defaultdict(list)
        for datum in self._data:
            self._keys[datum.watch_key].append(datum)
        self._python_graph: Any = None

    @property
    def core_metadata(self) -> Any:
        """The `CoreMetadata` of the run; a list where several runs were dumped here; None without any."""
        found = [CoreMetadata(**json.loads(text)) for text in self._messages(METADATA)]
        return _one(found)

    @property
    def dumped_tensor_data(self) -> list[DebugTensorDatum]:
        """All dumps, the oldest first."""
        return list(self._data)

    @property
    def t0(self) -> int | None:
        """Microseconds since 1970 of the first dump."""
        return self._data[0].timestamp if self._data else None

    @property
    def size(self) -> int:
        """How many dumps there are."""
        return len(self._data)

    @property
    def run_fetches_info(self) -> Any:
        """What was fetched, as text."""
        return _one(self._messages(FETCHES))

    @property
    def run_feed_keys_info(self) -> Any:
        """What was fed, as text."""
        return _one(self._messages(FEEDS))

    @property
    def python_graph(self) -> Any:
        """The graph that `set_python_graph` was given."""
        return self._python_graph

    def set_python_graph(self, python_graph: Any) -> None:
        """Tells the graph of the program, for `node_traceback`."""
        self._python_graph = python_graph

    def devices(self) -> list[str]:
        """The devices with dumps."""
        return list(dict.fromkeys(datum.device_name for datum in self._data))

    def loaded_partition_graphs(self) -> bool:
        """Whether the graph is known."""
        return bool(self._graphs)

    def partition_graphs(self) -> list[Any]:
        """The GraphDefs of what was run."""
        return list(self._graphs)

    def reconstructed_non_debug_partition_graphs(self) -> dict[str, Any]:
        """Device to the GraphDef of what ran there."""
        return dict(zip(self.devices(), self._graphs, strict=False))

    def find(
        self,
        predicate: Callable[[DebugTensorDatum, Any], Any],
        first_n: int = 0,
        device_name: str | None = None,
        exclude_node_names: str | None = None,
    ) -> list[DebugTensorDatum]:
        """The dumps for which a filter is true.

        Args:
          predicate: takes a datum and its array, such as `has_inf_or_nan`.
          first_n: stop at so many; 0 for all.
          device_name: of one device only.
          exclude_node_names: a pattern; nodes that match from their start are left out.
        """
        found: list[DebugTensorDatum] = []
        for datum in self._data:
            if device_name and datum.device_name != device_name:
                continue
            if exclude_node_names and re.match(exclude_node_names, datum.node_name):
                continue
            if predicate(datum, datum.get_tensor()):
                found.append(datum)
                if len(found) == first_n:
                    break
        return found

    def debug_watch_keys(self, node_name: str, device_name: str | None = None) -> list[str]:
        """The keys `NODE:SLOT:DEBUGOP` under which a node has dumps."""
        return [key for key, data in self._keys.items() if data[0].node_name == node_name]

    def watch_key_to_data(self, debug_watch_key: str, device_name: str | None = None) -> list[Any]:
        """The dumps under a key."""
        return list(self._keys.get(debug_watch_key, ()))

    def get_tensors(self, node_name: str, output_slot: int, debug_op: str, device_name: Any = None) -> Any:
        """The arrays that were dumped of a tensor, in order."""
        return [datum.get_tensor() for datum in self._under(node_name, output_slot, debug_op)]

    def get_tensor_file_paths(
        self, node_name: str, output_slot: int, debug_op: str, device_name: str | None = None
    ) -> list[str]:
        """The files that were dumped of a tensor."""
        return [datum.file_path for datum in self._under(node_name, output_slot, debug_op)]

    def get_rel_timestamps(
        self, node_name: str, output_slot: int, debug_op: str, device_name: str | None = None
    ) -> list[int]:
        """Microseconds from the first dump of the run to those of a tensor."""
        start = self.t0 or 0
        return [datum.timestamp - start for datum in self._under(node_name, output_slot, debug_op)]

    def get_dump_sizes_bytes(
        self, node_name: str, output_slot: int, debug_op: str, device_name: str | None = None
    ) -> list[int]:
        """The sizes of the files that were dumped of a tensor."""
        return [datum.dump_size_bytes for datum in self._under(node_name, output_slot, debug_op)]

    def nodes(self, device_name: str | None = None) -> list[str]:
        """The names of the nodes that were run."""
        return list(self._nodes)

    def node_exists(self, node_name: str, device_name: str | None = None) -> bool:
        """Whether a node was run."""
        return node_name in self._nodes

    def node_attributes(self, node_name: str, device_name: str | None = None) -> Any:
        """The attributes of a node, as its NodeDef has them."""
        return self._node(node_name).attr

    def node_op_type(self, node_name: str, device_name: str | None = None) -> str:
        """The operation type of a node."""
        return self._node(node_name).op

    def node_device(self, node_name: str) -> str:
        """Where a node was run."""
        placed = self._node(node_name).device
        return placed or (self.devices() or [""])[0]

    def node_inputs(
        self, node_name: str, is_control: bool = False, device_name: str | None = None
    ) -> list[str]:
        """The nodes that a node takes from, or with `is_control` runs after."""
        return [name for name, control in _inputs(self._node(node_name)) if control == is_control]

    def node_recipients(
        self, node_name: str, is_control: bool = False, device_name: str | None = None
    ) -> list[str]:
        """The nodes that take from a node, or with `is_control` run after it."""
        self._node(node_name)
        wanted = (node_name, is_control)
        return [node.name for node in self._nodes.values() if wanted in _inputs(node)]

    def transitive_inputs(
        self,
        node_name: str,
        include_control: bool = True,
        include_reversed_ref: bool = False,
        device_name: str | None = None,
    ) -> list[str]:
        """All nodes that a node depends on."""
        found: dict[str, None] = {}
        waiting = [node_name]
        while waiting:
            for name, control in _inputs(self._node(waiting.pop())):
                if name in self._nodes and name not in found and (include_control or not control):
                    found[name] = None
                    waiting.append(name)
        return sorted(found)

    def find_some_path(
        self,
        src_node_name: str,
        dst_node_name: str,
        include_control: bool = True,
        include_reversed_ref: bool = False,
        device_name: str | None = None,
    ) -> list[str] | None:
        """A shortest way from one node to another, both included; None where there is none."""
        came: dict[str, str] = {dst_node_name: ""}
        waiting = collections.deque([dst_node_name])
        while waiting and src_node_name not in came:
            at = waiting.popleft()
            for name, control in _inputs(self._node(at)):
                if name in self._nodes and name not in came and (include_control or not control):
                    came[name] = at
                    waiting.append(name)
        if src_node_name not in came:
            return None
        path = [src_node_name]
        while came[path[-1]]:
            path.append(came[path[-1]])
        return path

    def node_traceback(self, element_name: str) -> Any:
        """Where in the program a node or tensor was made.

        Raises:
          LookupError: `set_python_graph` was not called.
          KeyError: the graph has no such node.
        """
        if self._python_graph is None:
            raise LookupError("Python graph is not available for traceback lookup")
        name = element_name.partition(":")[0]
        try:
            return self._python_graph.get_operation_by_name(name).traceback
        except KeyError:
            raise KeyError(f"Cannot find node {name!r} in Python graph") from None

    def _node(self, name: str) -> Any:
        if name not in self._nodes:
            raise ValueError(f"None of the {len(self.devices())} device(s) has a node named {name!r}.")
        return self._nodes[name]

    def _under(self, node_name: str, output_slot: int, debug_op: str) -> list[DebugTensorDatum]:
        key = f"{node_name}:{output_slot}:{debug_op}"
        if key not in self._keys:
            raise WatchKeyDoesNotExistInDebugDumpDirError(
                f'Watch key "{key}" does not exist in the debug dump of {self._root}'
            )
        return self._keys[key]

    def _messages(self, start: str) -> list[str]:
        files = sorted(Path(self._root).glob(f"{start}*"))
        return [parsed(protos.Event, path.read_bytes(), str(path)).log_message.message for path in files]


def _inputs(node: Any) -> Iterator[tuple[str, bool]]:
    for name in node.input:
        yield name.removeprefix("^").partition(":")[0], name.startswith("^")


def _one(found: list[Any]) -> Any:
    return found[0] if len(found) == 1 else found or None
