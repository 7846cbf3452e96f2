"""Iterators that deal elements out to several devices."""

from __future__ import annotations

import numpy as np

from millrace.core import errors
from millrace.graph.attrs import text, texts
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.datasets import iterators
from millrace.opkit.datasets.base import scalar
from millrace.opkit.datasets.declaring import ANY_ELEMENT, ELEMENT
from millrace.opkit.datasets.iterators import MultiDeviceResource
from millrace.opkit.datasets.mapping import as_dataset


@declare(
    "MultiDeviceIterator() -> handle: resource",
    devices=texts(),
    shared_name=text(),
    container=text(),
    **ELEMENT,
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
    **ELEMENT,
    effect=True,
    host=True,
    blocking=True,
)
class MultiDeviceIteratorGetNextFromShard:
    """The next element for one of the devices."""

    def shape(multi_device_iterator, shard_num, incarnation_id, output_shapes):
        return list(output_shapes)

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
    **ANY_ELEMENT,
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
