"""What a file holds, told without running anything: checkpoints, SavedModels, graphs, records, events."""

from __future__ import annotations

import fnmatch
import importlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from millrace.core import dtypes, errors, protos
from millrace.core.errors import refusal
from millrace.exchange.graphdef import node_name
from millrace.exchange.other_types import READ_AS
from millrace.graph.opdef import lookup
from millrace.opkit.records.tfrecord import iterate
from millrace.saver.checkpoint.reader import CheckpointReader
from millrace.saver.checkpoint.state import checkpoint_exists, latest_checkpoint
from millrace.saver.flops import count_flops
from millrace.saver.saved_model.loader import contains_saved_model, read_saved_model

_SHOWN_TAGS = 1000
_HDF5 = b"\x89HDF\r\n\x1a\n"

Report = dict[str, Any]


def inspect(path: Any) -> Report:
    """What is at a path.

    Args:
      path: a checkpoint's name, a folder with checkpoints or a SavedModel, or a file with a GraphDef, a
        MetaGraphDef, a SavedModel, events, records, or Keras' weights in HDF5.

    Returns:
      A dict that JSON can hold. `kind` says what it is; the rest depends on that: `tensors` (name, dtype,
      shape), `parameters`, `bytes`, `signatures`, `operations` (types and how many), `unknown` (types that
      millrace does not have), `flops` (of the products and convolutions of one run, for one example where a
      batch is open; None where shapes are not known), `records`, `tags`.

    Raises:
      NotFoundError: there is nothing.
      DataLossError: it is damaged.
      InvalidArgumentError: it is something else.
    """
    path = os.fsdecode(path)
    if os.path.isdir(path):
        if contains_saved_model(path):
            return _saved_model(path)
        newest = latest_checkpoint(path)
        if newest is None:
            raise errors.NotFoundError(None, None, f"{path} holds neither a SavedModel nor a checkpoint")
        return _checkpoint(newest)
    for ending in (".index", ".data-?????-of-?????"):
        if fnmatch.fnmatch(path, "*" + ending):
            path = path[: -len(ending) if ending == ".index" else -len(".data-00000-of-00001")]
    if not os.path.exists(path):
        if os.path.isdir(os.path.dirname(path) or ".") and checkpoint_exists(path):
            return _checkpoint(path)
        raise errors.NotFoundError(None, None, f"{path}; No such file or directory")
    return _file(path)


def _file(path: str) -> Report:
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(_HDF5):
        return _hdf5(path)
    readers = (
        [_graph_file, _records, _checkpoint] if len(head) < 12 or head[4:8] != b"\0\0\0\0" else [_records]
    )
    for read in readers:
        try:
            return read(path)
        except (errors.OpError, ValueError):
            continue
    raise refusal(f"{path} is not a checkpoint, a graph, a SavedModel, a file of records, or one of HDF5")


# --- checkpoints --------------------------------------------------------------------------------------------


def _checkpoint(prefix: str) -> Report:
    reader = CheckpointReader(prefix)
    shapes, kinds = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    tensors = [_tensor(name, kinds[name], shapes[name]) for name in sorted(shapes)]
    return {"kind": "checkpoint", "path": prefix, "tensors": tensors, **_totals(tensors)}


def _tensor(name: str, dtype: Any, shape: Iterable[int]) -> Report:
    dims = [int(d) for d in shape]
    count = int(np.prod(dims, dtype=np.int64))
    size = None if dtype is dtypes.string else count * dtype.base_dtype.size
    return {"name": name, "dtype": dtype.base_dtype.name, "shape": dims, "elements": count, "bytes": size}


def _hdf5(path: str) -> Report:
    """A file of Keras' weights, or of a whole model, whose class and layers are told."""
    h5py = importlib.import_module("h5py")
    tensors: list[Report] = []

    def visit(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            kind = dtypes.string if found.dtype.kind in "OS" else dtypes.as_dtype(found.dtype)
            tensors.append(_tensor(name, kind, found.shape))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
            config = file.attrs.get("model_config")
    except (OSError, RuntimeError) as error:
        raise errors.DataLossError(None, None, f"{path} is damaged: {error}") from None
    report: Report = {"kind": "HDF5", "path": path, "tensors": tensors, **_totals(tensors)}
    return report if config is None else {**report, **_keras_model(json.loads(config))}


def _keras_model(model: Any) -> Report:
    """The class and the layers of a model, from its configuration; early releases list the layers bare."""
    inner = model.get("config", {})
    layers = inner if isinstance(inner, list) else inner.get("layers", [])
    counts = Counter(layer.get("class_name", "?") for layer in layers)
    return {"model": model.get("class_name", "?"), "layers": dict(counts)}


def _totals(tensors: list[Report]) -> Report:
    numbers = [t for t in tensors if t["bytes"] is not None]
    return {"parameters": sum(t["elements"] for t in numbers), "bytes": sum(t["bytes"] for t in numbers)}


# --- graphs -------------------------------------------------------------------------------------------------


def graph_report(graph_def: Any) -> Report:
    """What a GraphDef holds."""
    functions = {f.signature.name for f in graph_def.library.function}
    nodes = [*graph_def.node, *(n for f in graph_def.library.function for n in f.node_def)]
    counts = Counter(node.op for node in nodes)
    constants = [
        _tensor(
            n.name,
            dtypes.as_dtype(n.attr["dtype"].type),
            [d.size for d in n.attr["value"].tensor.tensor_shape.dim],
        )
        for n in nodes
        if n.op == "Const"
    ]
    taken = {node_name(text) for node in graph_def.node for text in node.input}
    unknown = sorted(op for op in counts if not _is_known(op, functions))
    return {
        "nodes": len(graph_def.node),
        "functions": len(functions),
        "operations": dict(sorted(counts.items())),
        "unknown": unknown,
        "flops": None if unknown else count_flops(graph_def),
        "inputs": [_placeholder(n) for n in graph_def.node if n.op.startswith("Placeholder")],
        "outputs": [n.name for n in graph_def.node if n.name not in taken and n.op not in ("Const", "NoOp")],
        "variables": [
            _variable(n) for n in graph_def.node if n.op in ("Variable", "VariableV2", "VarHandleOp")
        ],
        "constants": _totals(constants),
        "producer": graph_def.versions.producer,
    }


def _is_known(op: str, functions: set[str]) -> bool:
    if op in functions or op in READ_AS:
        return True
    try:
        lookup(op)
    except KeyError:
        return False
    return True


def _dims(shape: Any) -> list[int | None] | None:
    return None if shape.unknown_rank else [None if d.size < 0 else d.size for d in shape.dim]


def _placeholder(node: Any) -> Report:
    shape = node.attr["shape"].shape if "shape" in node.attr else None
    return {
        "name": node.name,
        "dtype": dtypes.as_dtype(node.attr["dtype"].type).name,
        "shape": None if shape is None else _dims(shape),
    }


_variable = _placeholder


def _graph_file(path: str) -> Report:
    """A SavedModel, MetaGraphDef or GraphDef, binary or text: the one whose fields the file fills."""
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    with open(path, "rb") as file:
        content = file.read()
    for kind in (protos.SavedModel, protos.MetaGraphDef, protos.GraphDef):
        try:
            message = kind.FromString(content)
        except DecodeError:
            try:
                message = text_format.Parse(content, kind())
            except (text_format.ParseError, UnicodeDecodeError):
                continue
        if kind is protos.GraphDef and message.node and all(node.op for node in message.node):
            return {"kind": "GraphDef", "path": path, **graph_report(message)}
        if kind is protos.MetaGraphDef and message.graph_def.node and message.HasField("meta_info_def"):
            return {"kind": "MetaGraph", "path": path, **_meta_graph(message)}
        if kind is protos.SavedModel and message.meta_graphs and message.meta_graphs[0].graph_def.node:
            return {
                "kind": "SavedModel",
                "path": path,
                "graphs": [_meta_graph(m) for m in message.meta_graphs],
            }
    raise ValueError(f"{path} does not hold a graph")


def _meta_graph(meta: Any) -> Report:
    return {
        "tags": list(meta.meta_info_def.tags),
        "tensorflow": meta.meta_info_def.tensorflow_version,
        "signatures": {name: _signature(meta.signature_def[name]) for name in sorted(meta.signature_def)},
        "collections": sorted(meta.collection_def),
        **graph_report(meta.graph_def),
    }


def _signature(signature: Any) -> Report:
    return {
        "method": signature.method_name,
        "inputs": {name: _info(signature.inputs[name]) for name in sorted(signature.inputs)},
        "outputs": {name: _info(signature.outputs[name]) for name in sorted(signature.outputs)},
    }


def _info(info: Any) -> Report:
    kind = dtypes.as_dtype(info.dtype).name if info.dtype else ""
    return {
        "name": info.name or info.coo_sparse.values_tensor_name,
        "dtype": kind,
        "shape": _dims(info.tensor_shape),
    }


def _saved_model(folder: str) -> Report:
    graphs = [_meta_graph(meta) for meta in read_saved_model(folder).meta_graphs]
    found: Report = {"kind": "SavedModel", "path": folder, "graphs": graphs}
    prefix = os.path.join(folder, "variables", "variables")
    if os.path.isdir(os.path.dirname(prefix)) and checkpoint_exists(prefix):
        stored = _checkpoint(prefix)
        found |= {key: stored[key] for key in ("tensors", "parameters", "bytes")}
    assets = os.path.join(folder, "assets")
    found["assets"] = sorted(os.listdir(assets)) if os.path.isdir(assets) else []
    return found


# --- records ------------------------------------------------------------------------------------------------


def _records(path: str) -> Report:
    """A file of records: events, examples, or something else. Every checksum is verified."""
    from google.protobuf.message import DecodeError

    count = size = 0
    features: dict[str, Counter[str]] = {}
    tags: Counter[str] = Counter()
    is_events = True
    for data in iterate(path):
        if not count:
            is_events = b"brain.Event" in data[:40]
        count += 1
        size += len(data)
        try:
            if is_events:
                tags.update(v.tag for v in protos.Event.FromString(data).summary.value)
            else:
                for name, feature in protos.Example.FromString(data).features.feature.items():
                    features.setdefault(name, Counter())[feature.WhichOneof("kind") or "empty"] += 1
        except DecodeError:
            continue
    found: Report = {"kind": "events" if is_events and count else "records", "path": path, "records": count}
    found["bytes"] = size
    if is_events:
        found["tags"] = dict(tags.most_common(_SHOWN_TAGS))
    else:
        found["features"] = {name: dict(kinds) for name, kinds in sorted(features.items())}
    return found
