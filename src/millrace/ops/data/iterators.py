"""Operations on iterators and optionals, and those that take a dataset's elements themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.errors import refusal
from millrace.graph.attrs import flag, function, shape_list, text, texts, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.datasets import iterators
from millrace.opkit.datasets.base import Dataset, Run, ended_or_raise, scalar
from millrace.opkit.datasets.iterators import IteratorResource, MultiDeviceResource, Optional
from millrace.opkit.datasets.mapping import as_dataset

_ELEMENT: dict[str, Any] = dict(output_types=types(minimum=1), output_shapes=shape_list(minimum=1))
_ANY: dict[str, Any] = dict(output_types=types(()), output_shapes=shape_list(()))


def _new(attrs: Any) -> IteratorResource:
    return IteratorResource(attrs["output_types"], attrs["output_shapes"])


@declare(
    "IteratorV2() -> handle: resource",
    shared_name=text(),
    container=text(),
    **_ELEMENT,
    state=_new,
    host=True,
)
class IteratorV2:
    """An iterator, which an initializer gives a dataset."""

    def shape():
        return ()

    def kernel(xp, iterator):
        return iterator, iterator

    grad = NOT_DIFFERENTIABLE


@declare(
    "Iterator() -> handle: resource", shared_name=text(), container=text(), **_ELEMENT, state=_new, host=True
)
class Iterator:
    """An iterator, which an initializer gives a dataset."""

    def shape():
        return ()

    def kernel(xp, iterator):
        return iterator, iterator

    grad = NOT_DIFFERENTIABLE


@declare("AnonymousIterator() -> handle: resource", **_ELEMENT, effect=True, host=True)
class AnonymousIterator:
    """A new iterator, each time it runs."""

    def shape():
        return ()

    def kernel(xp, output_types, output_shapes):
        return IteratorResource(output_types, output_shapes)

    grad = NOT_DIFFERENTIABLE


@declare(
    "OneShotIterator() -> handle: resource",
    dataset_factory=function(),
    **_ELEMENT,
    container=text(""),
    shared_name=text(""),
    state=lambda attrs: IteratorResource(
        attrs["output_types"], attrs["output_shapes"], attrs["dataset_factory"]
    ),
    host=True,
)
class OneShotIterator:
    """An iterator that makes its dataset itself."""

    def shape():
        return ()

    def kernel(xp, iterator):
        return iterator, iterator

    grad = NOT_DIFFERENTIABLE


@declare("MakeIterator(dataset: variant, iterator: resource)", effect=True, host=True, blocking=True)
class MakeIterator:
    """Starts an iterator at the beginning of a dataset."""

    def shape(dataset, iterator):
        return []

    def kernel(xp, dataset, iterator):
        iterator.make(as_dataset(dataset))
        return []

    grad = NOT_DIFFERENTIABLE


def _dims(output_shapes: Any) -> list[Any]:
    return list(output_shapes)


def _next(iterator: Any) -> Any:
    element = iterator.get()
    if element is None:
        raise errors.OutOfRangeError(None, None, "End of sequence")
    return element


@declare(
    "IteratorGetNext(iterator: resource) -> components: output_types",
    **_ELEMENT,
    effect=True,
    host=True,
    blocking=True,
)
class IteratorGetNext:
    """The next element."""

    def shape(iterator, output_shapes):
        return _dims(output_shapes)

    def kernel(xp, iterator):
        return _next(iterator)

    grad = NOT_DIFFERENTIABLE


@declare(
    "IteratorGetNextSync(iterator: resource) -> components: output_types",
    **_ELEMENT,
    effect=True,
    host=True,
    blocking=True,
)
class IteratorGetNextSync:
    """The next element."""

    def shape(iterator, output_shapes):
        return _dims(output_shapes)

    def kernel(xp, iterator):
        return _next(iterator)

    grad = NOT_DIFFERENTIABLE


@declare(
    "IteratorGetNextAsOptional(iterator: resource) -> optional: variant",
    **_ELEMENT,
    effect=True,
    host=True,
    blocking=True,
)
class IteratorGetNextAsOptional:
    """The next element, or the lack of one."""

    def shape(iterator):
        return ()

    def kernel(xp, iterator):
        return Optional(iterator.get())

    grad = NOT_DIFFERENTIABLE


@declare("IteratorToStringHandle(resource_handle: resource) -> string_handle: string", host=True)
class IteratorToStringHandle:
    """The string by which other operations find an iterator."""

    def shape(resource_handle):
        return ()

    def kernel(xp, resource_handle):
        return iterators.handle_of(resource_handle)

    grad = NOT_DIFFERENTIABLE


@declare(
    "IteratorFromStringHandleV2(string_handle: string) -> resource_handle: resource",
    **_ANY,
    effect=True,
    host=True,
)
class IteratorFromStringHandleV2:
    """The iterator that a string names."""

    def shape(string_handle):
        return ()

    def kernel(xp, string_handle, output_types, output_shapes):
        return iterators.found(string_handle, IteratorResource, output_types, output_shapes)

    grad = NOT_DIFFERENTIABLE


@declare(
    "IteratorFromStringHandle(string_handle: string) -> resource_handle: resource",
    **_ANY,
    effect=True,
    host=True,
)
class IteratorFromStringHandle:
    """The iterator that a string names."""

    def shape(string_handle):
        return ()

    def kernel(xp, string_handle, output_types, output_shapes):
        return iterators.found(string_handle, IteratorResource, output_types, output_shapes)

    grad = NOT_DIFFERENTIABLE


@declare("SerializeIterator(resource_handle: resource) -> serialized: variant", effect=True, host=True)
class SerializeIterator:
    """Where an iterator stands."""

    def shape(resource_handle):
        return ()

    def kernel(xp, resource_handle):
        state = np.empty((), object)
        state[()] = resource_handle.save()
        return state

    grad = NOT_DIFFERENTIABLE


@declare(
    "DeserializeIterator(resource_handle: resource, serialized: variant)",
    effect=True,
    host=True,
    blocking=True,
)
class DeserializeIterator:
    """Sets an iterator to where it stood."""

    def shape(resource_handle, serialized):
        return []

    def kernel(xp, resource_handle, serialized):
        resource_handle.restore(bytes(np.asarray(serialized, object).reshape(())[()]))
        return []

    grad = NOT_DIFFERENTIABLE


@declare("IteratorGetDevice(resource: resource) -> device: string", host=True)
class IteratorGetDevice:
    """The device that an iterator is on."""

    def shape(resource):
        return ()

    def kernel(xp, resource):
        return np.array(b"/job:localhost/replica:0/task:0/device:CPU:0", object)

    grad = NOT_DIFFERENTIABLE


# --- several devices ---------------------------------------------------------------------------------------


@declare(
    "MultiDeviceIterator() -> handle: resource",
    devices=texts(),
    shared_name=text(),
    container=text(),
    **_ELEMENT,
    state=lambda attrs: MultiDeviceResource(attrs["devices"], attrs["output_types"], attrs["output_shapes"]),
    host=True,
)
class MultiDeviceIterator:
    """An iterator that deals elements out to several devices."""

    def shape():
        return ()

    def kernel(xp, iterator):
        return iterator, iterator

    grad = NOT_DIFFERENTIABLE


@declare(
    "MultiDeviceIteratorInit(dataset: variant, multi_device_iterator: resource, max_buffer_size: int64) -> "
    "incarnation_id: int64",
    effect=True,
    host=True,
    blocking=True,
)
class MultiDeviceIteratorInit:
    """Starts it at the beginning of a dataset."""

    def shape(dataset, multi_device_iterator, max_buffer_size):
        return ()

    def kernel(xp, dataset, multi_device_iterator, max_buffer_size):
        return np.int64(multi_device_iterator.init(as_dataset(dataset), scalar(max_buffer_size)))

    grad = NOT_DIFFERENTIABLE


@declare(
    "MultiDeviceIteratorGetNextFromShard(multi_device_iterator: resource, shard_num: int32, incarnation_id: "
    "int64) -> components: output_types",
    **_ELEMENT,
    effect=True,
    host=True,
    blocking=True,
)
class MultiDeviceIteratorGetNextFromShard:
    """The next element for one of the devices."""

    def shape(multi_device_iterator, shard_num, incarnation_id, output_shapes):
        return _dims(output_shapes)

    def kernel(xp, multi_device_iterator, shard_num, incarnation_id):
        element = multi_device_iterator.get(scalar(shard_num), scalar(incarnation_id))
        if element is None:
            raise errors.OutOfRangeError(None, None, "End of sequence")
        return element

    grad = NOT_DIFFERENTIABLE


@declare(
    "MultiDeviceIteratorToStringHandle(multi_device_iterator: resource) -> string_handle: string", host=True
)
class MultiDeviceIteratorToStringHandle:
    """The string by which other operations find it."""

    def shape(multi_device_iterator):
        return ()

    def kernel(xp, multi_device_iterator):
        return iterators.handle_of(multi_device_iterator)

    grad = NOT_DIFFERENTIABLE


@declare(
    "MultiDeviceIteratorFromStringHandle(string_handle: string) -> multi_device_iterator: resource",
    **_ANY,
    effect=True,
    host=True,
)
class MultiDeviceIteratorFromStringHandle:
    """The one that a string names."""

    def shape(string_handle):
        return ()

    def kernel(xp, string_handle, output_types, output_shapes):
        return iterators.found(string_handle, MultiDeviceResource, output_types, output_shapes)

    grad = NOT_DIFFERENTIABLE


# --- optionals ---------------------------------------------------------------------------------------------


@declare(
    "OptionalFromValue(components: Toutput_types) -> optional: variant",
    Toutput_types=types(minimum=1),
    host=True,
)
class OptionalFromValue:
    """An optional that has a value."""

    def shape(components):
        return ()

    def kernel(xp, components):
        return Optional(tuple(components))

    grad = NOT_DIFFERENTIABLE


@declare("OptionalNone() -> optional: variant", host=True)
class OptionalNone:
    """An optional without a value."""

    def shape():
        return ()

    def kernel(xp):
        return Optional(None)

    grad = NOT_DIFFERENTIABLE


@declare("OptionalHasValue(optional: variant) -> has_value: bool", host=True)
class OptionalHasValue:
    """Whether there is a value."""

    def shape(optional):
        return ()

    def kernel(xp, optional):
        return np.bool_(optional.element is not None)

    grad = NOT_DIFFERENTIABLE


@declare("OptionalGetValue(optional: variant) -> components: output_types", **_ELEMENT, host=True, alias=True)
class OptionalGetValue:
    """The value."""

    def shape(optional, output_shapes):
        return _dims(output_shapes)

    def kernel(xp, optional):
        if optional.element is None:
            raise refusal("The given optional does not have a value.")
        return optional.element

    grad = NOT_DIFFERENTIABLE


# --- whole datasets ----------------------------------------------------------------------------------------


@declare(
    "DatasetToSingleElement(dataset: variant) -> components: output_types",
    **_ELEMENT,
    effect=True,
    host=True,
    blocking=True,
    alias=True,
)
class DatasetToSingleElement:
    """The one element of a dataset."""

    def shape(dataset, output_shapes):
        return _dims(output_shapes)

    def kernel(xp, dataset):
        stage = Run().begin(as_dataset(dataset))
        try:
            element = stage.next()
            if element is None:
                raise refusal("Dataset was empty.")
            if stage.next() is not None:
                raise refusal("Dataset had more than one element.")
        finally:
            stage.close()
        return element

    grad = NOT_DIFFERENTIABLE


@declare(
    "ReduceDataset(input_dataset: variant, initial_state: Tstate, other_arguments: Targuments) -> "
    "components: "
    "output_types",
    f=function(),
    Tstate=types(minimum=1),
    Targuments=types(()),
    **_ELEMENT,
    use_inter_op_parallelism=flag(True),
    effect=True,
    host=True,
    blocking=True,
    alias=True,
)
class ReduceDataset:
    """What `f` of the state and each element makes of the state."""

    def shape(input_dataset, initial_state, other_arguments, output_shapes):
        return _dims(output_shapes)

    def kernel(xp, input_dataset, initial_state, other_arguments, f, op):
        dataset, run = as_dataset(input_dataset), Run()
        call, stage = run.start(f, other_arguments), run.begin(dataset)
        state, count = tuple(initial_state), 0
        try:
            while (element := stage.next()) is not None:
                count += 1
                state = call(*state, *element)
        except Exception as error:
            ended_or_raise(error, _Named(op), run, count - 1)
        finally:
            stage.close()
        return tuple(state)

    grad = NOT_DIFFERENTIABLE


class _Named(Dataset):
    """An operation that takes elements itself, for messages."""


@declare("DatasetCardinality(input_dataset: variant) -> cardinality: int64", host=True)
class DatasetCardinality:
    """How many elements there are; -1 for no end, -2 where that is not known."""

    def shape(input_dataset):
        return ()

    def kernel(xp, input_dataset):
        return np.int64(as_dataset(input_dataset).cardinality())

    grad = NOT_DIFFERENTIABLE


@declare("ExperimentalDatasetCardinality(input_dataset: variant) -> cardinality: int64", host=True)
class ExperimentalDatasetCardinality:
    """How many elements there are; -1 for no end, -2 where that is not known."""

    def shape(input_dataset):
        return ()

    def kernel(xp, input_dataset):
        return np.int64(as_dataset(input_dataset).cardinality())

    grad = NOT_DIFFERENTIABLE


@declare(
    "DatasetToTFRecord(input_dataset: variant, filename: string, compression_type: string)",
    effect=True,
    host=True,
    blocking=True,
)
class DatasetToTFRecord:
    """Writes the elements, strings, to a file of records."""

    def shape(input_dataset, filename, compression_type):
        return []

    def kernel(xp, input_dataset, filename, compression_type):
        iterators.write_records(as_dataset(input_dataset), filename, compression_type)
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "ExperimentalDatasetToTFRecord(input_dataset: variant, filename: string, compression_type: string)",
    effect=True,
    host=True,
    blocking=True,
)
class ExperimentalDatasetToTFRecord:
    """Writes the elements, strings, to a file of records."""

    def shape(input_dataset, filename, compression_type):
        return []

    def kernel(xp, input_dataset, filename, compression_type):
        iterators.write_records(as_dataset(input_dataset), filename, compression_type)
        return []

    grad = NOT_DIFFERENTIABLE


@declare("WrapDatasetVariant(input_handle: variant) -> output_handle: variant", host=True, alias=True)
class WrapDatasetVariant:
    """The dataset."""

    def shape(input_handle):
        return ()

    def kernel(xp, input_handle):
        return input_handle

    grad = NOT_DIFFERENTIABLE


@declare("UnwrapDatasetVariant(input_handle: variant) -> output_handle: variant", host=True, alias=True)
class UnwrapDatasetVariant:
    """The dataset."""

    def shape(input_handle):
        return ()

    def kernel(xp, input_handle):
        return input_handle

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatsAggregatorHandle() -> handle: resource",
    container=text(""),
    shared_name=text(""),
    state=lambda attrs: object(),
    host=True,
)
class StatsAggregatorHandle:
    """What statistics go to; millrace gathers none."""

    def shape():
        return ()

    def kernel(xp, aggregator):
        return aggregator, aggregator

    grad = NOT_DIFFERENTIABLE


@declare("StatsAggregatorSummary(iterator: resource) -> summary: string", effect=True, host=True)
class StatsAggregatorSummary:
    """A serialized Summary of the statistics, which is empty."""

    def shape(iterator):
        return ()

    def kernel(xp, iterator):
        return np.array(b"", object)

    grad = NOT_DIFFERENTIABLE
