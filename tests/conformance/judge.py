"""Compares what a case came to with what TensorFlow made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.replay import Facts
from conformance.vectors import Case, unpacked

# By dtype: relative, absolute, and relative to the largest element.
_VALUES = {
    "float16": (4e-3, 1e-3, 1e-3),
    "bfloat16": (1.6e-2, 1e-2, 1e-2),
    "float32": (1e-5, 1e-6, 1e-6),
    "float64": (1e-10, 1e-12, 1e-13),
    "complex64": (1e-5, 1e-6, 1e-6),
    "complex128": (1e-10, 1e-12, 1e-13),
}
_GRADIENTS = {
    "float16": (1e-2, 4e-3, 4e-3),
    "bfloat16": (3e-2, 2e-2, 1e-2),
    "float32": (1e-4, 1e-5, 1e-6),
    "float64": (1e-8, 1e-10, 1e-12),
    "complex64": (1e-4, 1e-5, 1e-6),
    "complex128": (1e-8, 1e-10, 1e-12),
}
# Refinements in 1.15 of errors that other releases raise as their public base class.
_REFINED = {"OperatorNotAllowedInGraphError", "InaccessibleTensorError", "_FetchHandler"}


def faults(case: Case, facts: Facts) -> list[str]:
    """What is wrong with the facts of a case, one line each; nothing when they agree with the record."""
    return list(_faults(case, facts))


def _faults(case: Case, facts: Facts) -> Iterator[str]:
    gold = case.gold
    if gold.get("error"):
        yield from _error_faults(gold, facts)
    elif facts.error is not None and facts.phase != "grad":
        yield f"raised {type(facts.error).__name__} in {facts.phase}: {facts.error}"
    elif "graph" in gold:
        yield from _graph_faults(gold["graph"], facts.graph or [])
    else:
        yield from _output_faults(case, facts)
        yield from _value_faults(case, facts)
        yield from _gradient_faults(case, facts)


def _error_faults(gold: dict[str, Any], facts: Facts) -> Iterator[str]:
    wanted = next(name for name in gold["error"]["mro"] if name not in _REFINED)
    if facts.error is None:
        yield f"raised nothing, expected {wanted} in {gold['phase']}"
        return
    if wanted not in [cls.__name__ for cls in type(facts.error).__mro__]:
        yield f"raised {type(facts.error).__name__}, expected {wanted}: {facts.error}"
    if facts.phase != gold["phase"]:
        yield f"raised in {facts.phase}, expected in {gold['phase']}: {facts.error}"


def _graph_faults(wanted: list[Any], found: list[Any]) -> Iterator[str]:
    ours, theirs = {row[0]: row for row in found}, {row[0]: row for row in wanted}
    missing, extra = theirs.keys() - ours.keys(), ours.keys() - theirs.keys()
    if missing or extra:
        yield f"nodes missing {sorted(missing)[:12]}, extra {sorted(extra)[:12]}"
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name]:
            yield f"node {ours[name]}, expected {theirs[name]}"


def _output_faults(case: Case, facts: Facts) -> Iterator[str]:
    wanted = case.gold.get("outs", [])
    if len(wanted) != len(facts.outs):
        yield f"{len(facts.outs)} outputs, expected {len(wanted)}"
    for i, (out, want) in enumerate(zip(facts.outs, wanted, strict=False)):
        kind, dtype, shape = out
        if kind != want["kind"]:
            yield f"output {i} is of kind {kind}, expected {want['kind']}"
        elif kind == "tensor" and dtype != want["dtype"]:
            yield f"output {i} has dtype {dtype}, expected {want['dtype']}"
        elif kind == "tensor" and shape != want["shape"]:
            yield f"output {i} has static shape {shape}, expected {want['shape']}"


def _value_faults(case: Case, facts: Facts) -> Iterator[str]:
    spec, gold = case.spec, case.gold
    wanted, outs = gold["vals"], gold.get("outs", [])
    if len(wanted) != len(facts.values):
        yield f"{len(facts.values)} values, expected {len(wanted)}"
    for i, (value, recorded) in enumerate(zip(facts.values, wanted, strict=False)):
        want = unpacked(recorded)
        if spec.get("shape_only"):
            if isinstance(want, np.ndarray) and (value.shape, value.dtype) != (want.shape, want.dtype):
                yield f"value {i} is {value.dtype}{value.shape}, expected {want.dtype}{want.shape}"
            continue
        of_output = outs and i < len(outs) * spec.get("runs", 1)
        dtype = outs[i % len(outs)].get("dtype") if of_output else None
        table = dict.fromkeys(_VALUES, _VALUES["bfloat16"]) if dtype == "bfloat16" else _VALUES
        fault = _difference(value, want, table, spec.get("tol"), bool(spec.get("exact")))
        if fault:
            yield f"value {i}: {fault}"


def _gradient_faults(case: Case, facts: Facts) -> Iterator[str]:
    wanted = case.gold.get("grads")
    if wanted is None:
        return
    if facts.error is not None or facts.grads is None:
        yield f"gradients raised {type(facts.error).__name__}: {facts.error}"
        return
    for i, (value, recorded) in enumerate(zip(facts.grads, wanted, strict=True)):
        if value is None or recorded is None:
            if value is not None or recorded is not None:
                yield f"gradient {i} is {value}, expected {unpacked(recorded)}"
            continue
        fault = _difference(value, unpacked(recorded), _GRADIENTS, case.spec.get("gtol"), exact=False)
        if fault:
            yield f"gradient {i}: {fault}"


def _difference(got: Any, want: Any, table: dict[str, Any], given: Any, exact: bool) -> str | None:
    """How `got` differs from `want`, or None."""
    if not (isinstance(got, np.ndarray) and isinstance(want, np.ndarray)):
        return _plain_difference(got, want)
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if got.dtype != want.dtype:
        return f"dtype {got.dtype}, expected {want.dtype}"
    if want.dtype.kind not in "fc" or exact:
        same = (got == want) | ((got != got) & (want != want)) if want.dtype.kind in "fc" else got == want
        return _first(got, want, np.asarray(same, bool))
    limits = list(table[want.dtype.name])
    limits[: len(given or ())] = given or ()
    return _first(got, want, close(got, want, *limits))


def _plain_difference(got: Any, want: Any) -> str | None:
    """Python values against recorded ones; a number may be a scalar of NumPy on one side."""
    is_number = all(np.asarray(v).dtype.kind in "bifuc" for v in (got, want))
    if is_number and not isinstance(got, list) and not isinstance(want, list):
        if np.shape(got) == np.shape(want) and np.all(close(got, want, *_VALUES["float32"])):
            return None
    elif type(got) is type(want) and got == want:
        return None
    return f"got {got!r}, expected {want!r}"


def close(got: Any, want: Any, relative: float, absolute: float, of_largest: float) -> np.ndarray:
    """Where numbers agree within |want| * relative + absolute + of_largest * the largest |want|.

    Complex numbers agree where both parts do, or where their distance is within the limits of their modulus.
    """
    wide = np.complex128 if "c" in (np.asarray(got).dtype.kind, np.asarray(want).dtype.kind) else np.float64
    a, b = np.asarray(got).astype(wide), np.asarray(want).astype(wide)
    near = _within(a, b, relative, absolute, of_largest)
    if wide is np.float64:
        return near
    parts = [_within(p, q, relative, absolute, of_largest) for p, q in ((a.real, b.real), (a.imag, b.imag))]
    finite = np.isfinite(a).all() and np.isfinite(b).all()
    return (parts[0] & parts[1]) | (near & finite)


def _within(a: np.ndarray, b: np.ndarray, relative: float, absolute: float, of_largest: float) -> np.ndarray:
    magnitude = np.abs(b)
    known = magnitude[np.isfinite(magnitude)]
    largest = known.max() if known.size else 0.0
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        limit = absolute + relative * magnitude + of_largest * largest
        return same | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= limit))


def _first(got: np.ndarray, want: np.ndarray, same: np.ndarray) -> str | None:
    if same.all():
        return None
    k = int(np.argmin(same.reshape(-1)))
    return (
        f"{int((~same).sum())} of {same.size} differ, first at flat index {k}: "
        f"got {got.reshape(-1)[k]!r}, expected {want.reshape(-1)[k]!r}"
    )
