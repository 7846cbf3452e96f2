"""`RNNEstimator` and `RNNClassifier`: a recurrent network over columns of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32, int64
from millrace.core.public import public
from millrace.lib.layers.core import Dense
from millrace.lib.math.array import sequence_mask
from millrace.lib.rnn.cells import BasicLSTMCell, BasicRNNCell, GRUCell, MultiRNNCell
from millrace.lib.rnn.unrolling import dynamic_rnn
from millrace.lib.summary.operations import histogram
from millrace.lib.variables.initializers import GlorotUniform
from millrace.lib.variables.scope import variable_scope
from millrace.models.estimator.canned import classifying_head
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.extensions import clip_gradients_by_norm
from millrace.models.estimator.logits import default_partitioner
from millrace.models.estimator.optimizers import optimizer_of
from millrace.models.feature_columns.input_layer import input_layer
from millrace.models.feature_columns.sequence import concatenate_context_input, sequence_input_layer
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast

_DEFAULT = object()
_CELLS: dict[Any, Any] = {"basic_rnn": BasicRNNCell, "lstm": BasicLSTMCell, "gru": GRUCell}
# of the default optimizer; of the gradients, at most
_RATE = public("contrib.estimator.python.estimator.rnn._DEFAULT_LEARNING_RATE")(0.05)
_NORM = public("contrib.estimator.python.estimator.rnn._DEFAULT_CLIP_NORM")(5.0)


def _cell_maker(num_units: Any, cell_type: Any, given: Any) -> Callable[[str], Any]:
    """A function from a mode to a cell.

    Raises:
      ValueError: both a function and settings of a cell are given.
    """
    if given is not None:
        if num_units or cell_type is not _DEFAULT:
            raise ValueError(
                "num_units and cell_type must not be specified when using rnn_cell_fn. "
                f"Received: {num_units}, {cell_type}"
            )
        return given

    def make(mode: str) -> Any:
        del mode
        kind = _CELLS["basic_rnn"] if cell_type is _DEFAULT else _CELLS.get(cell_type, cell_type)
        cells = [kind(num_units=units) for units in num_units]
        return cells[0] if len(cells) == 1 else MultiRNNCell(cells)

    return make


@public("contrib.estimator.python.estimator.rnn._concatenate_context_input")
def with_context(sequence_input: Any, context_input: Any) -> Any:
    """Each step of the sequences with what is known of the example, as features."""
    return concatenate_context_input(context_input, sequence_input)


@public("contrib.estimator.python.estimator.rnn._select_last_activations")
def last_activations(activations: Any, sequence_lengths: Any) -> Any:
    """The output of each example's last step."""
    with name_scope("select_last_activations", values=[activations, sequence_lengths]):
        shape = shape_of(activations)
        batch, steps, units = shape[0], shape[1], shape[2]
        places = cast(range_(batch) * steps, int64, name="ToInt64") + (sequence_lengths - 1)
        return gather(reshape(activations, [batch * steps, units]), places)


def _logits(
    features: Any, mode: str, units: int, make_cell: Any, columns: Any, context: Any, parts: Any
) -> Any:
    """The network's output for each example."""
    with variable_scope("sequence_input_layer", values=tuple(features.values()), partitioner=parts):
        inputs, lengths = sequence_input_layer(features, columns)
        histogram("sequence_length", lengths)
        if context:
            inputs = concatenate_context_input(input_layer(features, context), inputs)
    outputs, _ = dynamic_rnn(make_cell(mode), inputs, lengths, dtype=float32)
    outputs = last_activations(outputs, lengths)
    with variable_scope("logits", values=(outputs,)):
        logits = Dense(units, kernel_initializer=GlorotUniform(), name="dense")(outputs)
    sequence_mask(lengths)
    return logits


@public("contrib.estimator.RNNEstimator")
class RNNEstimator(Estimator):
    """A recurrent network with any head.

    Args:
      head: what stands on the network's logits.
      sequence_feature_columns: dense columns of sequences.
      context_feature_columns: columns of whole examples, which every step takes too.
      num_units: of each cell, the lowest first.
      cell_type: "basic_rnn", the default, "lstm", "gru", or a class of cells.
      rnn_cell_fn: from a mode to the cell; in place of both.
      return_sequences: False; with True, heads of sequences are needed, which TensorFlow keeps to itself.
      model_dir, config: as for every estimator.
      optimizer: a name, or an optimizer; gradients are clipped to a norm of 5.
      input_layer_partitioner: of the tables of embeddings.

    Raises:
      ValueError: both a function and settings of a cell are given, or `return_sequences`.
    """

    def __init__(
        self,
        head: Any,
        sequence_feature_columns: Any,
        context_feature_columns: Any = None,
        num_units: Any = None,
        cell_type: Any = _DEFAULT,
        rnn_cell_fn: Callable[[str], Any] | None = None,
        return_sequences: bool = False,
        model_dir: Any = None,
        optimizer: Any = "Adagrad",
        input_layer_partitioner: Any = None,
        config: Any = None,
    ) -> None:
        if return_sequences:
            raise ValueError(
                "A head of each step is needed when `return_sequences` is set, and there are none. "
                f"Received: {head}"
            )
        make_cell = _cell_maker(num_units, cell_type, rnn_cell_fn)

        def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
            if not isinstance(features, dict):
                raise ValueError(
                    f"features should be a dictionary of `Tensor`s. Given type: {type(features)}"
                )
            chosen = clip_gradients_by_norm(optimizer_of(optimizer, _RATE), _NORM)
            parts = input_layer_partitioner or default_partitioner(config, 64 << 20)
            with variable_scope(
                "rnn", values=tuple(features.values()), partitioner=default_partitioner(config)
            ):
                logits = _logits(
                    features,
                    mode,
                    head.logits_dimension,
                    make_cell,
                    sequence_feature_columns,
                    context_feature_columns,
                    parts,
                )
                return head.create_estimator_spec(features, mode, logits, labels=labels, optimizer=chosen)

        super().__init__(model_fn, model_dir, config)


@public("contrib.estimator.RNNClassifier")
class RNNClassifier(RNNEstimator):
    """A recurrent network that classifies sequences.

    Args:
      n_classes: how many classes.
      weight_column: the key or column of the examples' weights.
      label_vocabulary: the labels' texts.
      loss_reduction: of the examples' losses.
      sequence_feature_columns, context_feature_columns, num_units, cell_type, rnn_cell_fn, model_dir,
        optimizer, input_layer_partitioner, config: as for `RNNEstimator`.

    Raises:
      ValueError: there are fewer than two classes, or both a function and settings of a cell are given.
    """

    def __init__(
        self,
        sequence_feature_columns: Any,
        context_feature_columns: Any = None,
        num_units: Any = None,
        cell_type: Any = _DEFAULT,
        rnn_cell_fn: Callable[[str], Any] | None = None,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        optimizer: Any = "Adagrad",
        loss_reduction: str = "weighted_sum_over_batch_size",
        input_layer_partitioner: Any = None,
        config: Any = None,
    ) -> None:
        super().__init__(
            classifying_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            sequence_feature_columns,
            context_feature_columns,
            num_units,
            cell_type,
            rnn_cell_fn,
            False,
            model_dir,
            optimizer,
            input_layer_partitioner,
            config,
        )
