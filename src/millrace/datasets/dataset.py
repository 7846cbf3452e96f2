"""`tf.data.Dataset`: a sequence of elements, described; iterators give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.datasets import batching, creation, generators, nesting, specs, windows
from millrace.datasets.base import DatasetBase
from millrace.datasets.elements import attrs_of, int64, normalized, seeds, structure_of, tensors_of
from millrace.datasets.functions import StructuredFunction, element_from, is_scalar
from millrace.datasets.options import Options
from millrace.datasets.specs import TensorSpec
from millrace.graph.tensor import Tensor


@public(
    "data.Dataset",
    "contrib.data.Dataset",
    "python.data.ops.dataset_ops.DatasetV2",
    "python.data.ops.dataset_ops.DatasetV1",
)
class Dataset(DatasetBase):
    """A sequence of elements that nest alike; every method gives a new dataset.

    An element is a tensor, or a nested structure (tuples, dicts) of tensors and sparse tensors. Functions of
    elements are drawn as functions of the graph; a tuple reaches them as several arguments.
    """

    # --- sources --------------------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """One element: `tensors`, a nested structure of what converts to tensors."""
        return creation.from_tensors(Dataset, tensors)

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """The rows of `tensors`, a nested structure of tensors with equal first dimensions.

        Raises:
          ValueError: a tensor is a scalar, or the first dimensions differ.

        Example:
          >>> dataset = tf.data.Dataset.from_tensor_slices([1, 2, 3])
          >>> element = dataset.make_one_shot_iterator().get_next()
          >>> with tf.Session() as sess:
          ...     print(sess.run(element), sess.run(element))
          1 2
        """
        return creation.from_tensor_slices(Dataset, tensors)

    @staticmethod
    def from_sparse_tensor_slices(sparse_tensor: Any) -> Dataset:
        """The rows of a SparseTensor, as tuples of indices, values and shape.

        Raises:
          TypeError: it is not a SparseTensor.
        """
        return creation.from_sparse_tensor_slices(Dataset, sparse_tensor)

    @staticmethod
    def from_generator(
        generator: Callable[..., Any], output_types: Any, output_shapes: Any = None, args: Any = None
    ) -> Dataset:
        """What a Python function yields.

        Args:
          generator: returns something that can be iterated over; called for each iteration.
          output_types: nested dtypes of an element.
          output_shapes: nested shapes; default: unknown.
          args: a tuple of tensors, whose values are the arguments of `generator`.

        Raises:
          TypeError: `generator` is not callable.
        """
        return generators.from_generator(Dataset, generator, output_types, output_shapes, args)

    @staticmethod
    def range(*args: Any) -> Dataset:
        """int64 numbers: `range(stop)`, `range(start, stop)` or `range(start, stop, step)`.

        Raises:
          ValueError: there are no arguments, or more than three.
        """
        return creation.number_range(Dataset, args)

    @staticmethod
    def zip(datasets: Any) -> Dataset:
        """Elements of several datasets side by side, in the nesting of `datasets`; ends with the shortest.

        Raises:
          TypeError: `datasets` holds something else, or is a list.
        """
        return creation.zipped(Dataset, datasets)

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: int | None = None) -> Dataset:
        """The names of the files that match a pattern, or one of several.

        Args:
          file_pattern: a string, a list of strings, or a tensor of them.
          shuffle: give them in random order; default True.
          seed: for that order.

        Raises:
          InvalidArgumentError: when run, if no file matches.
        """
        return creation.list_files(Dataset, file_pattern, shuffle, seed)

    # --- order and number -----------------------------------------------------------------------------------

    def concatenate(self, dataset: Dataset) -> Dataset:
        """These elements, then those of `dataset`.

        Raises:
          TypeError: its elements have other dtypes, or nest differently.
        """
        return batching.concatenated(self, dataset)

    def prefetch(self, buffer_size: Any) -> Dataset:
        """The same elements, up to `buffer_size` of them made ahead by a thread; None or AUTOTUNE leaves
        it to us.
        """
        size = int64(-1 if buffer_size is None else buffer_size, "buffer_size")
        return self._same(raw.PrefetchDataset(self._variant_tensor, size, slack_period=0, **self._attrs))

    def repeat(self, count: Any = None) -> Dataset:
        """The elements `count` times; without end where it is None or -1."""
        number = int64(-1 if count is None else count, "count")
        return self._same(raw.RepeatDataset(self._variant_tensor, number, **self._attrs))

    def enumerate(self, start: Any = 0) -> Dataset:
        """Pairs of a number, from `start` on, and an element."""
        most = dtypes.int64.max
        return Dataset.zip((Dataset.range(start, most), self))

    def shuffle(
        self, buffer_size: Any, seed: int | None = None, reshuffle_each_iteration: bool | None = None
    ) -> Dataset:
        """The elements in random order, each drawn from a buffer.

        Args:
          buffer_size: of the buffer, in elements.
          seed: for the order; with the graph's seed it gives TensorFlow's order.
          reshuffle_each_iteration: whether another iteration has another order; default True.
        """
        size = int64(buffer_size, "buffer_size")
        first, second = seeds(seed)
        again = True if reshuffle_each_iteration is None else reshuffle_each_iteration
        return self._same(
            raw.ShuffleDataset(
                self._variant_tensor, size, first, second, reshuffle_each_iteration=again, **self._attrs
            )
        )

    def cache(self, filename: Any = "") -> Dataset:
        """The elements, remembered from the first iteration: in memory, or in files named after
        `filename`.
        """
        name = convert.to_tensor(filename, dtypes.string, "filename")
        return self._same(raw.CacheDataset(self._variant_tensor, name, **self._attrs))

    def take(self, count: Any) -> Dataset:
        """The first `count` elements; all where it is -1."""
        number = int64(count, "count")
        return self._same(raw.TakeDataset(self._variant_tensor, number, **self._attrs))

    def skip(self, count: Any) -> Dataset:
        """All but the first `count` elements; none where it is -1."""
        number = int64(count, "count")
        return self._same(raw.SkipDataset(self._variant_tensor, number, **self._attrs))

    def shard(self, num_shards: Any, index: Any) -> Dataset:
        """Every `num_shards`-th element, from number `index` on.

        Raises:
          InvalidArgumentError: when run, if the numbers do not fit.
        """
        many, which = int64(num_shards, "num_shards"), int64(index, "index")
        return self._same(raw.ShardDataset(self._variant_tensor, many, which, **self._attrs))

    # --- batches --------------------------------------------------------------------------------------------

    def batch(self, batch_size: Any, drop_remainder: Any = False) -> Dataset:
        """Elements stacked, `batch_size` at a time.

        Args:
          batch_size: how many.
          drop_remainder: leave out a last batch that is smaller.
        """
        return batching.batched(self, batch_size, drop_remainder)

    def padded_batch(
        self, batch_size: Any, padded_shapes: Any, padding_values: Any = None, drop_remainder: Any = False
    ) -> Dataset:
        """Elements padded to the same shape and stacked.

        Args:
          batch_size: how many.
          padded_shapes: nested shapes; None or -1 where the longest of the batch decides.
          padding_values: nested scalars; default: zeros and empty strings.
          drop_remainder: leave out a last batch that is smaller.

        Raises:
          TypeError: a component is sparse, or a value has another dtype than its component.
          ValueError: a padded shape does not fit its component.
        """
        return batching.padded(self, batch_size, padded_shapes, padding_values, drop_remainder)

    def unbatch(self) -> Dataset:
        """The rows of each element."""
        return batching.unbatched(self)

    def window(self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: Any = False) -> Dataset:
        """Datasets of neighbouring elements.

        Args:
          size: elements a window has.
          shift: elements between the beginnings of windows; default `size`.
          stride: distance of the elements in a window.
          drop_remainder: leave out windows that are smaller.
        """
        return windows.window(self, size, shift, stride, drop_remainder)

    # --- functions ------------------------------------------------------------------------------------------

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None) -> Dataset:
        """`map_func` of each element.

        Args:
          map_func: of an element to a nested structure of tensors.
          num_parallel_calls: how many calls may run at once; elements keep their order.
        """
        function = StructuredFunction(map_func, "Dataset.map()", self.element_spec)
        attrs = {"f": function.graph, **attrs_of(function.output)}
        source, captured = self._variant_tensor, function.captured
        if num_parallel_calls is None:
            made = raw.MapDataset(source, captured, preserve_cardinality=False, **attrs)
        else:
            calls = convert.to_tensor(num_parallel_calls, dtypes.int32, "num_parallel_calls")
            made = raw.ParallelMapDataset(source, captured, calls, preserve_cardinality=False, **attrs)
        return self._of(made, function.output, self)

    def map_with_legacy_function(
        self, map_func: Callable[..., Any], num_parallel_calls: Any = None
    ) -> Dataset:
        """The same as `map`."""
        return self.map(map_func, num_parallel_calls)

    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """The elements of the datasets that `map_func` makes of each element, one dataset after another.

        Raises:
          TypeError: it returns something else.
        """
        function = StructuredFunction(map_func, "Dataset.flat_map()", self.element_spec)
        inner = windows.element_of(function.output, "flat_map")
        made = raw.FlatMapDataset(
            self._variant_tensor, function.captured, f=function.graph, **attrs_of(inner)
        )
        return self._of(made, inner, self)

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: Any = -1,
        block_length: Any = 1,
        num_parallel_calls: Any = None,
    ) -> Dataset:
        """Blocks of elements of the datasets that `map_func` makes of each element, several of them in turn.

        Args:
          map_func: of an element to a dataset.
          cycle_length: how many datasets take turns.
          block_length: how many elements one gives before the next.
          num_parallel_calls: whether threads may take elements ahead; the order stays.

        Raises:
          TypeError: `map_func` returns something else.
        """
        function = StructuredFunction(map_func, "Dataset.interleave()", self.element_spec)
        inner = windows.element_of(function.output, "interleave")
        if isinstance(cycle_length, int) and cycle_length == -1:
            cycle_length = 2
        cycle, block = int64(cycle_length, "cycle_length"), int64(block_length, "block_length")
        inputs = self._variant_tensor, function.captured, cycle, block
        attrs = {"f": function.graph, **attrs_of(inner)}
        if num_parallel_calls is None:
            made = raw.InterleaveDataset(*inputs, **attrs)
        else:
            calls = int64(num_parallel_calls, "num_parallel_calls")
            made = raw.ParallelInterleaveDatasetV2(*inputs, calls, **attrs)
        return self._of(made, inner, self)

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements for which `predicate`, a function to a scalar bool, holds.

        Raises:
          ValueError: it returns something else.
        """
        function = StructuredFunction(predicate, "Dataset.filter()", self.element_spec)
        if not is_scalar(function.output, dtypes.bool_):
            raise ValueError(
                f"`predicate` return type must be convertible to a scalar boolean tensor. Received: "
                f"{function.output}"
            )
        return self._same(
            raw.FilterDataset(
                self._variant_tensor, function.captured, predicate=function.graph, **self._attrs
            )
        )

    def filter_with_legacy_function(self, predicate: Callable[..., Any]) -> Dataset:
        """The same as `filter`."""
        return self.filter(predicate)

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any]) -> Any:
        """The last of the states that `reduce_func` makes of the state before and each element.

        Args:
          initial_state: nested tensors.
          reduce_func: of a state and an element to the next state, which nests alike.

        Returns:
          Tensors in the structure of `initial_state`.

        Raises:
          TypeError: the next state has other dtypes, or nests differently.
        """
        with name_scope("initial_state"):
            state = normalized(initial_state)
        shapes_of = structure_of(state)
        function, shapes_of = fixed_point(reduce_func, "reduce()", shapes_of, self.element_spec)
        tensors = raw.ReduceDataset(
            self._variant_tensor,
            tensors_of(shapes_of, state),
            function.captured,
            f=function.graph,
            **attrs_of(shapes_of),
        )
        return element_from(shapes_of, tensors)

    def apply(self, transformation_func: Callable[[Dataset], Any]) -> Any:
        """`transformation_func` of this dataset.

        Raises:
          TypeError: it does not return a dataset.
        """
        found = transformation_func(self)
        if not isinstance(found, DatasetBase):
            raise TypeError(f"`transformation_func` must return a Dataset. Received: {type(found).__name__}")
        return found

    # --- options --------------------------------------------------------------------------------------------

    def with_options(self, options: Options) -> Dataset:
        """The same elements, made under `options`, which add to those that were given before.

        Raises:
          ValueError: they contradict those.
        """
        if not isinstance(options, Options):
            raise TypeError(f"with_options: a tf.data.Options is needed. Received: {options!r}")
        found = self._of(self._variant_tensor, self.element_spec, self)
        found._own_options = options
        return found


def fixed_point(
    function: Callable[..., Any], who: str, state: Any, element: Any
) -> tuple[StructuredFunction, Any]:
    """A function of a state and an element to the next state, for state shapes that hold throughout.

    Raises:
      TypeError: the next state has other dtypes, or nests differently.
    """
    while True:
        wrapped = StructuredFunction(function, who, (state, element))
        check_state(state, wrapped.output)
        wider = nesting.map_structure(widened, state, wrapped.output)
        if wider == state:
            return wrapped, state
        state = wider


def check_state(state: Any, output: Any) -> None:
    """Refuses a next state that is not like the one before.

    Raises:
      TypeError: it has other dtypes, or nests differently.
    """
    try:
        nesting.assert_same_structure(state, output)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"The structure of the new state must match the initial state. Expected {state}; got "
            f"{output}. {error}"
        ) from None
    for before, after in zip(nesting.flatten(state), nesting.flatten(output), strict=True):
        if type(before) is not type(after) or before.flat_types != after.flat_types:
            raise TypeError(
                f"The element types for the new state must match the initial state. Expected {state}; "
                f"got {output}."
            )


def widened(before: Any, after: Any) -> Any:
    """A spec that both fit."""
    if isinstance(before, TensorSpec) and before.is_compatible_with(after) and before.dims is None:
        return before
    return before.most_specific_compatible_type(after)


specs.register(DatasetBase, lambda value: windows.DatasetSpec(value.element_spec))

__all__ = ["Dataset", "Tensor", "check_state", "fixed_point", "widened"]
