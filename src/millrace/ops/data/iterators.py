"""Operations on iterators."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.graph.attrs import function, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.datasets import iterators
from millrace.opkit.datasets.declaring import ANY_ELEMENT, ELEMENT
from millrace.opkit.datasets.iterators import IteratorResource, Optional, next_of
from millrace.opkit.datasets.mapping import as_dataset


def _new(attrs: Any) -> IteratorResource:
    return IteratorResource(attrs["output_types"], attrs["output_shapes"])


@declare(
    "IteratorV2() -> handle: resource",
    shared_name=text(),
    container=text(),
    **ELEMENT,
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
    "Iterator() -> handle: resource", shared_name=text(), container=text(), **ELEMENT, state=_new, host=True
)
class Iterator:
    """An iterator, which an initializer gives a dataset."""

    def shape():
        return ()

    def kernel(xp, iterator):
        return iterator, iterator

    grad = NOT_DIFFERENTIABLE


@declare("AnonymousIterator() -> handle: resource", **ELEMENT, effect=True, host=True)
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
    **ELEMENT,
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


@declare(
    "IteratorGetNext(iterator: resource) -> components: output_types",
    **ELEMENT,
    effect=True,
    host=True,
    blocking=True,
)
class IteratorGetNext:
    """The next element."""

    def shape(iterator, output_shapes):
        return list(output_shapes)

    def kernel(xp, iterator):
        return next_of(iterator)

    grad = NOT_DIFFERENTIABLE


@declare(
    "IteratorGetNextSync(iterator: resource) -> components: output_types",
    **ELEMENT,
    effect=True,
    host=True,
    blocking=True,
)
class IteratorGetNextSync:
    """The next element."""

    def shape(iterator, output_shapes):
        return list(output_shapes)

    def kernel(xp, iterator):
        return next_of(iterator)

    grad = NOT_DIFFERENTIABLE


@declare(
    "IteratorGetNextAsOptional(iterator: resource) -> optional: variant",
    **ELEMENT,
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
    **ANY_ELEMENT,
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
    **ANY_ELEMENT,
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


@declare(
    "SerializeIterator(resource_handle: resource) -> serialized: variant",
    effect=True,
    host=True,
    blocking=True,
)
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
