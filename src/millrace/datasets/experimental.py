"""Transformations of `tf.data.experimental`, each a function for `Dataset.apply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.datasets import nesting
from millrace.datasets.batching import batched, flag, rows, unbatched
from millrace.datasets.dataset import Dataset, check_state, widened
from millrace.datasets.elements import attrs_of, int64, normalized, seeds, structure_of, tensors_of
from millrace.datasets.functions import StructuredFunction, element_from, is_scalar
from millrace.datasets.specs import SparseTensorSpec, TensorSpec
from millrace.graph.tensor import Tensor

Transformation = Callable[[Any], Any]

AUTOTUNE = public("data.experimental.AUTOTUNE", "contrib.data.AUTOTUNE")(-1)
INFINITE_CARDINALITY = public("data.experimental.INFINITE_CARDINALITY")(-1)
UNKNOWN_CARDINALITY = public("data.experimental.UNKNOWN_CARDINALITY")(-2)


@public("data.experimental.unbatch", "contrib.data.unbatch")
def unbatch() -> Transformation:
    """The rows of each element."""
    return unbatched


@public("data.experimental.enumerate_dataset", "contrib.data.enumerate_dataset")
def enumerate_dataset(start: Any = 0) -> Transformation:
    """Pairs of a number, from `start` on, and an element."""
    return lambda dataset: dataset.enumerate(start)


@public("data.experimental.ignore_errors", "contrib.data.ignore_errors")
def ignore_errors() -> Transformation:
    """The elements that come without an error."""
    return lambda dataset: dataset._same(raw.IgnoreErrorsDataset(dataset._variant_tensor, **dataset._attrs))


@public("data.experimental.unique", "contrib.data.unique")
def unique() -> Transformation:
    """Each element once; elements are scalars of int32, int64 or string.

    Raises:
      TypeError: elements are of another kind.
    """

    def transform(dataset: Any) -> Any:
        allowed = (dtypes.int32, dtypes.int64, dtypes.string)
        if dataset.output_types not in allowed:
            raise TypeError(
                "`tf.data.experimental.unique()` only supports inputs with a single `tf.int32`, "
                "`tf.int64`, or "
                f"`tf.string` component. Received: {dataset.output_types}"
            )
        return dataset._same(raw.UniqueDataset(dataset._variant_tensor, **dataset._attrs))

    return transform


@public("data.experimental.take_while")
def take_while(predicate: Callable[..., Any]) -> Transformation:
    """The elements before the first for which `predicate`, a function to a scalar bool, does not hold.

    Raises:
      ValueError: it returns something else.
    """

    def transform(dataset: Any) -> Any:
        who = "tf.data.experimental.take_while()"
        function = StructuredFunction(predicate, who, dataset.element_spec)
        if not is_scalar(function.output, dtypes.bool_):
            raise ValueError(f"`predicate` must return a scalar boolean tensor. Received: {function.output}")
        return dataset._same(
            raw.TakeWhileDataset(
                dataset._variant_tensor, function.captured, predicate=function.graph, **dataset._attrs
            )
        )

    return transform


@public("data.experimental.shuffle_and_repeat", "contrib.data.shuffle_and_repeat")
def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: int | None = None) -> Transformation:
    """`shuffle` and `repeat` in one: an epoch follows the other without waiting for the buffer to run empty.

    Args:
      buffer_size: of the buffer, in elements.
      count: how often; without end where it is None or -1.
      seed: for the order.
    """

    def transform(dataset: Any) -> Any:
        size = int64(buffer_size, "buffer_size")
        number = int64(-1 if count is None else count, "count")
        first, second = seeds(seed)
        return dataset._same(
            raw.ShuffleAndRepeatDataset(
                dataset._variant_tensor, size, first, second, number, **dataset._attrs
            )
        )

    return transform


@public("data.experimental.scan", "contrib.data.scan")
def scan(initial_state: Any, scan_func: Callable[..., Any]) -> Transformation:
    """What `scan_func` gives beside the next state.

    Args:
      initial_state: nested tensors.
      scan_func: of a state and an element to the next state, which nests alike, and an output.

    Raises:
      TypeError: it returns something else.
    """

    def transform(dataset: Any) -> Any:
        state = normalized(initial_state)
        known = structure_of(state)
        while True:
            who = "tf.data.experimental.scan()"
            function = StructuredFunction(scan_func, who, (known, dataset.element_spec))
            if not isinstance(function.output, tuple) or len(function.output) != 2:
                raise TypeError(
                    "The scan function must return a pair comprising the new state and the output "
                    "value. Received: "
                    f"{function.output}"
                )
            after, output = function.output
            check_state(known, after)
            wider = nesting.map_structure(widened, known, after)
            if wider == known:
                break
            known = wider
        made = raw.ScanDataset(
            dataset._variant_tensor,
            tensors_of(known, state),
            function.captured,
            f=function.graph,
            preserve_cardinality=True,
            **attrs_of(output),
        )
        return dataset._of(made, output, dataset)

    return transform


@public(
    "data.experimental.map_and_batch",
    "data.experimental.map_and_batch_with_legacy_function",
    "contrib.data.map_and_batch",
)
def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: int | None = None,
    drop_remainder: Any = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """Batches of `map_func` of each element.

    Args:
      map_func: of an element.
      batch_size: how many elements a batch has.
      num_parallel_batches: how many batches may be made at once.
      drop_remainder: leave out a last batch that is smaller.
      num_parallel_calls: how many calls may run at once; not together with `num_parallel_batches`.

    Raises:
      ValueError: both were given.
    """
    if num_parallel_batches is not None and num_parallel_calls is not None:
        raise ValueError(
            "The `num_parallel_batches` and `num_parallel_calls` arguments are mutually exclusive."
        )

    def transform(dataset: Any) -> Any:
        calls = num_parallel_calls
        if calls is None:
            calls = 1 if num_parallel_batches is None else batch_size * num_parallel_batches
        who = "tf.data.experimental.map_and_batch()"
        function = StructuredFunction(map_func, who, dataset.element_spec)
        size = int64(batch_size, "batch_size")
        many, drop = int64(calls, "num_parallel_calls"), flag(drop_remainder)
        count = rows(size, drop)
        structure = nesting.map_structure(lambda spec: spec.batch(count), function.output)
        made = raw.MapAndBatchDataset(
            dataset._variant_tensor,
            function.captured,
            size,
            many,
            drop,
            f=function.graph,
            preserve_cardinality=True,
            **attrs_of(structure),
        )
        return dataset._of(made, structure, dataset)

    return transform


@public("data.experimental.dense_to_sparse_batch", "contrib.data.dense_to_sparse_batch")
def dense_to_sparse_batch(batch_size: Any, row_shape: Any) -> Transformation:
    """Dense elements of different sizes as sparse batches.

    Args:
      batch_size: how many elements a batch has.
      row_shape: the dense shape of a row; None or -1 where the longest decides.

    Raises:
      TypeError: elements are not single tensors.
    """

    def transform(dataset: Any) -> Any:
        spec = dataset.element_spec
        if not isinstance(spec, TensorSpec):
            raise TypeError(
                f"DenseToSparseDataset requires an input whose elements have a single component, whereas "
                f"the input has {dataset.output_types!r}."
            )
        if isinstance(row_shape, Tensor):
            sizes, dims = row_shape, None
        else:
            given = shapes.as_dims(row_shape)
            dims = tuple(None if d is None or d < 0 else d for d in given or ())
            sizes = convert.to_tensor(np.array([-1 if d is None else d for d in dims], np.int64))
        with name_scope("DenseToSparseBatchDataset") as scope:
            structure = SparseTensorSpec(shapes.shape_of(None if dims is None else (None, *dims)), spec.dtype)
            count = int64(batch_size, "batch_size")
            made = raw.DenseToSparseBatchDataset(
                dataset._variant_tensor, count, sizes, name=scope, **attrs_of(structure)
            )
        return dataset._of(made, structure, dataset)

    return transform


@public("contrib.data.sliding_window_batch")
def sliding_window_batch(
    window_size: Any, stride: Any = None, window_shift: Any = None, window_stride: Any = 1
) -> Transformation:
    """Batches of neighbouring elements.

    Args:
      window_size: elements a batch has.
      stride: the old name of `window_shift`.
      window_shift: elements between the beginnings of batches; default 1.
      window_stride: distance of the elements in a batch.

    Raises:
      ValueError: both `stride` and `window_shift` are given.
    """
    if stride is not None and window_shift is not None:
        raise ValueError("Cannot specify both `stride` and `window_shift`")
    shift = window_shift if window_shift is not None else stride if stride is not None else 1

    def transform(dataset: Any) -> Any:
        structure = nesting.map_structure(lambda spec: spec.batch(None), dataset.element_spec)
        numbers = (
            int64(window_size, "window_stride"),
            int64(shift, "window_stride"),
            int64(window_stride, "window_shift"),
        )
        made = raw.SlidingWindowDataset(dataset._variant_tensor, *numbers, **attrs_of(structure))
        return dataset._of(made, structure, dataset)

    return transform


@public("contrib.data.batch_and_drop_remainder")
def batch_and_drop_remainder(batch_size: Any) -> Transformation:
    """`batch(batch_size, drop_remainder=True)`."""
    return lambda dataset: batched(dataset, batch_size, True)


@public("contrib.data.padded_batch_and_drop_remainder")
def padded_batch_and_drop_remainder(
    batch_size: Any, padded_shapes: Any, padding_values: Any = None
) -> Transformation:
    """`padded_batch(..., drop_remainder=True)`."""
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, True)


@public("contrib.data.assert_element_shape")
def assert_element_shape(expected_shapes: Any) -> Transformation:
    """The same elements, with static shapes that are checked when run.

    Args:
      expected_shapes: nested shapes.
    """

    def transform(dataset: Any) -> Any:
        def check(*element: Any) -> Any:
            value = element[0] if len(element) == 1 else element
            flat = nesting.flatten(value)
            wanted = [shapes.as_dims(s) for s in nesting.up_to(dataset.element_spec, expected_shapes)]
            checked = [_with_shape(t, dims) for t, dims in zip(flat, wanted, strict=True)]
            return nesting.pack(value, checked)

        return dataset.map(check)

    return transform


def _with_shape(tensor: Tensor, dims: shapes.Dims) -> Tensor:
    known = shapes.merge(tensor.dims, dims)
    if dims is None or tensor.dims == known:
        return tensor
    sizes = [-1 if d is None else d for d in dims]
    found = raw.EnsureShape(tensor, shape=dims) if hasattr(raw, "EnsureShape") else raw.Reshape(tensor, sizes)
    found.dims = known
    return found


@public("data.experimental.Counter", "contrib.data.Counter")
def counter(start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64) -> Dataset:
    """The numbers from `start` on, `step` apart, without end.

    Args:
      start, step: of dtype `dtype`.
      dtype: of the elements.
    """
    with name_scope("counter"):
        kind = dtypes.as_dtype(dtype)
        first, apart = convert.to_tensor(start, kind, "start"), convert.to_tensor(step, kind, "step")
        return (
            Dataset.from_tensors(0).repeat(None).apply(scan(first, lambda state, _: (state + apart, state)))
        )


@public("data.experimental.cardinality")
def cardinality(dataset: Any) -> Tensor:
    """How many elements a dataset has: INFINITE_CARDINALITY for no end, UNKNOWN_CARDINALITY where it is
    not known.
    """
    return raw.DatasetCardinality(dataset._variant_tensor)


@public("data.experimental.get_single_element", "contrib.data.get_single_element")
def get_single_element(dataset: Any) -> Any:
    """The one element of a dataset, as tensors.

    Raises:
      TypeError: it is not a dataset.
      InvalidArgumentError: when run, if it has no element, or more than one.
    """
    if not hasattr(dataset, "_variant_tensor"):
        raise TypeError(f"`dataset` must be a `tf.data.Dataset` object. Received: {dataset!r}")
    tensors = raw.DatasetToSingleElement(dataset._variant_tensor, **dataset._attrs)
    return element_from(dataset.element_spec, tensors)


@public("data.experimental.copy_to_device", "contrib.data.copy_to_device")
def copy_to_device(target_device: str, source_device: str = "/cpu:0") -> Transformation:
    """The same elements: sessions move what their operations take to the device that computes.

    Args:
      target_device, source_device: accepted.
    """
    return lambda dataset: dataset._of(dataset._variant_tensor, dataset.element_spec, dataset)


@public("data.experimental.prefetch_to_device", "contrib.data.prefetch_to_device")
def prefetch_to_device(device: str, buffer_size: Any = None) -> Transformation:
    """`prefetch(buffer_size)`; the session moves the elements.

    Args:
      device: accepted.
      buffer_size: elements made ahead; default AUTOTUNE.
    """
    return lambda dataset: dataset.apply(copy_to_device(device)).prefetch(buffer_size)


@public("data.experimental.RandomDataset", "contrib.data.RandomDataset")
class RandomDataset(Dataset):
    """Pseudo-random int64 numbers in [0, 2**32) without end.

    Args:
      seed: for the sequence.
    """

    def __init__(self, seed: int | None = None) -> None:
        first, second = seeds(seed)
        structure = TensorSpec([], dtypes.int64)
        super().__init__(raw.RandomDataset(first, second, **attrs_of(structure)), structure)


@public("data.experimental.latency_stats", "contrib.data.latency_stats")
def latency_stats(tag: str) -> Transformation:
    """The same elements; accepted for programs that gather statistics."""

    def transform(dataset: Any) -> Any:
        text = convert.to_tensor(tag, dtypes.string)
        return dataset._same(raw.LatencyStatsDataset(dataset._variant_tensor, text, **dataset._attrs))

    return transform


@public("data.experimental.bytes_produced_stats", "contrib.data.bytes_produced_stats")
def bytes_produced_stats(tag: str) -> Transformation:
    """The same elements; accepted for programs that gather statistics."""

    def transform(dataset: Any) -> Any:
        text = convert.to_tensor(tag, dtypes.string)
        return dataset._same(raw.BytesProducedStatsDataset(dataset._variant_tensor, text, **dataset._attrs))

    return transform


@public("data.experimental.StatsAggregator")
class StatsAggregator:
    """What statistics go to; millrace gathers none."""

    def __init__(self) -> None:
        self._resource = raw.StatsAggregatorHandle()

    def get_summary(self) -> Tensor:
        """A scalar string: a serialized Summary, which is empty."""
        return raw.StatsAggregatorSummary(self._resource)

    def applied(self, tensor: Tensor, options: Any, attrs: dict[str, Any]) -> Tensor:
        """A dataset's tensor, with its statistics going here."""
        prefix = convert.to_tensor(options.prefix, dtypes.string)
        counters = convert.to_tensor(options.counter_prefix, dtypes.string)
        return raw.SetStatsAggregatorDataset(tensor, self._resource, prefix, counters, **attrs)
