"""TensorFlow's old control flow, operation by operation: what a GraphDef with Switch, Merge and frames holds.

Such a graph is kept as it was written, so that it can be written again. It has no kernels here: a run that
needs one of these operations sends tokens along the edges (`runtime/dataflow.py`), since only that gives each
edge its meaning. A gradient first turns the loops and branches on its way into While and If.
"""

from __future__ import annotations

from typing import Any

from millrace.core import shapes
from millrace.core.dtypes import ALL
from millrace.graph.attrs import count, dtype, flag, integer, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare


@declare("Switch(data: T, pred: bool) -> output_false: T, output_true: T", T=ALL)
class Switch:
    """`data` on one of two ways; the other is dead."""

    def shape(data, pred):
        return [data, data]

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("RefSwitch(data: Ref[T], pred: bool) -> output_false: Ref[T], output_true: Ref[T]", T=ALL)
class RefSwitch:
    """A reference on one of two ways."""

    def shape(data, pred):
        return [data, data]

    kernel = None
    grad = NOT_DIFFERENTIABLE


def _merged(inputs: tuple[shapes.Dims, ...]) -> list[shapes.Dims]:
    dims = inputs[0]
    for other in inputs[1:]:
        dims = None if dims is None or other is None else shapes.most_general(dims, other)
    return [dims, ()]


@declare("Merge(inputs: N*T) -> output: T, value_index: int32", T=ALL, N=count(minimum=1))
class Merge:
    """The first of `inputs` that is there, and its number."""

    def shape(inputs):
        return _merged(inputs)

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("RefMerge(inputs: Ref[N*T]) -> output: Ref[T], value_index: int32", T=ALL, N=count(minimum=1))
class RefMerge:
    """The first reference that is there, and its number."""

    def shape(inputs):
        return _merged(inputs)

    kernel = None
    grad = NOT_DIFFERENTIABLE


_FRAME: dict[str, Any] = dict(
    T=ALL, frame_name=text(), is_constant=flag(False), parallel_iterations=integer(default=10)
)


@declare("Enter(data: T) -> output: T", **_FRAME)
class Enter:
    """`data` inside the frame of a loop, in the first iteration or, where it is constant, in each."""

    def shape(data, is_constant):
        return data if is_constant else None

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("RefEnter(data: Ref[T]) -> output: Ref[T]", **_FRAME)
class RefEnter:
    """A reference inside the frame of a loop."""

    def shape(data, is_constant):
        return data

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("Exit(data: T) -> output: T", T=ALL)
class Exit:
    """`data` outside the frame of its loop."""

    def shape(data):
        return data

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("RefExit(data: Ref[T]) -> output: Ref[T]", T=ALL)
class RefExit:
    """A reference outside the frame of its loop."""

    def shape(data):
        return data

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("NextIteration(data: T) -> output: T", T=ALL)
class NextIteration:
    """`data` in the next iteration."""

    def shape(data):
        return data

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("RefNextIteration(data: Ref[T]) -> output: Ref[T]", T=ALL)
class RefNextIteration:
    """A reference in the next iteration."""

    def shape(data):
        return data

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("LoopCond(input: bool) -> output: bool")
class LoopCond:
    """Whether a loop goes on."""

    def shape(input):
        return input

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("ControlTrigger()", effect=True)
class ControlTrigger:
    """Runs when what it waits for has run or is dead."""

    def shape():
        return []

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("StackV2(max_size: int32) -> handle: resource", elem_type=dtype(ALL), stack_name=text(default=""))
class StackV2:
    """An empty stack."""

    def shape(max_size):
        return ()

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("StackPushV2(handle: resource, elem: T) -> output: T", T=ALL, swap_memory=flag(False))
class StackPushV2:
    """Puts `elem` on a stack and passes it on."""

    def shape(handle, elem):
        return elem

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("StackPopV2(handle: resource) -> elem: elem_type", elem_type=dtype(ALL))
class StackPopV2:
    """Takes the last element off a stack."""

    def shape(handle):
        return None

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("StackCloseV2(handle: resource)")
class StackCloseV2:
    """Frees a stack."""

    def shape(handle):
        return []

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorArrayGradV3(handle: resource, flow_in: float32) -> grad_handle: resource, flow_out: float32",
    source=text(),
)
class TensorArrayGradV3:
    """The array of the gradients of another, one for each `source`."""

    def shape(handle, flow_in):
        return [(2,), ()]

    kernel = None
    grad = NOT_DIFFERENTIABLE
