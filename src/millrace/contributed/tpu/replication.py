"""`tf.contrib.tpu.rewrite`, `shard`, `replicate` and their like, on the devices that there are.

Without a TPU a computation is drawn into the graph where it is called; the compiled tier makes one program of
it. Shards and replicas follow one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.building import convert, raw
from millrace.core import errors
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow import control_flow
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import constant

REPLICATE_ATTR = "_tpu_replicate"
public("contrib.tpu.python.tpu.tpu._TPU_REPLICATE_ATTR")(REPLICATE_ATTR)

_MOST_SHARDS = 1 << 17


def _called(computation: Callable[..., Any], inputs: Sequence[Any], infeed_queue: Any) -> Any:
    """What a computation gives for its inputs and one element of the queue."""
    if not callable(computation):
        raise TypeError(f"computation must be callable. Received: {computation!r}")
    given = [convert.to_tensor(x) for x in inputs]
    if infeed_queue is not None:
        given += list(infeed_queue.generate_dequeue_op())
    return computation(*given)


def _flat(outputs: Any) -> tuple[list[Tensor], list[Any]]:
    """The tensors that a computation returned, and its operations.

    Raises:
      ValueError: an operation stands before a tensor.
    """
    if outputs is None:
        return [], []
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    operations = [o for o in outputs if hasattr(o, "control_inputs") and not isinstance(o, Tensor)]
    tensors = outputs[: len(outputs) - len(operations)]
    if any(o in operations for o in tensors):
        raise ValueError(
            "TPU functions must return zero-or more Tensor values followed by zero or more Operations."
        )
    return [convert.to_tensor(t) for t in tensors], operations


@public("contrib.tpu.rewrite", "tpu.rewrite", "contrib.tpu.python.tpu.tpu.rewrite")
def rewrite(
    computation: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    infeed_queue: Any = None,
    device_assignment: Any = None,
    name: str | None = None,
) -> Any:
    """Draws a computation where it is called, to run on the devices that there are.

    Args:
      computation: of the inputs, and of an element of the queue behind them, to tensors and then operations.
      inputs: tensors; default none.
      infeed_queue: an `InfeedQueue`.
      device_assignment: accepted; there is nothing to assign.
      name: accepted.

    Returns:
      What the computation returned, its tensors after its operations; an operation where there is no tensor.

    Raises:
      TypeError: the computation is not callable.
      ValueError: an operation comes before a tensor.
    """
    del device_assignment, name
    outputs = _called(computation, list(inputs or ()), infeed_queue)
    if isinstance(outputs, dict):
        return outputs
    tensors, operations = _flat(outputs)
    tensors = control_flow.tuple_(tensors, control_inputs=operations) if tensors and operations else tensors
    if not tensors:
        return control_flow.group(*operations)
    return tensors if isinstance(outputs, list | tuple) else tensors[0]


@public("contrib.tpu.python.tpu.tpu.rewrite_for_inference")
def rewrite_for_inference(
    computation: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    infeed_queue: Any = None,
    device_assignment: Any = None,
    name: str | None = None,
) -> Any:
    """As `rewrite`, for a computation that reads variables and does not write them."""
    return rewrite(computation, inputs, infeed_queue, device_assignment, name)


@public("contrib.tpu.replicate", "tpu.replicate", "contrib.tpu.python.tpu.tpu.replicate")
def replicate(
    computation: Callable[..., Any],
    inputs: Sequence[Sequence[Any]] | None = None,
    infeed_queue: Any = None,
    device_assignment: Any = None,
    name: str | None = None,
    maximum_shapes: Any = None,
) -> list[Any]:
    """Draws a computation once for each replica.

    Args:
      computation: as for `rewrite`.
      inputs: for each replica a list of inputs; default: one replica without any.
      infeed_queue: an `InfeedQueue`; each replica takes an element.
      device_assignment, name, maximum_shapes: accepted.

    Returns:
      For each replica a list of what the computation returned.

    Raises:
      TypeError: the inputs are not a list of lists.
      ValueError: replicas have different numbers of inputs.
    """
    del maximum_shapes
    every = [[]] if inputs is None else inputs
    if not isinstance(every, list) or any(not isinstance(one, list | tuple) for one in every):
        raise TypeError("tpu.replicate() inputs must be a list of lists/tuples")
    if len({len(one) for one in every}) > 1:
        raise ValueError(f"every replica must have the same number of inputs. Received: {every!r}")
    results = []
    for one in every:
        made = rewrite(computation, one, infeed_queue, device_assignment, name)
        results.append(made if isinstance(made, list | tuple | dict) else [made])
    return results


@public("contrib.tpu.shard", "tpu.shard", "contrib.tpu.python.tpu.tpu.shard")
def shard(
    computation: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    num_shards: int = 1,
    input_shard_axes: Any = None,
    outputs_from_all_shards: Any = True,
    output_shard_axes: Any = None,
    infeed_queue: Any = None,
    device_assignment: Any = None,
    name: str | None = None,
) -> Any:
    """Splits inputs, computes each part, and puts the outputs together.

    Args:
      computation: as for `rewrite`.
      inputs: tensors.
      num_shards: into how many parts.
      input_shard_axes: for each input the axis that is split; None: every part gets the whole. Default 0.
      outputs_from_all_shards: for each output, or for all, whether the parts are put together; else the first
        part's stands for all.
      output_shard_axes: for each output the axis along which the parts are put together; default 0.
      infeed_queue, device_assignment, name: as for `rewrite`.

    Returns:
      A list of the outputs; an operation where there is none.

    Raises:
      ValueError: there is no shard, or there are more or fewer axes than inputs or outputs.
    """
    if num_shards <= 0:
        raise ValueError("num_shards must be a positive integer.")
    if num_shards > _MOST_SHARDS:
        raise ValueError(f"num_shards must be at most {_MOST_SHARDS}. Received: {num_shards}")
    inputs = [] if inputs is None else inputs
    if not isinstance(inputs, list):
        raise TypeError(f"tpu.shard()'s inputs must be a list of Tensors or None. Received: {type(inputs)}")
    given = [convert.to_tensor(x) for x in inputs]
    axes = [0] * len(given) if input_shard_axes is None else list(input_shard_axes)
    if len(axes) != len(given):
        raise ValueError(f"Length of input_shard_axes must equal the number of inputs. Received: {axes}")
    parts: list[list[Any]] = [[] for _ in range(num_shards)]
    for x, axis in zip(given, axes, strict=True):
        pieces = [x] * num_shards if axis is None else split(x, num_shards, axis)
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    outputs = replicate(computation, parts, infeed_queue, device_assignment, name)
    if not all(isinstance(o, Tensor) for o in outputs[0]):
        return control_flow.group(*(o for one in outputs for o in one))
    count = len(outputs[0])
    gathered = (
        [outputs_from_all_shards] * count
        if isinstance(outputs_from_all_shards, bool)
        else list(outputs_from_all_shards)
    )
    along = [0] * count if output_shard_axes is None else list(output_shard_axes)
    if len(gathered) != count or len(along) != count:
        raise ValueError(
            f"Length of output_shard_axes must equal the number of outputs ({count}). "
            f"Received: {along}, {gathered}"
        )
    results = []
    for pieces, axis, every in zip(zip(*outputs, strict=True), along, gathered, strict=True):
        results.append(concat(list(pieces), axis) if every and axis is not None else raw.Identity(pieces[0]))
    return results


@public("contrib.tpu.python.tpu.tpu.split_compile_and_shard")
def split_compile_and_shard(
    computation: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    num_shards: int = 1,
    input_shard_axes: Any = None,
    outputs_from_all_shards: Any = True,
    output_shard_axes: Any = None,
    infeed_queue: Any = None,
    device_assignment: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """As `shard`; what compiles comes before it: an operation that does nothing, as a run compiles itself."""
    outputs = shard(
        computation, inputs, num_shards, input_shard_axes, outputs_from_all_shards, output_shard_axes,
        infeed_queue, device_assignment, name,
    )  # fmt: skip
    return raw.NoOp(), outputs


@public("contrib.tpu.batch_parallel", "tpu.batch_parallel", "contrib.tpu.python.tpu.tpu.batch_parallel")
def batch_parallel(
    computation: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    num_shards: int = 1,
    infeed_queue: Any = None,
    device_assignment: Any = None,
    name: str | None = None,
) -> Any:
    """`shard` along the first axis of all inputs and outputs."""
    return shard(
        computation,
        inputs,
        num_shards=num_shards,
        infeed_queue=infeed_queue,
        device_assignment=device_assignment,
        name=name,
    )


@public("contrib.tpu.outside_compilation", "tpu.outside_compilation")
def outside_compilation(computation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the computation returns: host work is told apart from compiled work by the planner."""
    return computation(*args, **kwargs)


@public("contrib.tpu.cross_replica_sum", "tpu.cross_replica_sum")
def cross_replica_sum(x: Any, group_assignment: Any = None, name: str | None = None) -> Tensor:
    """The sum of a tensor over the replicas, of which there is one.

    Args:
      x: numeric `[...]`.
      group_assignment: None, or `[[0]]`: replicas whose sums are apart.
      name: of the operation.

    Raises:
      UnimplementedError: several replicas are asked for; `tf.add_n` of their outputs gives their sum.
    """
    if group_assignment is not None and sum(len(g) for g in group_assignment) > 1:
        raise errors.UnimplementedError(
            None,
            None,
            "cross_replica_sum: replicas follow one another here; take tf.add_n of their outputs. "
            f"Received: group_assignment={group_assignment}",
        )
    return raw.Identity(convert.to_tensor(x), name=name)


@public(
    "contrib.tpu.while_loop",
    "contrib.tpu.python.tpu.training_loop.while_loop",
)
def while_loop(
    condition: Callable[..., Any],
    body: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    infeed_queue: Any = None,
    name: str | None = None,
) -> Any:
    """A loop for training: the body may return operations behind its tensors, and may take from a queue.

    Args:
      condition: of the loop's tensors to a scalar bool.
      body: of the loop's tensors, and of an element of the queue behind them, to the next ones and then
        operations.
      inputs: the first tensors; default none.
      infeed_queue: an `InfeedQueue`.
      name: scope.

    Returns:
      The last tensors, as a list, or one alone; an operation where there is none.

    Raises:
      TypeError: the inputs are not a list.
      ValueError: the body returns another number of tensors.
    """
    inputs = [] if inputs is None else inputs
    if not isinstance(inputs, list | tuple):
        raise TypeError("while_loop inputs must be a list/tuple")
    given = [convert.to_tensor(x) for x in inputs]
    # A loop without tensors counts its rounds, so that it has something to carry.
    carried = given or [constant(0)]

    def once(*values: Any) -> Any:
        outputs = _called(body, list(values) if given else [], infeed_queue)
        tensors, operations = _flat(outputs)
        if len(tensors) != len(given):
            raise ValueError(
                f"TPU while loop has {len(given)} inputs, and its body returned {len(tensors)} tensors"
            )
        after = tensors or [values[0] + 1]
        if operations:
            after = control_flow.tuple_(after, control_inputs=operations)
        return after

    outputs = control_flow.while_loop(
        lambda *values: condition(*values) if given else condition(), once, carried, name=name
    )
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    if not given:
        return outputs[0].op
    return outputs if len(outputs) > 1 else outputs[0]


@public("contrib.tpu.repeat", "contrib.tpu.python.tpu.training_loop.repeat")
def repeat(
    n: int,
    body: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    infeed_queue: Any = None,
    name: str | None = None,
) -> Any:
    """A loop for training of `n` rounds; for the rest see `while_loop`."""
    inputs = [] if inputs is None else inputs
    if not isinstance(inputs, list | tuple):
        inputs = [inputs]

    def once(i: Any, *values: Any) -> Any:
        outputs = body(*values)
        tensors, operations = _flat(outputs)
        return [i + 1, *tensors, *operations]

    outputs = while_loop(
        lambda i, *_: raw.Less(i, n), once, [constant(0), *inputs], infeed_queue=infeed_queue, name=name
    )
    if not isinstance(outputs, list):
        return outputs.op
    return outputs[1] if len(outputs) == 2 else outputs[1:]
