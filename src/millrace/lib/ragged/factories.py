"""The ways to say where rows begin and end: each gives a ragged tensor of the row splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, shapes
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math import checks
from millrace.lib.math.counting import bincount
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.ragged import splits
from millrace.lib.ragged.splits import Ragged
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import zeros
from millrace.ops.math.cast import cast
from millrace.ops.math.cumulative import cumsum

_INDEX = (dtypes.int32, dtypes.int64)


class RowFactories(Ragged):
    """The `from_...` methods of ragged tensors.

    All of them check that the rows fit the values when the graph runs, unless `validate` is False; what is
    known before is checked at once.
    """

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Rows `values[row_splits[i]:row_splits[i + 1]]`.

        Args:
          values: `[n, ...]`, a tensor or a RaggedTensor.
          row_splits: `[rows + 1]`, sorted, from 0 to n.
          name: the scope; default "RaggedFromRowSplits".
          validate: whether to check that when the graph runs.

        Raises:
          ValueError: `row_splits` is empty.
        """
        _is_bool(validate)
        if isinstance(row_splits, list | tuple) and not row_splits:
            raise ValueError("row_splits tensor may not be empty.")
        with name_scope(name, "RaggedFromRowSplits", _given(values, row_splits)):
            values, row_splits = _converted(values, row_splits, "row_splits")
            if row_splits.dims == (0,):
                raise ValueError("row_splits tensor may not be empty.")
            if validate:
                message = "Arguments to from_row_splits do not form a valid RaggedTensor"
                count = _count(values, row_splits.dtype)
                tests = [
                    checks.assert_rank(row_splits, 1, message=message),
                    _starts_at_zero(row_splits[0], message),
                    _grows(row_splits, message),
                    checks.assert_equal(row_splits[-1], count, message=message),
                    *_has_rows(values, message),
                ]
                row_splits = with_dependencies(tests, row_splits)
            return cls(values, row_splits, internal=True)

    @classmethod
    def from_row_lengths(
        cls, values: Any, row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Rows of the given lengths; arguments as for `from_row_splits`."""
        _is_bool(validate)
        with name_scope(name, "RaggedFromRowLengths", _given(values, row_lengths)):
            values, row_lengths = _converted(values, row_lengths, "row_lengths")
            if validate:
                message = "Arguments to from_row_lengths do not form a valid RaggedTensor"
                total, count = reduce_sum(row_lengths), _count(values, row_lengths.dtype)
                tests = [
                    checks.assert_rank(row_lengths, 1, message=message),
                    checks.assert_non_negative(row_lengths, message=message),
                    checks.assert_equal(total, count, message=message),
                    *_has_rows(values, message),
                ]
                row_lengths = with_dependencies(tests, row_lengths)
            row_splits = concat([[0], cumsum(row_lengths)], axis=0)
            return cls(values, row_splits, cached_row_lengths=row_lengths, internal=True)

    @classmethod
    def from_row_starts(
        cls, values: Any, row_starts: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Rows that begin at the given places, the last of which ends with the values."""
        _is_bool(validate)
        with name_scope(name, "RaggedFromRowStarts", _given(values, row_starts)):
            values, row_starts = _converted(values, row_starts, "row_starts")
            count = _count(values, row_starts.dtype)
            if validate:
                message = "Arguments to from_row_starts do not form a valid RaggedTensor"
                tests = [
                    checks.assert_rank(row_starts, 1, message=message),
                    _starts_at_zero(row_starts[:1], message),
                    _grows(row_starts, message),
                    checks.assert_less_equal(row_starts[-1:], count, message=message),
                    *_has_rows(values, message),
                ]
                row_starts = with_dependencies(tests, row_starts)
            return cls(values, concat([row_starts, [count]], axis=0), internal=True)

    @classmethod
    def from_row_limits(
        cls, values: Any, row_limits: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Rows that end at the given places, the first of which begins with the values."""
        _is_bool(validate)
        with name_scope(name, "RaggedFromRowLimits", _given(values, row_limits)):
            values, row_limits = _converted(values, row_limits, "row_limits")
            if validate:
                message = "Arguments to from_row_limits do not form a valid RaggedTensor"
                count = _count(values, row_limits.dtype)
                tests = [
                    checks.assert_rank(row_limits, 1, message=message),
                    checks.assert_non_negative(row_limits[:1], message=message),
                    _grows(row_limits, message),
                    checks.assert_equal(row_limits[-1:], count, message=message),
                    *_has_rows(values, message),
                ]
                row_limits = with_dependencies(tests, row_limits)
            first = zeros([1], row_limits.dtype)
            return cls(values, concat([first, row_limits], axis=0), internal=True)

    @classmethod
    def from_value_rowids(
        cls, values: Any, value_rowids: Any, nrows: Any = None, name: str | None = None, validate: bool = True
    ) -> Any:
        """Rows given by the number of the row of each value.

        Args:
          values: `[n, ...]`, a tensor or a RaggedTensor.
          value_rowids: `[n]`, sorted.
          nrows: the number of rows; default: one more than the last id.
          name: the scope; default "RaggedFromValueRowIds".
          validate: whether to check that when the graph runs.

        Raises:
          ValueError: `nrows` is negative, or too small.
        """
        _is_bool(validate)
        with name_scope(name, "RaggedFromValueRowIds", _given(values, value_rowids, nrows)):
            values, value_rowids = _converted(values, value_rowids, "value_rowids")
            nrows, known = _row_count(value_rowids, nrows)
            if validate:
                value_rowids = _checked_rowids(values, value_rowids, nrows)
            narrow, most = cast(value_rowids, dtypes.int32), cast(nrows, dtypes.int32)
            lengths = bincount(narrow, minlength=most, maxlength=most, dtype=value_rowids.dtype)
            row_splits = concat([[0], cumsum(lengths)], axis=0)
            if known is not None:
                lengths.dims, row_splits.dims = (known,), (known + 1,)
            return cls(
                values,
                row_splits,
                cached_row_lengths=lengths,
                cached_value_rowids=value_rowids,
                cached_nrows=nrows,
                internal=True,
            )

    @classmethod
    def from_nested_row_splits(
        cls, flat_values: Any, nested_row_splits: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Several ragged dimensions at once, the outermost splits first; none gives `flat_values`."""
        make = cls.from_row_splits
        return _nested(make, flat_values, nested_row_splits, name, "RaggedFromNestedRowSplits", validate)

    @classmethod
    def from_nested_row_lengths(
        cls, flat_values: Any, nested_row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Several ragged dimensions at once, the outermost lengths first."""
        make = cls.from_row_lengths
        return _nested(make, flat_values, nested_row_lengths, name, "RaggedFromNestedRowlengths", validate)

    @classmethod
    def from_nested_value_rowids(
        cls,
        flat_values: Any,
        nested_value_rowids: Any,
        nested_nrows: Any = None,
        name: str | None = None,
        validate: bool = True,
    ) -> Any:
        """Several ragged dimensions at once, the outermost row ids first.

        Raises:
          ValueError: there are not as many `nested_nrows` as `nested_value_rowids`.
        """
        _is_bool(validate)
        _is_list(nested_value_rowids, "nested_value_rowids")
        if nested_nrows is None:
            nested_nrows = [None] * len(nested_value_rowids)
        _is_list(nested_nrows, "nested_nrows")
        if len(nested_nrows) != len(nested_value_rowids):
            raise ValueError("nested_nrows must have the same length as nested_value_rowids")
        with name_scope(name, "RaggedFromNestedValueRowIds", _given(flat_values, *nested_value_rowids)):
            result = flat_values
            pairs = zip(reversed(nested_value_rowids), reversed(nested_nrows), strict=True)
            for value_rowids, nrows in pairs:
                result = cls.from_value_rowids(result, value_rowids, nrows, validate=validate)
            return result


def _is_bool(validate: Any) -> None:
    if not isinstance(validate, bool):
        raise TypeError(f"validate must have type bool. Received: {validate!r}")


def _is_list(value: Any, what: str) -> None:
    if isinstance(value, Tensor):
        raise TypeError(f"{what} must be a list of Tensors")


def _given(*values: Any) -> list[Any]:
    return [v for v in values if isinstance(v, Tensor | Ragged)]


def _converted(values: Any, partition: Any, name: str) -> tuple[Any, Any]:
    """Values and the places of rows, int64 where the program leaves the choice; splits of one dtype."""
    if isinstance(values, Ragged):
        kind = values.row_splits.dtype
        partition = to_tensor(partition, name=name, preferred=kind)
        if partition.dtype.base_dtype is not kind:
            values = values.with_row_splits_dtype(dtypes.int64)  # type: ignore[attr-defined]
            partition = cast(partition, dtypes.int64)
    else:
        values = splits.tensor_or_ragged(values, name="values")
        partition = to_tensor(partition, name=name, preferred=dtypes.int64)
        if partition.dtype.base_dtype not in _INDEX:
            partition = cast(partition, dtypes.int64)
    partition.dims = shapes.merge(partition.dims, (None,))
    return values, partition


def _count(values: Any, dtype: Any) -> Tensor:
    """How many values there are."""
    if isinstance(values, Ragged):
        return values.nrows(out_type=dtype)  # type: ignore[attr-defined]
    return splits.shape_of(values, dtype)[0]


def _row_count(value_rowids: Tensor, nrows: Any) -> tuple[Tensor, int | None]:
    """The number of rows as a tensor, and as a number where it is known."""
    kind = value_rowids.dtype
    ids = static_value(value_rowids)
    if nrows is None:
        if ids is not None:
            known = int(ids[-1]) + 1 if len(ids) else 0
            return to_tensor(known, kind, "nrows"), known
        return concat([value_rowids[-1:], to_tensor([-1], kind)], axis=0)[0] + 1, None
    nrows = cast(nrows, kind) if isinstance(nrows, Tensor) else to_tensor(nrows, kind, "nrows")
    value = static_value(nrows)
    known = None if value is None else int(value)
    if known is not None and known < 0:
        raise ValueError(f"Expected nrows >= 0; got {known}")
    if known is not None and ids is not None and len(ids) and known < ids[-1] + 1:
        raise ValueError(
            f"Expected nrows >= value_rowids[-1] + 1; got nrows={known}, value_rowids[-1]={int(ids[-1])}"
        )
    nrows.dims = shapes.merge(nrows.dims, ())
    return nrows, known


def _checked_rowids(values: Any, value_rowids: Tensor, nrows: Tensor) -> Tensor:
    message = "Arguments to from_value_rowids do not form a valid RaggedTensor"
    ids, count = splits.shape_of(value_rowids, value_rowids.dtype)[0], _count(values, value_rowids.dtype)
    tests = [
        checks.assert_rank(value_rowids, 1, message=message),
        checks.assert_rank(nrows, 0, message=message),
        checks.assert_equal(ids, count, message=message),
        checks.assert_non_negative(value_rowids[:1], message=message),
        _grows(value_rowids, message),
        checks.assert_less(value_rowids[-1:], nrows, message=message),
        *_has_rows(values, message),
    ]
    return with_dependencies(tests, value_rowids)


def _starts_at_zero(first: Tensor, message: str) -> Any:
    zero = to_tensor(0, first.dtype, "Const")
    return checks.assert_equal(first, zero, message=message)


def _grows(partition: Tensor, message: str) -> Any:
    return checks.assert_non_negative(partition[1:] - partition[:-1], message=message)


def _has_rows(values: Any, message: str) -> list[Any]:
    return [] if isinstance(values, Ragged) else [checks.assert_rank_at_least(values, 1, message=message)]


def _nested(
    make: Callable[..., Any], flat_values: Any, nested: Any, name: str | None, default: str, validate: bool
) -> Any:
    _is_bool(validate)
    _is_list(nested, "nested rows")
    with name_scope(name, default, _given(flat_values, *nested)):
        result = flat_values
        for rows in reversed(nested):
            result = make(result, rows, validate=validate)
        return result
