"""Reductions over the replicas of a program, all of them in one graph."""

from __future__ import annotations

import functools
from typing import Any

from millrace.building import convert, raw
from millrace.building.apply import apply
from millrace.core.dtypes import NUMERIC
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import count, integer, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.operation import add_consumer
from millrace.graph.tensor import Tensor


@declare(
    "CollectiveReduce(input: N*T) -> data: T",
    T=NUMERIC,
    N=count(1),
    group_size=integer(minimum=2),
    group_key=integer(),
    instance_key=integer(),
    merge_op=one_of("Min", "Max", "Mul", "Add"),
    final_op=one_of("Id", "Div"),
)
class CollectiveReduce:
    """The tensors of all members of a group, merged; each member has an operation that takes all of them."""

    def shape(input, **group):
        return input[0]

    def kernel(xp, input, *, N, group_size, merge_op, final_op, **keys):
        if group_size != N:
            raise refusal(f"CollectiveReduce: the group has {group_size} members. Received: {N}")
        merge = {"Min": xp.minimum, "Max": xp.maximum, "Mul": xp.multiply, "Add": xp.add}[merge_op]
        merged = functools.reduce(merge, input)
        return merged if final_op == "Id" else merged / xp.asarray(group_size, merged.dtype)

    grad = NOT_DIFFERENTIABLE


@public("python.ops.collective_ops.all_reduce")
def all_reduce(
    t: Any,
    group_size: int,
    group_key: int,
    instance_key: int,
    merge_op: str,
    final_op: str,
    subdiv_offsets: Any = (0,),
    communication_hint: str = "auto",
) -> Tensor:
    """Merges the tensors of a group, each on a device of its own, and gives every member the result.

    Args:
      t: this member's tensor; it has to be placed on a device.
      group_size: how many members there are, at least 2; all of them in this graph.
      group_key, instance_key: numbers that the members have in common.
      merge_op: "Min", "Max", "Mul" or "Add".
      final_op: "Id", or "Div" by the number of members.
      subdiv_offsets, communication_hint: change nothing.

    Raises:
      ValueError: `t` has no device, the group is too small, or has as many members already.
    """
    t = convert.convert_to_tensor(t)
    if not t.device:
        raise ValueError("Device assignment required for collective ops")
    if group_size <= 1:
        raise ValueError("Parameter group_size to all_reduce must be at least 2.")
    graph = t.graph
    groups = graph.get_scoped("collective groups", dict)
    members = groups.setdefault((group_key, instance_key), [])
    if len(members) == group_size:
        raise ValueError(f"all_reduce: the group {group_key} has {group_size} members already")
    others = [op.inputs[0] for op in members]
    with graph.device(t.device):
        result = apply(
            CollectiveReduce,
            [t, *others],
            group_size=group_size,
            group_key=group_key,
            instance_key=instance_key,
            merge_op=merge_op,
            final_op=final_op,
        )
    for op in members:
        op.inputs = (*op.inputs, t)
        op.attrs["N"] = len(op.inputs)
        add_consumer(t, op)
    if members:
        graph.changed()
    members.append(result.op)
    return result


def _reduced(merge: str, tensors: Any) -> list[Tensor]:
    """The merged tensors, once on the device of each.

    Raises:
      ValueError: there is none, or one has no device, or two have the same.
    """
    if not tensors:
        raise ValueError("Must pass >0 tensors to all reduce operations")
    found = [convert.convert_to_tensor(t) for t in tensors]
    devices = [t.device for t in found]
    if not all(devices):
        raise ValueError("Device assignment required for nccl collective ops")
    if len(set(devices)) != len(devices):
        raise ValueError("The same device given more than once to a nccl collective op")
    results = []
    for t in found:
        with t.graph.device(t.device):
            results.append(
                raw.AddN(found) if merge == "AddN" else functools.reduce(getattr(raw, merge), found)
            )
    return results


@public("contrib.nccl.all_sum", "python.ops.nccl_ops.all_sum")
def all_sum(tensors: Any) -> list[Tensor]:
    """The sum of tensors that lie on different devices, on each of these.

    Raises:
      ValueError: there is none, or one has no device, or two have the same.
    """
    return _reduced("AddN", tensors)


@public("contrib.nccl.all_prod", "python.ops.nccl_ops.all_prod")
def all_prod(tensors: Any) -> list[Tensor]:
    """The product; otherwise as `all_sum`."""
    return _reduced("Mul", tensors)


@public("contrib.nccl.all_min", "python.ops.nccl_ops.all_min")
def all_min(tensors: Any) -> list[Tensor]:
    """The minimum; otherwise as `all_sum`."""
    return _reduced("Minimum", tensors)


@public("contrib.nccl.all_max", "python.ops.nccl_ops.all_max")
def all_max(tensors: Any) -> list[Tensor]:
    """The maximum; otherwise as `all_sum`."""
    return _reduced("Maximum", tensors)


@public("contrib.nccl.reduce_sum", "python.ops.nccl_ops.reduce_sum")
def reduce_sum(tensors: Any) -> Tensor:
    """The sum of tensors that lie on different devices, on the current one."""
    if not tensors:
        raise ValueError("Must pass >0 tensors to reduce operations")
    return raw.AddN([convert.convert_to_tensor(t) for t in tensors])


@public("contrib.nccl.broadcast", "python.ops.nccl_ops.broadcast")
def broadcast(tensor: Any) -> Tensor:
    """The tensor, for whatever device takes it.

    Raises:
      ValueError: it has no device.
    """
    tensor = convert.convert_to_tensor(tensor)
    if not tensor.device:
        raise ValueError("Device assignment required for nccl collective ops")
    with tensor.graph.device(tensor.device):
        return raw.Identity(tensor)
