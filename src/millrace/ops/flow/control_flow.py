"""Branches and loops: operations whose attributes are bodies, and the pieces their gradients are made of.

A loop's inputs are, in order: what it carries from one iteration to the next, stacks that it takes one
element of per iteration, and what its bodies captured. Its outputs are the carried values after the last
iteration, then a stack for each further result of the body. A stack is a value of dtype variant: a list with
one element for each iteration; its static shape is that of the elements.
"""

from __future__ import annotations

from millrace.autodiff import bodies
from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.dtypes import ALL
from millrace.graph.attrs import body, count, flag, integer, types
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import shape as shape_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules import shape_rules


@declare(
    "If(cond: bool, input: Tin) -> output: Tout",
    Tin=types(),
    Tout=types(),
    then_branch=body(),
    else_branch=body(),
)
class If:
    """Runs exactly one branch."""

    def shape(cond, input, then_branch, else_branch):
        shape_rules.with_rank(cond, 0, "cond")
        pairs = zip(then_branch.outputs, else_branch.outputs, strict=True)
        return [_either(a, b) for a, b in pairs]

    def kernel(xp, cond, input, then_branch, else_branch):
        return xp.branch(cond, then_branch, else_branch, input)

    def grad(op, *dys, wanted, gate):
        return bodies.branch_gradient(op, dys, wanted, gate)


def _either(a, b):
    if a.op.type == "Nothing":
        return b.dims
    if b.op.type == "Nothing":
        return a.dims
    return shapes.most_general(a.dims, b.dims)


@declare(
    "While(input: Tin) -> output: Tout",
    Tin=types(),
    Tout=types(),
    cond=body(default=None),
    body=body(),
    carried=integer(),
    scanned=integer(default=0),
    captured=integer(default=0),
    reverse=flag(default=False),
    parallel_iterations=integer(default=10),
    back_prop=flag(default=True),
)
class While:
    """Repeats `body` while `cond` holds, or once for each element of the stacks it scans."""

    def shape(input, body, carried):
        carry = [
            t.dims if t.dims is not None or t.dtype is not dtypes.variant else after.dims
            for t, after in zip(body.inputs[:carried], body.outputs, strict=False)
        ]
        return carry + [t.dims for t in body.outputs[carried:]]

    def kernel(xp, input, cond, body, carried, scanned, captured, reverse):
        first, second, third = carried, carried + scanned, carried + scanned + captured
        parts = input[:first], input[first:second], input[second:third], input[third:]
        if scanned:
            return xp.scan_loop(body, *parts, reverse)
        return xp.while_loop(cond, body, parts[0], parts[2], parts[3])

    def grad(op, *dys, wanted, gate):
        return bodies.loop_gradient(op, dys, wanted, gate)


@declare("Nothing() -> output: variant")
class Nothing:
    """What a branch gives for a value that only the other branch has; nobody reads it."""

    def shape():
        return None

    def kernel(xp):
        return None

    grad = NOT_DIFFERENTIABLE


@declare("Tick() -> output: int32", effect=True)
class Tick:
    """A zero in each iteration, so that a loop's stacks tell how often it ran."""

    def shape():
        return ()

    def kernel(xp):
        return xp.int32(0)

    grad = NOT_DIFFERENTIABLE


@declare("VariantSum(inputs: N*variant) -> sum: variant", N=count(minimum=1))
class VariantSum:
    """The element-wise sum of stacks, or of the contents of tensor arrays; what is missing counts as zero."""

    def shape(inputs):
        return inputs[0]

    def kernel(xp, inputs):
        return xp.variant_sum(inputs)

    def grad(op, dy):
        return [dy] * len(op.inputs)


@declare("VariantZeros(input: variant) -> output: variant")
class VariantZeros:
    """The zero of `input`'s kind: a gradient that nothing has reached."""

    def shape(input):
        return input

    def kernel(xp, input):
        return xp.variant_zeros(input)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StackConcat(stack: variant) -> output: dtype",
    dtype=dtype_attr(ALL),
    element_shape=shape_attr(default=None),
)
class StackConcat:
    """The elements of a stack, concatenated along their first dimension.

    `element_shape` tells the result's rows where there is no element: its first dimension does not matter.
    """

    def shape(stack, element_shape):
        rows = stack if element_shape is None else element_shape
        return None if rows is None else (None, *rows[1:])

    def kernel(xp, stack, dtype, element_shape):
        return xp.stack_concat(stack, dtype, element_shape)

    def grad(op, dy):
        return raw.StackSplit(op.inputs[0], dy)


@declare("StackSplit(like: variant, value: T) -> stack: variant", T=ALL)
class StackSplit:
    """`value` cut along its first dimension into a stack of pieces as long as the elements of `like`."""

    def shape(like, value):
        return like

    def kernel(xp, like, value):
        return xp.stack_split(like, value)

    def grad(op, stack):
        return None, raw.StackConcat(stack, dtype=op.inputs[1].dtype, element_shape=op.inputs[1].dims)
