"""Matrices that many products take, packed once for the native kernel (see `native`).

The kernel reads a matrix in panels, which it makes for each product anew. A cell that is unrolled over time
multiplies by the same weights in each of its steps, as does the body of a loop: with these packed ahead, a
product of 32 rows and a transposed `[512, 128]` takes 29 us instead of 40, of 20 rows and a transposed
`[800, 400]` 77; XLA's 99.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# JAX does not type all that it offers.

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax import lax

from millrace.dialect.jax import native as jax_native
from millrace.dialect.jax.control import Checks
from millrace.runtime.xla.loops import with_counts
from millrace.runtime.xla.products import Rule, apply, evaluated, is_variable, read, retraced

_LEAST = 3  # products: packing reads and writes the matrix
_LEAST_FLOPS = 1 << 19  # below this the call itself counts


class _Matrix(NamedTuple):
    """The second operand of a product, as that takes it."""

    variable: Any
    turned: bool


def with_packed_matrices(program: Any) -> Any:
    """The closed program `program` with products that share a matrix taking it packed; the same bits."""
    if not Checks.current().native():
        return program
    eqns = program.jaxpr.eqns
    if not _shared(eqns) and not any(_loop_matrices(eqn) for eqn in eqns):
        return program
    return retraced(program, _packing(_shared(eqns), {}))


def _packing(shared: Iterable[_Matrix], packed: Mapping[_Matrix, Any]) -> Rule:
    """A rule that packs `shared` at the first product with them; `packed` are so already."""
    wanted, there = frozenset(shared), dict(packed)

    def rule(eqn: Any, env: dict[Any, Any]) -> list[Any]:
        matrices = _loop_matrices(eqn)
        if matrices:
            return _loop(eqn, [read(env, v) for v in eqn.invars], matrices)
        matrix = _matrix(eqn)
        if matrix is None or (matrix not in wanted and matrix not in there):
            return apply(eqn, env)
        if matrix not in there:
            there[matrix] = jax_native.pack(env[matrix.variable], matrix.turned)
        rows, _, *others = (read(env, v) for v in eqn.invars)
        columns = eqn.outvars[0].aval.shape[1]
        turned, _, flags = _how(eqn)
        return [jax_native.matmul_packed(rows, there[matrix], columns, turned, flags, *others)]

    return rule


def _loop(eqn: Any, values: Sequence[Any], matrices: Mapping[_Matrix, int]) -> list[Any]:
    """The results of a loop of which the body takes some of its constants packed."""
    packed = {m: jax_native.pack(values[place], m.turned) for m, place in matrices.items()}
    rule = _packing((), packed)
    params = eqn.params
    if eqn.primitive.name == "scan":
        params = with_counts(params)
        consts, carried = params["num_consts"], params["num_carry"]

        def step(carry: list[Any], elements: list[Any]) -> tuple[list[Any], list[Any]]:
            after = evaluated(params["jaxpr"], [*values[:consts], *carry, *elements], rule)
            return after[:carried], after[carried:]

        carry, rows = values[consts : consts + carried], values[consts + carried :]
        how = {name: params[name] for name in ("length", "reverse", "unroll")}
        finals, stacks = lax.scan(step, list(carry), list(rows), **how)
        return [*finals, *stacks]
    tests, consts = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    return lax.while_loop(
        lambda carry: evaluated(params["cond_jaxpr"], [*values[:tests], *carry], apply)[0],
        lambda carry: evaluated(params["body_jaxpr"], [*values[tests:consts], *carry], rule),
        list(values[consts:]),
    )


def _shared(eqns: Iterable[Any]) -> list[_Matrix]:
    counts = Counter(filter(None, map(_matrix, eqns)))
    return [matrix for matrix, count in counts.items() if count >= _LEAST]


def _loop_matrices(eqn: Any) -> dict[_Matrix, int]:
    """The matrices that products in a loop's body take of its constants, and the operand that each is."""
    params = eqn.params
    if eqn.primitive.name == "scan":
        body, first, count = params["jaxpr"], 0, with_counts(params)["num_consts"]
        if params["length"] < _LEAST:
            return {}
    elif eqn.primitive.name == "while":
        body, first, count = params["body_jaxpr"], params["cond_nconsts"], params["body_nconsts"]
    else:
        return {}
    places = {v: first + i for i, v in enumerate(body.jaxpr.invars[:count])}
    found = filter(None, map(_matrix, body.jaxpr.eqns))
    return {m: places[m.variable] for m in found if m.variable in places}


def _matrix(eqn: Any) -> _Matrix | None:
    """The matrix of a product that the native kernel does, or would do of a packed one; None for all else."""
    if not (_is_native(eqn) or _is_large(eqn)) or not is_variable(eqn.invars[1]):
        return None
    _, form, _ = _how(eqn)
    return _Matrix(eqn.invars[1], bool(form)) if form != jax_native.PACKED else None


def _is_native(eqn: Any) -> bool:
    return eqn.primitive.name == "ffi_call" and eqn.params["target_name"] == "millrace_matmul"


def _is_large(eqn: Any) -> bool:
    """True for a product of XLA's own that is worth a call of the kernel if that need not pack the matrix."""
    if eqn.primitive.name != "dot_general":
        return False
    ((contracted, _), batch) = eqn.params["dimension_numbers"]
    rows, matrix = (v.aval for v in eqn.invars)
    if any(batch) or len(contracted) != 1 or rows.ndim != 2 or matrix.ndim != 2:
        return False
    flops = 2 * eqn.outvars[0].aval.size * rows.shape[contracted[0]]
    return flops >= _LEAST_FLOPS and rows.dtype == matrix.dtype == np.float32


def _how(eqn: Any) -> tuple[bool, int, int]:
    """Whether the rows of a product are stored transposed, the form of its matrix, what follows."""
    if eqn.primitive.name == "dot_general":
        (((inner,), (across,)), _) = eqn.params["dimension_numbers"]
        return inner == 0, int(across == 1), 0
    turned, form, flags = dict(eqn.params["attributes"])["numbers"].val
    return bool(turned), int(form), int(flags)
