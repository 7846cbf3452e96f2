"""Long sequences in pieces: a barrier gives the next piece of a sequence when the state behind the one before
has been saved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, errors, shapes
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.input import queues
from millrace.lib.math import checks
from millrace.ops.array import constant
from millrace.ops.random import draws as random
from millrace.training.coordination.queue_runner import QueueRunner, add_queue_runner

_NAME = "InputQueueingStateSaver"
_MOST_NUMBERS = 1 << 62  # of keys made unique
_STOP = "STOP:"  # in front of a key: there is no piece behind this one


@dataclass(frozen=True, slots=True)
class _Component:
    """One of the values of a piece.

    Attributes:
      index: its place in the barrier.
      value: of a whole sequence.
      dims: of one piece.
    """

    index: int
    value: Tensor
    dims: tuple[int, ...]


@public("contrib.training.SequenceQueueingStateSaver")
class SequenceQueueingStateSaver:
    """Gives sequences piece by piece, each with the state that was saved behind the piece before.

    `prefetch_op` cuts one sequence into pieces of `num_unroll` steps; `next_batch` takes pieces whose state
    is known: the first of a sequence has its initial state, the others wait for `save_state`.

    Args:
      batch_size: pieces in a batch, an integer or scalar int32 tensor.
      num_unroll: steps of a piece, an integer.
      input_length: scalar int32: steps of the sequence without its padding.
      input_key: scalar string: its name, unlike that of every other sequence that is on its way.
      input_sequences: name -> `[steps, ...]`, the steps a multiple of `num_unroll`.
      input_context: name -> value of known shape that goes with the whole sequence.
      initial_states: name -> value of known shape.
      capacity: how many sequences may be on their way; default: 32 batches.
      allow_small_batch: give what there is when the saver is closed.
      name: default "InputQueueingStateSaver".

    Raises:
      TypeError: `input_sequences`, `input_context` or `initial_states` is not a dictionary.
      ValueError: there is no initial state, or a shape is not known.
    """

    def __init__(
        self,
        batch_size: Any,
        num_unroll: Any,
        input_length: Any,
        input_key: Any,
        input_sequences: Any,
        input_context: Any,
        initial_states: Any,
        capacity: int | None = None,
        allow_small_batch: bool = False,
        name: str | None = None,
    ) -> None:
        _check_dictionaries(input_sequences, input_context, initial_states)
        tensors = [*input_sequences.values(), *input_context.values(), *initial_states.values()]
        with name_scope(name, _NAME, [*tensors, input_key, input_length]) as scope:
            self._name = scope
            self._allow_small_batch = allow_small_batch
            self._batch_size = convert.to_tensor(batch_size, dtypes.int32, name="batch_size")
            self._num_unroll = convert.to_tensor(num_unroll, dtypes.int32, name="num_unroll")
            self._steps = _known(self._num_unroll, "num_unroll")
            self._length = convert.to_tensor(input_length, dtypes.int32, name="length")
            self._key = convert.to_tensor(input_key, dtypes.string, name="key")
            for scalar in (self._batch_size, self._num_unroll, self._length, self._key):
                scalar.shape.assert_is_compatible_with([])
            self._pieces = self._checked_pieces(input_sequences)
            self._numbers, self._sequences, self._context, self._states = self._collect(
                input_sequences, input_context, initial_states
            )
            parts = self._all_components()
            self._barrier = raw.Barrier(
                component_types=tuple(c.value.dtype.base_dtype for c in parts),
                shapes=tuple(c.dims for c in parts),
                name="barrier",
            )
            batch = static_value(self._batch_size)
            if capacity is None and batch is not None:
                capacity = 32 * int(batch)
            # one token for each sequence that is on its way
            self._tokens = queues.FIFOQueue(
                -1 if capacity is None else capacity, [dtypes.string], [()], name="capacity_queue"
            )
        self._prefetch_op: Operation | None = None
        self._next_batch: NextQueuedSequenceBatch | None = None

    def _checked_pieces(self, sequences: dict[str, Any]) -> Tensor:
        """How many pieces the sequence has."""
        length, unroll = self._length, self._num_unroll
        lengths = {k: convert.to_tensor(v, name=f"sequence_{k}") for k, v in sequences.items()}
        found = []
        for key, value in sorted(lengths.items()):
            steps = raw.Shape(value)[0]
            found += [
                checks.assert_equal(
                    steps % unroll,
                    0,
                    message=f"The padded length of sequence {key!r} must be a multiple of num_unroll",
                ),
                checks.assert_less_equal(
                    length, steps, message=f"Sequence {key!r} is shorter than its length"
                ),
            ]
        if not lengths:
            return raw.Maximum((length + unroll - 1) // unroll, 1)
        with control_dependencies(found):
            steps = raw.Shape(lengths[min(lengths)])[0]
            return constant.identity(steps // unroll, name="sequence_count")

    def _collect(self, sequences: Any, context: Any, states: Any) -> list[dict[str, _Component]]:
        """The components of a piece: numbers, sequences, context, states, each in order of their names."""
        index = 0

        def listed(values: dict[str, Any], what: str, dims_of: Any) -> dict[str, _Component]:
            nonlocal index
            found = {}
            for key in sorted(values):
                value = convert.to_tensor(values[key], name=f"{what}_{key}")
                dims = dims_of(value)
                if not shapes.fully_defined(dims):
                    raise ValueError(
                        f"SequenceQueueingStateSaver: the shape of {what} {key!r} must be known. "
                        f"Received: {value.shape}"
                    )
                found[key] = _Component(index, value, dims)
                index += 1
            return found

        numbers = {
            "sequence": raw.Range(0, self._pieces, 1),
            "sequence_count": raw.Fill(raw.Reshape(self._pieces, [1]), self._pieces),
            "total_length": raw.Fill(raw.Reshape(self._pieces, [1]), self._length),
        }
        return [
            listed(numbers, "number", lambda v: ()),
            listed(sequences, "sequence", lambda v: None if not v.dims else (self._steps, *v.dims[1:])),
            listed(context, "context", lambda v: v.dims),
            listed(states, "state", lambda v: v.dims),
        ]

    def _all_components(self) -> list[_Component]:
        groups = (self._numbers, self._sequences, self._context, self._states)
        return [component for group_ in groups for component in group_.values()]

    @property
    def name(self) -> str:
        """The name scope."""
        return self._name

    @property
    def barrier(self) -> Any:
        """The handle of the barrier."""
        return self._barrier

    @property
    def batch_size(self) -> Tensor:
        """Pieces in a batch, scalar int32."""
        return self._batch_size

    @property
    def num_unroll(self) -> Tensor:
        """Steps of a piece, scalar int32."""
        return self._num_unroll

    @property
    def prefetch_op(self) -> Operation:
        """Cuts the sequence and hands its pieces in; waits while too many sequences are on their way."""
        if self._prefetch_op is None:
            with name_scope(None, f"{self._name}Prefetch"):
                self._prefetch_op = self._make_prefetch()
        return self._prefetch_op

    def _make_prefetch(self) -> Operation:
        pieces = self._pieces
        each = raw.Reshape(pieces, [1])
        numbers = raw.AsString(raw.Range(0, pieces, 1), width=5, fill="0")
        count = raw.AsString(pieces, width=5, fill="0")
        keys = raw.StringJoin([numbers, raw.Fill(each, "_of_"), raw.Fill(each, count), raw.Fill(each, ":"),
                               raw.Fill(each, self._key)], separator="")  # fmt: skip
        with control_dependencies([self._tokens.enqueue(self._key)]):
            keys = constant.identity(keys, name="keys")
        inserts = [self._insert(c.index, keys, c.value, f"Number_{k}") for k, c in self._numbers.items()]
        for key, c in self._sequences.items():
            rows = raw.Reshape(c.value, raw.ConcatV2([each, list(c.dims)], 0))
            inserts.append(self._insert(c.index, keys, rows, f"Sequence_{key}"))
        for key, c in self._context.items():
            ones = [1] * len(c.dims)
            rows = raw.Tile(raw.ExpandDims(c.value, 0), raw.ConcatV2([each, ones], 0) if ones else each)
            inserts.append(self._insert(c.index, keys, rows, f"Context_{key}"))
        with control_dependencies(inserts):  # a first piece is complete when all the others are known
            first = constant.identity(keys[:1])
        states = [
            self._insert(c.index, first, raw.ExpandDims(c.value, 0), f"InitialState_{key}")
            for key, c in self._states.items()
        ]
        return group(*inserts, *states, name="prefetch")

    def _insert(self, index: int, keys: Any, values: Any, what: str) -> Operation:
        return raw.BarrierInsertMany(
            self._barrier, keys, values, component_index=index, name=f"BarrierInsert{what}"
        )

    @property
    def next_batch(self) -> NextQueuedSequenceBatch:
        """The next pieces whose state is known. The same object each time."""
        if self._next_batch is None:
            with name_scope(None, f"{self._name}NextBatch"):
                self._next_batch = NextQueuedSequenceBatch(self)
        return self._next_batch

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """An operation after which no more sequences are taken in; those on their way are given to their
        ends.

        Args:
          cancel_pending_enqueues: call off sequences that wait for room.
          name: default "SQSSClose".
        """
        with name_scope(name, "SQSSClose", [self._tokens.queue_ref]) as scope:
            tokens = self._tokens.close(cancel_pending_enqueues)
            barrier = raw.BarrierClose(
                self._barrier, cancel_pending_enqueues=cancel_pending_enqueues, name="BarrierClose"
            )
            return group(tokens, barrier, name=scope)


@public("contrib.training.NextQueuedSequenceBatch")
class NextQueuedSequenceBatch:
    """A batch of pieces; all its properties belong to one step.

    Args:
      state_saver: gives the pieces.
    """

    def __init__(self, state_saver: SequenceQueueingStateSaver) -> None:
        saver = self._saver = state_saver
        parts = saver._all_components()
        index, keys, values = raw.BarrierTakeMany(
            saver.barrier,
            saver.batch_size,
            component_types=tuple(c.value.dtype.base_dtype for c in parts),
            allow_small_batch=saver._allow_small_batch,
            name="BarrierTake",
        )
        for value, c in zip(values, parts, strict=True):
            value.set_shape([None, *c.dims])
        self._values = values
        self._sequence = self._value(saver._numbers["sequence"])
        self._count = self._value(saver._numbers["sequence_count"])
        self._total_length = self._value(saver._numbers["total_length"])
        self._is_last = raw.Equal(self._sequence + 1, self._count)
        done = saver._tokens.dequeue_many(raw.Sum(raw.Cast(self._is_last, DstT=dtypes.int32), [0]))
        with control_dependencies([done]):
            self._key = constant.identity(keys, name="key")
            self._insertion_index = constant.identity(index, name="insertion_index")
        self._next_key = self._following(keys)

    def _value(self, component: _Component) -> Tensor:
        return self._values[component.index]

    def _following(self, keys: Tensor) -> Tensor:
        """The keys of the pieces behind these."""
        original = raw.Substr(keys, constant.constant(len("00000_of_00000:")), constant.constant(1 << 30))
        number = raw.AsString(self._sequence + 1, width=5, fill="0")
        count = raw.AsString(self._count, width=5, fill="0")
        later = raw.StringJoin([number, "_of_", count, ":", original], separator="")
        end = raw.StringJoin([_STOP, original], separator="")
        return raw.Select(self._is_last, end, later, name="next_key")

    @property
    def key(self) -> Tensor:
        """`[batch]` string: number of the piece, of how many, and the sequence's key."""
        return self._key

    @property
    def next_key(self) -> Tensor:
        """`[batch]` string: the key of the next piece; "STOP:" and the sequence's key behind the last."""
        return self._next_key

    @property
    def insertion_index(self) -> Tensor:
        """`[batch]` int64: grows with the time at which the sequence came in."""
        return self._insertion_index

    @property
    def length(self) -> Tensor:
        """`[batch]` int32: steps of the piece without padding."""
        unroll = self._saver.num_unroll
        left = self._total_length - self._sequence * unroll
        return raw.Maximum(0, raw.Minimum(left, unroll), name="length")

    @property
    def total_length(self) -> Tensor:
        """`[batch]` int32: steps of the whole sequence without padding."""
        return self._total_length

    @property
    def sequence(self) -> Tensor:
        """`[batch]` int32: number of the piece."""
        return self._sequence

    @property
    def sequence_count(self) -> Tensor:
        """`[batch]` int32: how many pieces the sequence has."""
        return self._count

    @property
    def batch_size(self) -> Tensor:
        """Pieces in this batch, scalar int32."""
        return raw.Shape(self._key)[0]

    @property
    def sequences(self) -> dict[str, Tensor]:
        """Name -> `[batch, num_unroll, ...]`."""
        return {key: self._value(c) for key, c in self._saver._sequences.items()}

    @property
    def context(self) -> dict[str, Tensor]:
        """Name -> `[batch, ...]`."""
        return {key: self._value(c) for key, c in self._saver._context.items()}

    def state(self, state_name: str) -> Tensor:
        """The state before the piece, `[batch, ...]`.

        Raises:
          KeyError: there is no state of that name.
        """
        return self._value(self._state(state_name))

    def _state(self, name: str) -> _Component:
        found = self._saver._states.get(name)
        if found is None:
            raise KeyError(f"state_name was not declared: {name}")
        return found

    def save_state(self, state_name: str, value: Any, name: str | None = None) -> Operation:
        """An operation that saves the state behind each piece, for the next one.

        Args:
          state_name: of the state.
          value: `[batch, ...]`.
          name: default "InputQueueingStateSaver_SaveState".

        Raises:
          KeyError: there is no state of that name.
        """
        component = self._state(state_name)
        with name_scope(name, f"{_NAME}_SaveState", [value]):
            value = convert.to_tensor(value, component.value.dtype.base_dtype)
            value.set_shape([None, *component.dims])
            wanted = raw.Reshape(raw.Where(raw.LogicalNot(self._is_last)), [-1])
            keys = raw.GatherV2(self._next_key, wanted, 0)
            rows = raw.GatherV2(value, wanted, 0)
            return self._saver._insert(component.index, keys, rows, f"State_{state_name}")


def _check_dictionaries(sequences: Any, context: Any, states: Any) -> None:
    given = {"input_sequences": sequences, "input_context": context, "initial_states": states}
    for what, values in given.items():
        if not isinstance(values, dict):
            raise TypeError(f"SequenceQueueingStateSaver: {what} must be a dictionary. Received: {values!r}")
    if not states:
        raise ValueError("SequenceQueueingStateSaver: there must be an initial state. Received: none")


def _known(value: Tensor, what: str) -> int:
    found = static_value(value)
    if found is None or int(found) <= 0:
        raise ValueError(
            f"SequenceQueueingStateSaver: {what} must be a positive constant. Received: {value!r}"
        )
    return int(found)


@public("contrib.training.batch_sequences_with_states")
def batch_sequences_with_states(
    input_key: Any,
    input_sequences: Any,
    input_context: Any,
    input_length: Any,
    initial_states: Any,
    num_unroll: int,
    batch_size: Any,
    num_threads: int = 3,
    capacity: int = 1000,
    allow_small_batch: bool = True,
    pad: bool = True,
    make_keys_unique: bool = False,
    make_keys_unique_seed: int | None = None,
    name: str | None = None,
) -> NextQueuedSequenceBatch:
    """Batches of pieces of long sequences, with the states between them; filled by a queue runner.

    Args:
      input_key: scalar string: the sequence's name.
      input_sequences: name -> `[steps, ...]`.
      input_context: name -> value that goes with the whole sequence.
      input_length: scalar int32: steps without padding; None for all.
      initial_states: name -> value of known shape.
      num_unroll: steps of a piece.
      batch_size: pieces in a batch.
      num_threads: how many threads hand sequences in.
      capacity: how many sequences may be on their way.
      allow_small_batch: give what there is at the end.
      pad: pad the steps with zeros to a multiple of `num_unroll`.
      make_keys_unique: append a random number to each key.
      make_keys_unique_seed: of these numbers.
      name: default "batch_sequences_with_states".

    Returns:
      The pieces of the next step.

    Raises:
      TypeError, ValueError: as for `SequenceQueueingStateSaver`.
    """
    tensors = [*input_sequences.values(), *input_context.values(), *initial_states.values()]
    with name_scope(name, "batch_sequences_with_states", [*tensors, input_key, input_length]) as scope:
        sequences = {k: convert.to_tensor(v) for k, v in input_sequences.items()}
        key = convert.to_tensor(input_key, dtypes.string)
        if input_length is None:
            input_length = raw.Shape(sequences[min(sequences)])[0]
        length = convert.to_tensor(input_length, dtypes.int32)
        if pad:
            sequences = {k: _padded(v, num_unroll) for k, v in sequences.items()}
        if make_keys_unique:
            number = random.random_uniform([], 0, _MOST_NUMBERS, dtypes.int64, seed=make_keys_unique_seed)
            key = raw.StringJoin([key, raw.AsString(number)], separator=":")
        saver = SequenceQueueingStateSaver(
            batch_size,
            num_unroll,
            input_length=length,
            input_key=key,
            input_sequences=sequences,
            input_context=input_context,
            initial_states=initial_states,
            capacity=capacity,
            allow_small_batch=allow_small_batch,
            name=scope,
        )
        runner = QueueRunner(
            saver.barrier,
            [saver.prefetch_op] * num_threads,
            close_op=saver.close(),
            cancel_op=saver.close(cancel_pending_enqueues=True),
            queue_closed_exception_types=(errors.OutOfRangeError, errors.CancelledError),
        )
        add_queue_runner(runner)
        return saver.next_batch


def _padded(value: Tensor, unroll: int) -> Tensor:
    """`value` with zeros, or empty strings, behind its last step."""
    steps = raw.Shape(value)[0]
    count = -steps % unroll
    rank = value.shape.rank
    if rank is None:
        raise ValueError(f"batch_sequences_with_states: ranks must be known. Received: {value!r}")
    behind = raw.Reshape(count, [1])
    dims = raw.ConcatV2([behind, raw.Shape(value)[1:]], 0) if rank > 1 else behind
    zero = constant.constant("" if value.dtype == dtypes.string else 0, value.dtype.base_dtype)
    padded = raw.ConcatV2([value, raw.Fill(dims, zero)], 0)
    padded.set_shape([None, *value.shape.as_list()[1:]])
    return padded
