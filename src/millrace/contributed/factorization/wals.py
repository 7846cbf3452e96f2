"""`tf.contrib.factorization.WALSModel`: weighted alternating least squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import colocate_with, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.factorization.wals_terms import Entries, loss_terms, solved
from millrace.core.dtypes import float32, int32, int64
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.math.array import eye
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.variables.assigning import assign, scatter_update
from millrace.lib.variables.scope import variable_scope
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import concat, split, stack
from millrace.ops.array.constant import ones, zeros
from millrace.ops.array.where import dynamic_partition
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.select import where
from millrace.ops.random.draws import random_normal


class _Side:
    """The rows or the columns of a model: factors, weights, their product, and what keeps copies of them."""

    def __init__(self, name: str, size: int, shards: int) -> None:
        self.name, self.size, self.shards = name, size, shards
        self.factors: list[Variable] = []
        self.weights: list[Variable] | None = None
        self.gramian: Any = None
        self.gramian_cache: Any = None
        self.factors_cache: Any = None
        self.weights_cache: Any = None

    @property
    def shard_sizes(self) -> list[int]:
        """How many each shard holds; the first ones take what does not divide."""
        whole, more = divmod(self.size, self.shards)
        return [whole + 1] * more + [whole] * (self.shards - more)

    def shard_of(self, numbers: Any) -> tuple[Any, Any]:
        """For each number its shard and its place there."""
        whole, more = divmod(self.size, self.shards)
        shard = raw.Maximum(numbers // (whole + 1), (numbers - more) // whole)
        place = where(shard < more, numbers % (whole + 1), (numbers - more) % whole)
        return raw.Cast(shard, DstT=int32), place


@public("contrib.factorization.WALSModel")
class WALSModel:
    """Factors of a matrix of which entries are known, by least squares in turn for rows and columns.

    The loss is the sum of `w[i, j] * (a[i, j] - u[i] * v[j])**2`, where `w[i, j]` is `unobserved_weight`,
    and for an entry that is there `row_weights[i] * col_weights[j]` more, and of `regularization` times the
    squares of all factors.

    Args:
      input_rows, input_cols: the size of the matrix.
      n_components: how many numbers each row and column is described by.
      unobserved_weight: the weight of what is not there.
      regularization: the weight of the squares of the factors; None: none.
      row_init, col_init: "random"; or a list of arrays or tensors, one for each shard; or, of one shard, the
        array or tensor alone; or a function that gives the factors.
      num_row_shards, num_col_shards: into how many variables factors are cut.
      row_weights, col_weights: a number, a vector, or a list of them for each shard; or both None, for
        weights that are all `unobserved_weight`.
      use_factors_weights_cache: keep copies of factors and weights in local variables.
      use_gramian_cache: keep a copy of the product of the factors with themselves, too.
      use_scoped_vars: give variables scopes of their own.

    Raises:
      AssertionError: weights or factors do not fit the shards; one of the weights alone is None.
    """

    def __init__(
        self,
        input_rows: int,
        input_cols: int,
        n_components: int,
        unobserved_weight: float = 0.1,
        regularization: float | None = None,
        row_init: Any = "random",
        col_init: Any = "random",
        num_row_shards: int = 1,
        num_col_shards: int = 1,
        row_weights: Any = 1,
        col_weights: Any = 1,
        use_factors_weights_cache: bool = True,
        use_gramian_cache: bool = True,
        use_scoped_vars: bool = False,
    ) -> None:
        if (row_weights is None) != (col_weights is None):
            raise AssertionError(
                "row_weights and col_weights must both be None or neither. "
                f"Received: {row_weights!r} and {col_weights!r}"
            )
        self._components, self._unobserved = n_components, unobserved_weight
        self._rows = _Side("row", input_rows, num_row_shards)
        self._cols = _Side("col", input_cols, num_col_shards)
        self._regularization, self._regularization_matrix = regularization, None
        if regularization is not None:
            self._regularization_matrix = regularization * eye(n_components)
        sides = (self._rows, row_init, row_weights), (self._cols, col_init, col_weights)
        for side, _, weights in sides:
            side.weights = self._made(f"{side.name}_weights", use_scoped_vars, _weights_of(side, weights))
        for side, init, _ in sides:
            side.factors = self._made(
                f"{side.name}_factors", use_scoped_vars, _factors_of(side, init, n_components)
            )
        for side, _, _ in sides:
            side.gramian = Variable(zeros([n_components, n_components]), name=f"{side.name}_gramian")
        self._prepare_rows = self._prepare(self._cols, "row_prepare_gramian")
        self._prepare_cols = self._prepare(self._rows, "col_prepare_gramian")
        with name_scope("transient_vars"):
            self._make_caches(use_factors_weights_cache, use_gramian_cache)

    def _made(self, name: str, scoped: bool, values: list[Any] | None) -> Any:
        """One variable for each shard."""
        if values is None:
            return None

        def all_of_them() -> list[Variable]:
            return [
                Variable(value, name=f"{name}_shard_{i}", dtype=float32) for i, value in enumerate(values)
            ]

        if not scoped:
            return all_of_them()
        with variable_scope(name):
            return all_of_them()

    def _prepare(self, side: _Side, name: str) -> Any:
        """The operation that computes the product of a side's factors with themselves."""
        with name_scope(name):
            parts = []
            for shard in side.factors:
                with colocate_with(shard):
                    parts.append(matmul(shard, shard, transpose_a=True))
            total = add_n(parts) if len(parts) > 1 else parts[0]
            return assign(side.gramian, total)

    # ---------------------------------------------------------------- copies

    def _make_caches(self, factors_and_weights: bool, gramians: bool) -> None:
        """Local copies; a side's are set when the other side is updated, and emptied when it is itself."""
        fill: dict[str, Any] = {}
        empty: dict[str, Any] = {}
        always = []
        for side in (self._rows, self._cols):
            side.factors_cache, fill[side.name], empty[side.name] = _cache(
                side.factors, f"{side.name}_factors_cache", factors_and_weights
            )
        for side in (self._rows, self._cols):
            side.weights_cache = side.weights
            if side.weights is not None:
                side.weights_cache, filled, _ = _cache(
                    side.weights, f"{side.name}_wt_cache", factors_and_weights
                )
                always.append(filled)
        more: dict[str, list[Any]] = {}
        for side in (self._rows, self._cols):
            cache, *more[side.name] = _cache([side.gramian], f"{side.name}_gramian_cache", gramians, False)
            side.gramian_cache = cache[0]
        self._begin_rows = group(fill["col"], empty["row"], more["col"][0], more["row"][1])
        self._begin_cols = group(fill["row"], empty["col"], more["row"][0], more["col"][1])
        self._worker_init = group(*always, name="worker_init")

    @property
    def row_factors(self) -> list[Variable]:
        """The factors of the rows, a variable for each shard."""
        return self._rows.factors

    @property
    def col_factors(self) -> list[Variable]:
        """The factors of the columns, a variable for each shard."""
        return self._cols.factors

    @property
    def row_weights(self) -> Any:
        """The weights of the rows, a variable for each shard; None without weights."""
        return self._rows.weights

    @property
    def col_weights(self) -> Any:
        """The weights of the columns, a variable for each shard; None without weights."""
        return self._cols.weights

    @property
    def initialize_op(self) -> Any:
        """Sets the variables of the model."""
        made = [*(self._rows.weights or []), *(self._cols.weights or [])]
        made += [*self._rows.factors, *self._cols.factors, self._rows.gramian, self._cols.gramian]
        return group(*[v.initializer for v in made], name="init")

    @property
    def worker_init(self) -> Any:
        """Copies the weights, once in each process."""
        return self._worker_init

    @property
    def row_update_prep_gramian_op(self) -> Any:
        """What runs before the rows are updated."""
        return self._prepare_rows

    @property
    def col_update_prep_gramian_op(self) -> Any:
        """What runs before the columns are updated."""
        return self._prepare_cols

    @property
    def initialize_row_update_op(self) -> Any:
        """What each process runs before the rows are updated."""
        return self._begin_rows

    @property
    def initialize_col_update_op(self) -> Any:
        """What each process runs before the columns are updated."""
        return self._begin_cols

    # ---------------------------------------------------------------- updates

    @classmethod
    def scatter_update(
        cls, factor: Any, indices: Any, values: Any, sharding_func: Any, name: str | None = None
    ) -> Any:
        """Sets some factors.

        Args:
          factor: the variables of all shards.
          indices: which, `[n]`.
          values: `[n, k]`.
          sharding_func: from numbers to shards and places there.
          name: of the operation.
        """
        if len(factor) == 1:
            with colocate_with(factor[0]):
                return scatter_update(factor[0], indices, values, name=name).op
        shards, places = sharding_func(indices)
        places = dynamic_partition(places, shards, len(factor))
        parts = dynamic_partition(values, shards, len(factor))
        updates = []
        for i, shard in enumerate(factor):
            with colocate_with(shard):
                updates.append(scatter_update(shard, places[i], parts[i]))
        return group(*updates, name=name)

    def update_row_factors(self, sp_input: Any = None, transpose_input: bool = False) -> Any:
        """Updates the factors of some rows.

        Args:
          sp_input: a `SparseTensor` with the rows' entries; or its transpose.
          transpose_input: whether it is.

        Returns:
          The new factors `[n, k]`, the operation that sets them, and as far as these rows say it the
          unregularized loss, the regularization and the sum of weights.
        """
        return self._update(True, sp_input, transpose_input)

    def update_col_factors(self, sp_input: Any = None, transpose_input: bool = False) -> Any:
        """Updates the factors of some columns; arguments and results as for `update_row_factors`."""
        return self._update(False, sp_input, transpose_input)

    def project_row_factors(
        self, sp_input: Any = None, transpose_input: bool = False, projection_weights: Any = None
    ) -> Tensor:
        """The factors of rows that the matrix need not have.

        Args:
          sp_input, transpose_input: as for `update_row_factors`.
          projection_weights: the weights of the rows: a number or a vector; default 1.
        """
        return self._update(True, sp_input, transpose_input, _projected(projection_weights))[0]

    def project_col_factors(
        self, sp_input: Any = None, transpose_input: bool = False, projection_weights: Any = None
    ) -> Tensor:
        """The factors of columns that the matrix need not have; arguments as for `project_row_factors`."""
        return self._update(False, sp_input, transpose_input, _projected(projection_weights))[0]

    def _update(self, rows: bool, sp_input: Any, transposed: bool, weights: Any = None) -> Any:
        if not isinstance(sp_input, SparseTensor):
            raise AssertionError(f"sp_input must be a SparseTensor. Received: {sp_input!r}")
        mine, other = (self._rows, self._cols) if rows else (self._cols, self._rows)
        entries = self._entries(mine, other, sp_input, transposed == rows, weights)
        gramian = other.gramian_cache
        found = solved(entries, gramian, self._unobserved, self._regularization_matrix)
        update = self.scatter_update(
            mine.factors, entries.rows, found, mine.shard_of, name=f"{mine.name}_update"
        )
        sizes = mine.size, other.size
        terms = loss_terms(entries, found, gramian, self._unobserved, self._regularization, sizes)
        return found, update, *(convert.convert_to_tensor(term) for term in terms)

    def _entries(
        self, mine: _Side, other: _Side, sp_input: SparseTensor, swapped: bool, weights: Any
    ) -> Entries:
        """A batch with its rows and columns renumbered."""
        first, second = split(sp_input.indices, 2, axis=1)
        if swapped:
            first, second = second, first
        rows, row_places = raw.Unique(first[:, 0])
        columns, column_places = raw.Unique(second[:, 0])
        column_places = raw.ExpandDims(raw.Cast(column_places, DstT=int64), 1)
        row_places = raw.ExpandDims(raw.Cast(row_places, DstT=int64), 1)
        width = raw.Cast(raw.Shape(columns)[0], DstT=int64)
        count = raw.Cast(raw.Shape(rows)[0], DstT=int64)
        factors = embedding_lookup(other.factors_cache, columns, partition_strategy="div")
        indices = concat([row_places, column_places], 1)
        block = SparseTensor(indices, sp_input.values, concat([stack([count]), stack([width])], 0))
        own = columns_own = None
        if mine.weights is not None:
            if weights is None:
                own = embedding_lookup(mine.weights_cache, rows, partition_strategy="div")
            else:
                own = convert.convert_to_tensor(weights, dtype=float32)
                own = raw.BroadcastTo(own, raw.Shape(rows)) if not own.dims else own
            columns_own = embedding_lookup(other.weights_cache, columns, partition_strategy="div")
        return Entries(block, rows, columns, count, factors, own, columns_own)


def _projected(weights: Any) -> Any:
    return 1.0 if weights is None else weights


def _weights_of(side: _Side, weights: Any) -> list[Any] | None:
    """The initial weights of each shard."""
    if weights is None:
        return None
    if isinstance(weights, int | float | np.number):
        return [_filled(size, weights) for size in side.shard_sizes]
    if side.shards == 1 and not isinstance(weights[0], list | tuple | np.ndarray | Tensor):
        weights = [weights]
    sizes = [len(w) if isinstance(w, list | tuple | np.ndarray) else w.get_shape()[0] for w in weights]
    return _fitting(side, sizes, [_constant(w) for w in weights], "weights")


def _factors_of(side: _Side, init: Any, components: int) -> list[Any]:
    """The initial factors of each shard."""
    if callable(init):
        init = init()
    if isinstance(init, str):
        if init != "random":
            raise TypeError(f"Factors are 'random', values for each shard, or a function. Received: {init!r}")
        return [_drawn(size, components) for size in side.shard_sizes]
    if side.shards == 1 and not isinstance(init, list):
        init = [init]
    values = [convert.convert_to_tensor(part, dtype=float32) for part in init]
    if any(len(v.dims or ()) != 2 for v in values):
        raise AssertionError(f"The factors of each shard must be a matrix. Received: {values}")
    heights = [v.get_shape()[0].value for v in values]
    return _fitting(side, heights, values, "factors")


def _fitting(side: _Side, sizes: list[Any], values: list[Any], what: str) -> list[Any]:
    if sizes != side.shard_sizes:
        raise AssertionError(
            f"The {what} of the {side.name}s must be cut into {side.shard_sizes}. Received: sizes {sizes}"
        )
    return values


def _filled(size: int, weight: Any) -> Callable[[], Tensor]:
    return lambda: ones([size]) * weight


def _constant(values: Any) -> Callable[[], Tensor]:
    return lambda: convert.convert_to_tensor(values, dtype=float32, name="initial_value")


def _drawn(size: int, components: int) -> Callable[[], Tensor]:
    return lambda: random_normal([size, components])


def _cache(variables: list[Any], name: str, wanted: bool, sharded: bool = True) -> tuple[list[Any], Any, Any]:
    """Local copies of variables, what fills and what empties them; or the variables themselves."""
    if not wanted:
        return variables, group(), group()
    copies, filled, emptied = [], [], []
    for i, variable in enumerate(variables):
        copy = Variable(
            1.0,
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
            validate_shape=False,
            name=f"{name}_shard_{i}" if sharded else name,
        )
        copies.append(copy)
        filled.append(assign(copy, variable, validate_shape=False))
        emptied.append(assign(copy, 1.0, validate_shape=False))
    return copies, group(*filled), group(*emptied)
