"""Products of vectors and traces: the small operations of linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import shapes
from millrace.core.dtypes import ALL, REAL
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import count, dtype, text
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least


@declare("Cross(a: T, b: T) -> product: T", T=REAL)
class Cross:
    """The cross products of three-dimensional vectors."""

    def shape(a, b):
        at_least(a, 1, "a")
        at_least(b, 1, "b")
        merged = shapes.merge(a, b)
        if merged is not None and merged[-1] not in (None, 3):
            raise ValueError(f"vectors must have 3 components. Received: {shapes.format_dims(merged)}")
        return None if merged is None else (*merged[:-1], 3)

    def kernel(xp, a, b):
        if a.shape != b.shape or a.ndim < 1 or a.shape[-1] != 3:
            shown = f"{list(a.shape)} and {list(b.shape)}"
            raise refusal(f"Both inputs must be of the same shape [..., 3]. Received: {shown}")
        x, y = [a[..., i] for i in range(3)], [b[..., i] for i in range(3)]
        parts = [x[i] * y[j] - x[j] * y[i] for i, j in ((1, 2), (2, 0), (0, 1))]
        return xp.stack(parts, axis=-1)

    def grad(op, dy):
        a, b = op.inputs
        return raw.Cross(b, dy), raw.Cross(dy, a)


@declare("Einsum(inputs: N*T) -> output: T", equation=text(), N=count(minimum=1), T=dtype(ALL))
class Einsum:
    """Sums of products of elements, as the index equation says (GraphDefs of later releases hold it)."""

    def shape(inputs, equation):
        if any(d is None or None in d for d in inputs):
            return None
        return np.einsum(equation, *(np.broadcast_to(np.int8(0), d) for d in inputs), optimize=True).shape

    def kernel(xp, inputs, equation):
        try:
            return xp.einsum(equation, *inputs, optimize=True).astype(inputs[0].dtype)
        except ValueError as error:
            shown = [list(x.shape) for x in inputs]
            raise refusal(f"{equation}: {error}. Received: shapes {shown}") from None

    def grad(op, dy):
        terms, _, result = op.attrs["equation"].replace(" ", "").partition("->")
        labels = terms.split(",")
        plain = "." not in terms and all(len(set(t)) == len(t) for t in labels)
        alone = [set(t) - set(result).union(*(u for u in labels if u is not t)) for t in labels]
        if not plain or any(alone):
            raise LookupError(f"Einsum '{op.name}' has no gradient for the equation {op.attrs['equation']!r}")
        gradients = []
        for i, term in enumerate(labels):
            others = [x if not x.dtype.is_complex else raw.Conj(x) for j, x in enumerate(op.inputs) if j != i]
            equation = ",".join([result, *labels[:i], *labels[i + 1 :]]) + "->" + term
            gradients.append(raw.Einsum([dy, *others], equation=equation))
        return gradients


@public("cross", "linalg.cross")
def cross(a: Any, b: Any, name: str | None = None) -> Tensor:
    """The cross products of vectors.

    Args:
      a: `[..., 3]`, real.
      b: same shape and dtype.
      name: op name; default "Cross".

    Returns:
      Same shape and dtype.

    Raises:
      ValueError: the shapes differ or do not end in 3.
    """
    return raw.Cross(a, b, name=name)


@public("trace", "linalg.trace")
def trace(x: Any, name: str | None = None) -> Tensor:
    """The sums of the main diagonals of matrices.

    Args:
      x: `[..., m, n]`, numeric.
      name: op name; default "Trace".

    Returns:
      `[...]`, the dtype of `x`.
    """
    with name_scope(name, "Trace", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return raw.Sum(raw.MatrixDiagPart(x, name="diag_part"), [-1], name=scope)
