"""Runs one recorded case with millrace and keeps what can be compared.

A snippet sees `tf`, `np`, its inputs `x0`, `x1`, ... and the dictionary `feeds`. It assigns `out`, or defines
`run(session)`, or both; it may assign `feed` (more feeds) and `init = False` (variables stay uninitialised).
"""

from __future__ import annotations

import contextlib
import json
import warnings
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import millrace as tf
from conformance.vectors import Case

_SMOOTH = {"float16", "float32", "float64", "complex64", "complex128"}


@dataclass
class Facts:
    """What a case came to.

    Attributes:
      outs: for each output (kind, dtype, static shape); the last two are None unless it is a tensor.
      values: arrays, arrays of bytes objects, or plain Python values.
      grads: for each floating input its gradient, None where there is none; None where none were asked for.
      graph: for each operation [name, type, inputs, control inputs].
      error: what was raised, and `phase`, when: "build", "run" or "grad".
    """

    outs: list[tuple[str, str | None, list[int | None] | None]] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    grads: list[Any] | None = None
    graph: list[Any] | None = None
    error: Exception | None = None
    phase: str = "build"


def replay(case: Case) -> Facts:
    """Builds and runs a case in a graph of its own; what it raises is one of the facts."""
    facts = Facts()
    with warnings.catch_warnings(), np.errstate(all="ignore"), tf.Graph().as_default() as graph:
        warnings.simplefilter("ignore")  # snippets use deprecated names on purpose
        try:
            _replay(case, graph, facts)
        except Exception as error:
            facts.error = error
    return facts


def graph_of(case: Case) -> Any:
    """The graph that a case builds, as far as it gets."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), tf.Graph().as_default() as graph:
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):  # the other tests see to what is raised
            _build(case)
    return graph


def _build(case: Case) -> tuple[list[Any], dict[Any, np.ndarray], dict[str, Any]]:
    """The inputs, what the placeholders among them hold, and the snippet's names after it has run."""
    xs, feed = _enter(case)
    seen: dict[str, Any] = {"tf": tf, "np": np, "feeds": feed, "__name__": "case"}
    seen.update((f"x{i}", x) for i, x in enumerate(xs))
    exec(compile(case.spec["code"], case.name, "exec"), seen)
    return xs, feed, seen


def _replay(case: Case, graph: Any, facts: Facts) -> None:
    spec = case.spec
    xs, feed, seen = _build(case)
    if spec.get("kind") == "graph":
        facts.graph = [
            [op.name, op.type, [t.name for t in op.inputs], sorted(c.name for c in op.control_inputs)]
            for op in graph.get_operations()
        ]
        return
    feed.update(seen.get("feed") or {})
    outs = list(_outputs(seen["out"])) if "out" in seen else []
    facts.outs = [_described(kind, out) for kind, out in outs]
    starters = _initializers() if seen.get("init", True) else []
    facts.phase = "run"
    with tf.Session(graph=graph) as session:
        for op in starters:
            session.run(op)
        for _ in range(spec.get("runs", 1)):
            facts.values.extend(_run(session, outs, feed))
        if "run" in seen:
            facts.values.extend(_results(seen["run"](session)))
        if case.gold.get("grads") is not None:
            facts.phase = "grad"
            facts.grads = _gradients(case, session, xs, outs, facts.values, feed)


def _enter(case: Case) -> tuple[list[Any], dict[Any, np.ndarray]]:
    """The inputs as constants or as placeholders that know more or less of the shape, and what these hold."""
    modes = case.spec.get("mode", "const")
    arrays = case.inputs()
    xs: list[Any] = []
    feed: dict[Any, np.ndarray] = {}
    for array, mode in zip(arrays, modes if isinstance(modes, list) else [modes] * len(arrays), strict=False):
        dtype = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
        if mode == "const":
            xs.append(tf.constant(array, dtype))
            continue
        shape: Any = {
            "ph": list(array.shape),
            "phdim": [None] * array.ndim,
            "ph0": [None, *array.shape[1:]],
            "phunk": None,
        }[mode]
        xs.append(tf.placeholder(dtype, shape))
        feed[xs[-1]] = array
    return xs, feed


def _outputs(out: Any) -> Any:
    """Yields (kind, output) of a nested structure in order; sparse tensors and slices as their parts."""
    if out is None:
        yield "none", None
    elif isinstance(out, tf.SparseTensor):
        yield from (("tensor", t) for t in (out.indices, out.values, out.dense_shape))
    elif isinstance(out, tf.IndexedSlices):
        yield from (("tensor", t) for t in (out.values, out.indices))
    elif isinstance(out, tf.Operation):
        yield "op", out
    elif isinstance(out, tf.TensorShape):
        yield "py", None if out.ndims is None else out.as_list()
    elif isinstance(out, tf.DType):
        yield "py", out.name
    elif isinstance(out, dict):
        for key in sorted(out):
            yield from _outputs(out[key])
    elif isinstance(out, list | tuple):
        for part in out:
            yield from _outputs(part)
    elif isinstance(out, tf.Tensor) or (hasattr(out, "get_shape") and hasattr(out, "graph")):
        yield "tensor", tf.convert_to_tensor(out)
    else:
        yield "py", out


def _described(kind: str, out: Any) -> tuple[str, str | None, list[int | None] | None]:
    if kind != "tensor":
        return kind, None, None
    shape = out.get_shape()
    return kind, out.dtype.base_dtype.name, None if shape.ndims is None else shape.as_list()


def _initializers() -> list[Any]:
    found = []
    for key, make in (
        (tf.GraphKeys.GLOBAL_VARIABLES, tf.global_variables_initializer),
        (tf.GraphKeys.LOCAL_VARIABLES, tf.local_variables_initializer),
        (tf.GraphKeys.TABLE_INITIALIZERS, tf.tables_initializer),
    ):
        if tf.get_collection(key):
            found.append(make())
    return found


def _run(session: Any, outs: list[tuple[str, Any]], feed: dict[Any, Any]) -> list[Any]:
    """The values of all outputs in one run: arrays for tensors, None for operations."""
    fetches = [out for kind, out in outs if kind in ("tensor", "op")]
    fetched = iter(session.run(fetches, feed) if fetches else [])
    values = []
    for kind, out in outs:
        value = next(fetched) if kind in ("tensor", "op") else out
        values.append(plain(np.asarray(value) if kind == "tensor" else value))
    return values


def _results(value: Any) -> list[Any]:
    """What `run(session)` returned, flat. A list of plain values is one value."""
    if isinstance(value, dict):
        return [v for key in sorted(value) for v in _results(value[key])]
    if isinstance(value, tuple):
        return [v for part in value for v in _results(part)]
    if isinstance(value, list) and any(
        isinstance(v, np.ndarray | np.generic | list | tuple | dict) for v in value
    ):
        return [v for part in value for v in _results(part)]
    return [plain(value)]


def plain(value: Any) -> Any:
    """A value in the form in which values are recorded: strings as arrays of bytes, bfloat16 as float32."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return json.loads(json.dumps(value, default=lambda v: v.item() if hasattr(v, "item") else str(v)))
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        texts = np.empty(array.shape, object)
        texts[...] = np.vectorize(_bytes, otypes=[object])(array) if array.size else array
        return texts
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def _gradients(case: Case, session: Any, xs: Any, outs: Any, values: Any, feed: Any) -> list[Any]:
    """Gradients of a fixed weighting of all floating outputs with respect to all floating inputs."""
    ys, weights = [], []
    for i, (kind, out) in enumerate(outs):
        if kind == "tensor" and out.dtype.base_dtype.name in _SMOOTH:
            ys.append(out)
            weights.append(tf.constant(_weights(case.name, i, values[i].shape, out.dtype.base_dtype.name)))
    gradients = tf.gradients(ys, [x for x in xs if x.dtype.base_dtype.name in _SMOOTH], grad_ys=weights)
    tensors = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    wanted = [g for g in tensors if g is not None]
    fetched = iter(session.run(wanted, feed) if wanted else [])
    return [None if g is None else plain(np.asarray(next(fetched))) for g in tensors]


def _weights(name: str, index: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """The incoming gradients that the recorder used: seeded by the case's name."""
    random = np.random.RandomState((zlib.crc32(name.encode()) + index) & 0x7FFFFFFF)
    weights = random.uniform(0.5, 1.5, shape)
    if dtype.startswith("complex"):
        weights = weights + 1j * random.uniform(0.5, 1.5, shape)
    return np.asarray(weights).astype(dtype)
