"""Checkpoints as npz and safetensors files, and back; SavedModels and checkpoints as frozen graphs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, errors
from millrace.core.errors import refusal
from millrace.exchange.graph_util import convert_variables_to_constants
from millrace.graph.graph import Graph
from millrace.ops.array.constant import constant
from millrace.saver.checkpoint.reader import load_checkpoint
from millrace.saver.freezing.strip import write_graph_def
from millrace.saver.saved_model.loader import contains_saved_model, load
from millrace.saver.saver import import_meta_graph
from millrace.session.session import Session

_ARRAYS = (".npz", ".safetensors")


def convert(source: str, target: str, outputs: list[str] | None = None, tags: list[str] | None = None) -> str:
    """Writes what one file holds in another form, which the endings of the names tell.

    Args:
      source: a checkpoint's name or folder, a SavedModel's folder, or a `.npz` or `.safetensors` file.
      target: a `.npz`, `.safetensors` or `.pb` file, or the name of a checkpoint.
      outputs: the nodes that a frozen graph is for; default, what a SavedModel's signatures name.
      tags: those of a SavedModel's graph; default "serve".

    Returns:
      A line that says what was done.

    Raises:
      InvalidArgumentError: this cannot become that.
      NotFoundError, OSError: there is no such file.
    """
    if target.endswith(".pb"):
        return _freeze(source, target, outputs, tags)
    if source.endswith(_ARRAYS):
        arrays = _read_arrays(source)
        _write_checkpoint(arrays, target)
    else:
        reader = load_checkpoint(source)
        arrays = {name: np.asarray(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}
        if target.endswith(_ARRAYS):
            texts = sorted(set(arrays) - set(arrays := _write_arrays(arrays, target)))
            left = f"; left out, being strings: {', '.join(texts)}" if texts else ""
            return f"{len(arrays)} tensors written to {target}{left}"
        else:
            _write_checkpoint(arrays, target)
    return f"{len(arrays)} tensors written to {target}"


def _read_arrays(path: str) -> dict[str, np.ndarray[Any, Any]]:
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as file:
            return {name: _with_its_dtype(file[name]) for name in file.files}
    return _safetensors().load_file(path)


def _with_its_dtype(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """NumPy's files know bfloat16 as two bytes without a meaning, as which nothing else is written."""
    return array.view(dtypes.bfloat16.np_dtype) if array.dtype == np.dtype("V2") else array


def _write_arrays(arrays: dict[str, Any], path: str) -> dict[str, Any]:
    """Writes arrays beside the file and moves them there; returns what was written: strings cannot be."""
    numbers = {name: value for name, value in arrays.items() if value.dtype.kind not in "OSU"}
    new = f"{path}.new{os.path.splitext(path)[1]}"
    try:
        if path.endswith(".npz"):
            np.savez(new, **numbers)  # pyright: ignore[reportArgumentType]
        else:
            wide = sorted(name for name, value in numbers.items() if value.dtype == np.complex128)
            if wide:
                raise refusal(f"a .safetensors file cannot hold complex128; .npz can. Received: {wide}")
            _safetensors().save_file({n: np.asarray(v, order="C") for n, v in numbers.items()}, new)
        os.replace(new, path)
    finally:
        if os.path.exists(new):
            os.remove(new)
    return numbers


def _safetensors() -> Any:
    try:
        import safetensors.numpy  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise errors.UnimplementedError(
            None, None, "the package safetensors reads and writes such files: pip install safetensors"
        ) from None
    return safetensors.numpy


def _write_checkpoint(arrays: Mapping[str, Any], prefix: str) -> None:
    names = sorted(arrays)
    if not names:
        raise refusal(f"there is nothing to write to {prefix}")
    with Graph().as_default() as graph, Session(graph=graph) as session:
        values = [constant(arrays[name]) for name in names]
        text = constant(names, dtype=dtypes.string)
        slices = constant([""] * len(names))
        session.run(raw.SaveV2(constant(prefix), text, slices, values))


def _freeze(source: str, target: str, outputs: list[str] | None, tags: list[str] | None) -> str:
    with Graph().as_default() as graph, Session(graph=graph) as session:
        if contains_saved_model(source):
            meta = load(session, tags or ["serve"], source)
            if not outputs:
                infos = [i for s in meta.signature_def.values() for i in s.outputs.values()]
                outputs = sorted({info.name.partition(":")[0] for info in infos if info.name})
        elif os.path.exists(source + ".meta"):
            saver = import_meta_graph(source + ".meta", clear_devices=True)
            if saver is not None:
                saver.restore(session, source)
        else:
            raise errors.NotFoundError(
                None, None, f"{source} is not a SavedModel, and there is no graph in {source}.meta"
            )
        if not outputs:
            raise refusal(f"name the nodes that {target} is for, by --outputs; {source} does not tell them")
        frozen = convert_variables_to_constants(session, graph.as_graph_def(), outputs)
    write_graph_def(frozen, target)
    return f"{len(frozen.node)} nodes written to {target}, for {', '.join(outputs)}"
