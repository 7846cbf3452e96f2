"""Groups of elements with equal keys: windows of them, or what they reduce to; batches by length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.datasets import nesting
from millrace.datasets.dataset import check_state, widened
from millrace.datasets.elements import attrs_of
from millrace.datasets.functions import StructuredFunction, is_scalar, wrapper
from millrace.datasets.specs import TensorSpec
from millrace.datasets.windows import DatasetSpec

_KEY = TensorSpec([], dtypes.int64)
_WHO = "tf.data.experimental.group_by_window()"


@public("data.experimental.group_by_window", "contrib.data.group_by_window")
def group_by_window(
    key_func: Callable[..., Any],
    reduce_func: Callable[..., Any],
    window_size: Any = None,
    window_size_func: Callable[..., Any] | None = None,
) -> Callable[[Any], Any]:
    """What `reduce_func` makes of the elements with one key, a window of them at a time.

    Args:
      key_func: of an element to a scalar int64.
      reduce_func: of a key and a dataset of up to `window_size` elements to a dataset.
      window_size: how many elements.
      window_size_func: of a key to that number; one of the two is given.

    Raises:
      ValueError: both or none are given, or a function returns something else.
    """
    if (window_size is None) == (window_size_func is None):
        raise ValueError("Must pass either window_size or window_size_func, and not both.")
    size_of = window_size_func or (lambda _: convert.to_tensor(window_size, dtypes.int64))

    def key_of(*element: Any) -> Any:
        return convert.to_tensor(_cast_number(key_func(*element)), dtypes.int64)

    def size_func(key: Any) -> Any:
        return convert.to_tensor(_cast_number(size_of(key)), dtypes.int64)

    def transform(dataset: Any) -> Any:
        structure = dataset.element_spec
        key = StructuredFunction(wrapper(key_of, "key_func_wrapper"), _WHO, structure)
        if not is_scalar(key.output, dtypes.int64):
            raise ValueError(f"`key_func` must return a single tf.int64 tensor. Received: {key.output}")
        reduced = StructuredFunction(reduce_func, _WHO, (_KEY, DatasetSpec(structure)))
        if not isinstance(reduced.output, DatasetSpec):
            raise TypeError(f"`reduce_func` must return a `Dataset` object. Received: {reduced.output}")
        size = StructuredFunction(wrapper(size_func, "window_size_func_wrapper"), _WHO, _KEY)
        if not is_scalar(size.output, dtypes.int64):
            raise ValueError(
                f"`window_size_func` must return a single tf.int64 scalar tensor. Received: {size.output}"
            )
        inner = reduced.output.element_spec
        made = raw.GroupByWindowDataset(
            dataset._variant_tensor,
            key.captured,
            reduced.captured,
            size.captured,
            key_func=key.graph,
            reduce_func=reduced.graph,
            window_size_func=size.graph,
            **attrs_of(inner),
        )
        return dataset._of(made, inner, dataset)

    return transform


def _cast_number(value: Any) -> Any:
    """A Python or NumPy number as int64; a tensor as it is."""
    return np.int64(value) if isinstance(value, int | np.integer) else value


@public("data.experimental.Reducer", "contrib.data.Reducer")
class Reducer:
    """How elements are reduced: a state is made for a key, changed by each element, and turned into a result.

    Args:
      init_func: of a key to a state.
      reduce_func: of a state and an element to the next state.
      finalize_func: of a state to the result.
    """

    def __init__(
        self,
        init_func: Callable[..., Any],
        reduce_func: Callable[..., Any],
        finalize_func: Callable[..., Any],
    ) -> None:
        self._init_func = init_func
        self._reduce_func = reduce_func
        self._finalize_func = finalize_func

    @property
    def init_func(self) -> Callable[..., Any]:
        """Of a key to a state."""
        return self._init_func

    @property
    def reduce_func(self) -> Callable[..., Any]:
        """Of a state and an element to the next state."""
        return self._reduce_func

    @property
    def finalize_func(self) -> Callable[..., Any]:
        """Of a state to the result."""
        return self._finalize_func


@public("data.experimental.group_by_reducer", "contrib.data.group_by_reducer")
def group_by_reducer(key_func: Callable[..., Any], reducer: Reducer) -> Callable[[Any], Any]:
    """For each key, what its elements reduce to; keys come in ascending order, at the end of the input.

    Args:
      key_func: of an element to a scalar int64.
      reducer: how.

    Raises:
      ValueError, TypeError: a function returns something else.
    """
    who = "tf.data.experimental.group_by_reducer()"

    def transform(dataset: Any) -> Any:
        structure = dataset.element_spec
        key = StructuredFunction(key_func, who, structure)
        if not is_scalar(key.output, dtypes.int64):
            raise ValueError(f"`key_func` must return a single tf.int64 tensor. Received: {key.output}")
        init = StructuredFunction(reducer.init_func, who, _KEY)
        state = init.output
        while True:
            reduced = StructuredFunction(reducer.reduce_func, who, (state, structure))
            check_state(state, reduced.output)
            wider = nesting.map_structure(widened, state, reduced.output)
            if wider == state:
                break
            state = wider
        final = StructuredFunction(reducer.finalize_func, who, state)
        made = raw.ExperimentalGroupByReducerDataset(
            dataset._variant_tensor,
            key.captured,
            init.captured,
            reduced.captured,
            final.captured,
            key_func=key.graph,
            init_func=init.graph,
            reduce_func=reduced.graph,
            finalize_func=final.graph,
            **attrs_of(final.output),
        )
        return dataset._of(made, final.output, dataset)

    return transform


@public("contrib.data.reduce_dataset")
def reduce_dataset(dataset: Any, reducer: Reducer) -> Any:
    """What all elements of a dataset reduce to, as tensors."""
    from millrace.datasets.experimental import get_single_element

    zero = convert.to_tensor(0, dtypes.int64)
    return get_single_element(dataset.apply(group_by_reducer(lambda *_: np.int64(0) + zero, reducer)))


@public("data.experimental.bucket_by_sequence_length", "contrib.data.bucket_by_sequence_length")
def bucket_by_sequence_length(
    element_length_func: Callable[..., Any],
    bucket_boundaries: Sequence[int],
    bucket_batch_sizes: Sequence[int],
    padded_shapes: Any = None,
    padding_values: Any = None,
    pad_to_bucket_boundary: bool = False,
    no_padding: bool = False,
    drop_remainder: bool = False,
) -> Callable[[Any], Any]:
    """Padded batches of elements of similar length.

    Args:
      element_length_func: of an element to a scalar int32, its length.
      bucket_boundaries: upper bounds of the lengths in a bucket.
      bucket_batch_sizes: batch sizes, one more than boundaries.
      padded_shapes: nested shapes; default: the elements' own, unknown dimensions padded.
      padding_values: nested scalars to pad with.
      pad_to_bucket_boundary: pad to one less than the bucket's bound instead of the longest; the last
      bucket may
        then have no elements.
      no_padding: batch without padding.
      drop_remainder: leave out last batches that are smaller.

    Raises:
      ValueError: there is not one batch size more than boundaries.
    """
    if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
        raise ValueError("len(bucket_batch_sizes) must equal len(bucket_boundaries) + 1")
    with name_scope("bucket_by_seq_length"):
        sizes = convert.to_tensor(list(bucket_batch_sizes), dtypes.int64)

    def bucket_of(*element: Any) -> Any:
        length = element_length_func(*element)
        bounds = list(bucket_boundaries)
        least, most = [np.iinfo(np.int32).min, *bounds], [*bounds, np.iinfo(np.int32).max]
        inside = raw.LogicalAnd(raw.LessEqual(least, length), raw.Less(length, most))
        return raw.Min(raw.Where(inside), convert.to_tensor([0, 1], dtypes.int32))

    def size_of(bucket: Any) -> Any:
        return sizes[bucket]

    def batching_fn(bucket: Any, grouped: Any) -> Any:
        size = size_of(bucket)
        if no_padding:
            return grouped.batch(size, drop_remainder=drop_remainder)
        wanted = padded_shapes
        if wanted is None:
            wanted = nesting.map_structure(lambda spec: spec.shape, grouped.element_spec)
        if pad_to_bucket_boundary:
            wanted = _to_boundary(grouped.element_spec, wanted, bucket, bucket_boundaries)
        return grouped.padded_batch(size, wanted, padding_values, drop_remainder=drop_remainder)

    return lambda dataset: dataset.apply(group_by_window(bucket_of, batching_fn, window_size_func=size_of))


def _to_boundary(structure: Any, wanted: Any, bucket: Any, boundaries: Sequence[int]) -> Any:
    """Padded shapes whose unknown dimensions are one less than the bound of the bucket."""
    from millrace.building.scopes import control_dependencies
    from millrace.lib.math.checks import assert_less

    last = convert.to_tensor(len(boundaries), dtypes.int64)
    message = "When pad_to_bucket_boundary=True, elements must have length < max(bucket_boundaries)."
    with control_dependencies([assert_less(bucket, last, message=message)]):
        bounds = convert.to_tensor(list(boundaries), dtypes.int64)
        length = bounds[raw.Identity(bucket)] - 1

    def padded(shape: Any) -> Any:
        dims = shapes.as_dims(shape)
        assert dims is not None
        parts = [length if d is None else convert.to_tensor(d, dtypes.int64) for d in dims]
        return raw.Pack(parts) if parts else convert.to_tensor(np.zeros(0, np.int64))

    return nesting.map_structure(padded, wanted)
