"""What recurrent models of `tf.contrib.learn` are made of: cells, states by name, values of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.slicing import boolean_mask
from millrace.contributed.learn.keys import PredictionKey, ProblemType, RNNKeys
from millrace.core import nest
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.checks import assert_equal, assert_rank
from millrace.lib.rnn.cells import BasicRNNCell, GRUCell, LSTMCell, MultiRNNCell, RNNCell
from millrace.lib.rnn.wrappers import DropoutWrapper
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import identity
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.extremes import argmax

_CELLS: dict[Any, type[RNNCell]] = {"basic_rnn": BasicRNNCell, "lstm": LSTMCell, "gru": GRUCell}


def construct_rnn_cell(num_units: Any, cell_type: Any, keep: Sequence[float] | None) -> RNNCell:
    """A cell, or several that stand on each other.

    Args:
      num_units: the size of the cell, or sizes of several.
      cell_type: "basic_rnn", "lstm", "gru", or a class of cells.
      keep: how likely what goes into each cell, and out of the last, is kept; None for no dropout.

    Raises:
      ValueError: there is no such cell or no size, or the number of probabilities is not that of the cells
        and one.
      TypeError: `cell_type` is neither a name nor a class.
    """
    kind = _CELLS.get(cell_type, cell_type)
    if not isinstance(kind, type):
        raise TypeError(f"cell_type is one of {sorted(_CELLS)} or a class. Received: {cell_type!r}")
    if not issubclass(kind, RNNCell):
        raise ValueError(f"The supported cell types are {sorted(_CELLS)}; got {cell_type}")
    if num_units is None:
        raise ValueError(f"num_units must be given for cells of type {cell_type}. Received: {num_units}")
    sizes = num_units if isinstance(num_units, list | tuple) else [num_units]
    made: Any = kind
    cells: list[Any] = [made(num_units=size) for size in sizes]
    if keep is not None:
        cells = _dropping(cells, keep)
    return cells[0] if len(cells) == 1 else MultiRNNCell(cells)


def _dropping(cells: list[Any], keep: Sequence[float]) -> list[Any]:
    if len(keep) != len(cells) + 1:
        raise ValueError(
            "The number of dropout probabilities must be one greater than the number of cells. Got "
            f"{len(cells)} cells and {len(keep)} dropout probabilities."
        )
    outputs = [1.0] * (len(cells) - 1) + [keep[-1]]
    return [
        DropoutWrapper(cell, kept, output) for cell, kept, output in zip(cells, keep, outputs, strict=False)
    ]


def _name_of_state(number: int) -> str:
    return f"{RNNKeys.STATE_PREFIX}_{number}"


def states_by_name(state: Any) -> dict[str, Any]:
    """The parts of a state under "rnn_cell_state_0" and so on."""
    with name_scope("state_tuple_to_dict"):
        named = {_name_of_state(number): part for number, part in enumerate(nest.flatten(state))}
        return {name: identity(part, name=name) for name, part in named.items()}


def states_given(features: dict[str, Any], cell: RNNCell) -> Any:
    """The state to begin with from features of those names; None where there is none.

    Raises:
      ValueError: some parts are there, and others are not.
    """
    sizes = nest.flatten(cell.state_size)
    with name_scope("dict_to_state_tuple"):
        found = []
        for number, size in enumerate(sizes):
            name = _name_of_state(number)
            part = features.get(name)
            if part is not None:
                checks = [
                    assert_rank(part, 2, name=f"check_state_{number}_rank"),
                    assert_equal(shape_of(part)[1], size, name=f"check_state_{number}_shape"),
                ]
                with control_dependencies(checks):
                    part = identity(part, name=name)
            found.append(part)
    if all(part is None for part in found):
        return None
    if any(part is None for part in found):
        missing = [_name_of_state(number) for number, part in enumerate(found) if part is None]
        raise ValueError(
            "RNN cell is stateful and features hold some of its states only. Received: "
            f"features without {missing}"
        )
    return nest.pack_sequence_as(cell.state_size, found)


def select_last_activations(activations: Any, lengths: Any) -> Any:
    """The last step of each sequence.

    Args:
      activations: `[batch, steps, depth]`.
      lengths: `[batch]`; None where all sequences are whole.

    Returns:
      `[batch, depth]`.
    """
    with name_scope("select_last_activations"):
        dims = shape_of(activations)
        batch, steps, depth = dims[0], dims[1], dims[2]
        lengths = steps if lengths is None else lengths
        flat = reshape(activations, [-1, depth])
        return gather(flat, range_(batch) * steps + lengths - 1)


def mask_activations_and_labels(activations: Any, labels: Any, lengths: Any) -> tuple[Any, Any]:
    """The steps that there are, one after another, with their labels.

    Args:
      activations: `[batch, steps, depth]`.
      labels: `[batch, steps]`.
      lengths: `[batch]`; None where all sequences are whole.
    """
    with name_scope("mask_activations_and_labels"):
        dims = shape_of(labels)
        batch, steps = dims[0], dims[1]
        if lengths is None:
            count = steps * batch
            return reshape(activations, [count, -1]), reshape(labels, [count])
        mask = sequence_mask(lengths, steps)
        return boolean_mask(activations, mask), boolean_mask(labels, mask)


def _name_of_prediction(problem_type: int) -> str:
    return PredictionKey.CLASSES if problem_type == ProblemType.CLASSIFICATION else PredictionKey.SCORES


def single_value_predictions(
    activations: Any, lengths: Any, target: Any, problem_type: int, probabilities: bool
) -> dict[str, Any]:
    """One prediction for each sequence, by name.

    Args:
      activations: `[batch, steps, depth]`.
      lengths: `[batch]`; None where all sequences are whole.
      target: the target column.
      problem_type: a `ProblemType`.
      probabilities: whether probabilities are predicted too.
    """
    with name_scope("SingleValuePrediction"):
        last = select_last_activations(activations, lengths)
        name = _name_of_prediction(problem_type)
        if not probabilities:
            return {name: target.logits_to_predictions(last, proba=False)}
        found = target.logits_to_predictions(last, proba=True)
        return {PredictionKey.PROBABILITIES: found, name: argmax(found, axis=1)}


def multi_value_predictions(
    activations: Any, lengths: Any, target: Any, problem_type: int, probabilities: bool
) -> dict[str, Any]:
    """One prediction for each step, by name; arguments as for `single_value_predictions`."""
    del lengths
    with name_scope("MultiValuePrediction"):
        dims = shape_of(activations)
        flat = reshape(activations, [-1, dims[2]])
        name = _name_of_prediction(problem_type)
        if not probabilities:
            found = target.logits_to_predictions(flat, proba=False)
            return {name: reshape(found, [dims[0], dims[1]], name=name)}
        scores = target.logits_to_predictions(flat, proba=True)
        best = argmax(scores, axis=1)
        whole = concat([dims[:2], [2]], 0) if target.num_label_columns == 1 else dims
        return {
            PredictionKey.PROBABILITIES: reshape(scores, whole, name=PredictionKey.PROBABILITIES),
            name: reshape(best, [dims[0], dims[1]], name=name),
        }
