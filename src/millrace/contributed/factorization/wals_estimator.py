"""`WALSMatrixFactorization`: weighted alternating least squares as an estimator of `tf.contrib.learn`."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.contributed.factorization.wals import WALSModel
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.math.reductions import reduce_all
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign, assign_add, scatter_update
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.modes import ModeKeys
from millrace.ops.array.constant import no_op
from millrace.ops.array.fill import fill, ones_like
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import logical_not
from millrace.ops.math.elementwise import sqrt
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook


class _Sweeps(SessionRunHook):
    """Chooses for each step whether rows or columns are updated, and prepares each sweep.

    Args:
      sweep: the variables of sweeps.
      begin: runs once in each process.
      prepare: what runs before a sweep, for rows and for columns.
      update: what a step runs, for rows and for columns.
      switch: turns from rows to columns and back.
    """

    def __init__(
        self,
        sweep: _SweepVariables,
        begin: Any,
        prepare: dict[bool, Any],
        update: dict[bool, Any],
        switch: Any,
    ) -> None:
        self._sweep, self._begin, self._switch = sweep, begin, switch
        self._prepare, self._update = prepare, update
        self._begun = False

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Prepares a sweep where one begins, and adds a step of it to the run."""
        session = run_context.session
        done = session.run(self._sweep.done)
        if done:
            session.run(self._switch)
        rows = bool(session.run(self._sweep.of_rows))
        if done or not self._begun:
            if not self._begun:
                session.run(self._begin)
                self._begun = True
            for op in self._prepare[rows]:
                session.run(op)
        return SessionRunArgs(fetches=[self._update[rows]])


class _CountSteps(SessionRunHook):
    """Counts each step in its run."""

    def __init__(self, increment: Any) -> None:
        self._increment = increment

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Adds one to the global step."""
        del run_context
        return SessionRunArgs(self._increment)


class _StopAtSweep(SessionRunHook):
    """Stops after so many sweeps."""

    def __init__(self, last_sweep: Any) -> None:
        self._last_sweep = last_sweep

    def begin(self) -> None:
        """Looks for the variable that counts them."""
        variables = get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES)
        (self._completed,) = [v for v in variables if v.op.name == WALSMatrixFactorization.COMPLETED_SWEEPS]

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Asks how many there were."""
        del run_context
        return SessionRunArgs(self._completed)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Compares."""
        if run_values.results >= self._last_sweep:
            run_context.request_stop()


def _kept(value: Any, name: str) -> Variable:
    return Variable(value, trainable=False, name=name)


class _SweepVariables:
    """How far a model has been trained."""

    def __init__(self) -> None:
        self.of_rows = _kept(True, "is_row_sweep")
        self.done = _kept(False, "is_sweep_done")
        self.completed = _kept(0, WALSMatrixFactorization.COMPLETED_SWEEPS)
        self.loss = _kept(0.0, WALSMatrixFactorization.LOSS)
        self.error = _kept(0.0, WALSMatrixFactorization.RWSE)
        scalar("loss", self.loss)
        scalar("root_weighted_squared_error", self.error)
        scalar("completed_sweeps", self.completed)

    def step(self, kind: str, size: int, numbers: Any, results: Any) -> tuple[Any, Any]:
        """What a step of a sweep runs, and what forgets which numbers have had their turn.

        Args:
          kind: "row" or "col".
          size: how many there are.
          numbers: those of the step.
          results: what the model's update gave.
        """
        _, update, unregularized, regularization, weights = results
        processed = _kept(fill([size], False), f"processed_{kind}s")
        with control_dependencies([assign(self.loss, unregularized + regularization).op, update]):
            error = assign(self.error, sqrt(unregularized / weights))
        with control_dependencies([error.op]):
            marked = scatter_update(
                processed, numbers, ones_like(numbers, dtype=bool), name=f"update_processed_{kind}s_indices"
            )
        with control_dependencies([marked.op]):
            all_done = reduce_all(processed)
            done = assign(self.done, all_done)
            counted = assign_add(self.completed, cast(all_done, int32))
        return group(
            update, error, marked, done, counted, name=f"{kind}s_sweep_train_op"
        ), processed.initializer


@public("contrib.factorization.WALSMatrixFactorization")
class WALSMatrixFactorization(Estimator):
    """Factors of a matrix by weighted alternating least squares; see `WALSModel`.

    A sweep updates all rows or all columns; training alternates between the two. An input function gives
    features: `INPUT_ROWS`, a `SparseTensor` with some rows of the matrix, `INPUT_COLS`, one with some columns
    as rows, and for evaluation and projection `PROJECT_ROW`, a bool: whether rows are projected, and perhaps
    `PROJECTION_WEIGHTS`.

    Args:
      num_rows, num_cols: the size of the matrix.
      embedding_dimension: how many numbers each row and column is described by.
      unobserved_weight: the weight of what is not there.
      regularization_coeff: the weight of the squares of the factors; None: none.
      row_init, col_init: the first factors.
      num_row_shards, num_col_shards: into how many variables factors are cut.
      row_weights, col_weights: weights of rows and columns.
      use_factors_weights_cache_for_training: keep copies of factors and weights in local variables.
      use_gramian_cache_for_training: keep a copy of the product of the factors with themselves, too.
      max_sweeps: how many sweeps training runs; None for no limit.
      model_dir: the folder of checkpoints; default, a new one.
      config: a `RunConfig`.
    """

    INPUT_ROWS = "input_rows"
    INPUT_COLS = "input_cols"
    PROJECT_ROW = "project_row"
    PROJECTION_WEIGHTS = "projection_weights"
    PROJECTION_RESULT = "projection"
    COMPLETED_SWEEPS = "completed_sweeps"
    LOSS = "WALS_loss"
    RWSE = "WALS_RWSE"

    def __init__(
        self,
        num_rows: int,
        num_cols: int,
        embedding_dimension: int,
        unobserved_weight: float = 0.1,
        regularization_coeff: float | None = None,
        row_init: Any = "random",
        col_init: Any = "random",
        num_row_shards: int = 1,
        num_col_shards: int = 1,
        row_weights: Any = 1,
        col_weights: Any = 1,
        use_factors_weights_cache_for_training: bool = True,
        use_gramian_cache_for_training: bool = True,
        max_sweeps: Any = None,
        model_dir: Any = None,
        config: Any = None,
    ) -> None:
        self._row_shards, self._col_shards = num_row_shards, num_col_shards

        def make_model(training: bool) -> WALSModel:
            return WALSModel(
                num_rows,
                num_cols,
                embedding_dimension,
                unobserved_weight=unobserved_weight,
                regularization=regularization_coeff,
                row_init=row_init,
                col_init=col_init,
                num_row_shards=num_row_shards,
                num_col_shards=num_col_shards,
                row_weights=row_weights,
                col_weights=col_weights,
                use_factors_weights_cache=use_factors_weights_cache_for_training and training,
                use_gramian_cache=use_gramian_cache_for_training and training,
            )

        def model_fn(features: dict[str, Any], labels: Any, mode: str) -> ModelFnOps:
            if labels is not None:
                raise AssertionError(f"A factorization takes no labels. Received: {labels}")
            model = make_model(mode == ModeKeys.TRAIN)
            if mode == ModeKeys.TRAIN:
                return _training(model, features, (num_rows, num_cols), max_sweeps)
            return _projecting(model, features, mode)

        super().__init__(model_fn=model_fn, model_dir=model_dir, config=config)

    def get_row_factors(self) -> list[np.ndarray]:
        """The factors of the rows, an array for each shard."""
        return [self.get_variable_value(f"row_factors_shard_{i}") for i in range(self._row_shards)]

    def get_col_factors(self) -> list[np.ndarray]:
        """The factors of the columns, an array for each shard."""
        return [self.get_variable_value(f"col_factors_shard_{i}") for i in range(self._col_shards)]

    def get_projections(self, input_fn: Any) -> Any:
        """The factors of rows or columns that the matrix need not have, one after the other.

        Args:
          input_fn: gives features with `PROJECT_ROW`.
        """
        found = self.predict(input_fn=input_fn)
        return (row[WALSMatrixFactorization.PROJECTION_RESULT] for row in found)


def _training(
    model: WALSModel, features: dict[str, Any], sizes: tuple[int, int], max_sweeps: Any
) -> ModelFnOps:
    keys = WALSMatrixFactorization
    sweep = _SweepVariables()
    rows, columns = features[keys.INPUT_ROWS], features[keys.INPUT_COLS]
    row_step, forget_rows = sweep.step("row", sizes[0], rows.indices[:, 0], model.update_row_factors(rows))
    col_step, forget_cols = sweep.step(
        "col", sizes[1], columns.indices[:, 0], model.update_col_factors(columns, transpose_input=True)
    )
    turned = assign(sweep.of_rows, logical_not(sweep.of_rows))
    switch = group(turned, forget_rows, forget_cols, name="sweep_switch_op")
    prepare = {
        True: [model.row_update_prep_gramian_op, model.initialize_row_update_op],
        False: [model.col_update_prep_gramian_op, model.initialize_col_update_op],
    }
    hooks: list[Any] = [
        _Sweeps(sweep, model.worker_init, prepare, {True: row_step, False: col_step}, switch),
        _CountSteps(assign_add(get_global_step(), 1, name="global_step_incr").op),
    ]
    if max_sweeps is not None:
        hooks.append(_StopAtSweep(max_sweeps))
    return ModelFnOps(
        mode=ModeKeys.TRAIN, predictions={}, loss=sweep.loss, train_op=no_op(), training_hooks=hooks
    )


def _projecting(model: WALSModel, features: dict[str, Any], mode: str) -> ModelFnOps:
    """Projects rows or columns; the loss is what updating them would leave."""
    keys = WALSMatrixFactorization
    weights = features.get(keys.PROJECTION_WEIGHTS)
    rows, columns = features[keys.INPUT_ROWS], features.get(keys.INPUT_COLS)

    def of_rows() -> tuple[Any, Any]:
        _, _, unregularized, regularization, _ = model.update_row_factors(rows)
        return model.project_row_factors(rows, projection_weights=weights), unregularized + regularization

    def of_columns() -> tuple[Any, Any]:
        _, _, unregularized, regularization, _ = model.update_col_factors(columns, transpose_input=True)
        projected = model.project_col_factors(columns, projection_weights=weights, transpose_input=True)
        return projected, unregularized + regularization

    projection, loss = cond(features[keys.PROJECT_ROW], of_rows, of_columns)
    return ModelFnOps(
        mode=mode, predictions={keys.PROJECTION_RESULT: projection}, loss=loss, eval_metric_ops={}
    )
