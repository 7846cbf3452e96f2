"""`tf.data.Iterator`, and the ways to make one."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from millrace.building import convert, raw
from millrace.building.function import ValueGraph
from millrace.building.scopes import colocate_with
from millrace.core import dtypes, errors
from millrace.core.public import public
from millrace.datasets import nesting
from millrace.datasets.elements import attrs_of, legacy_structure
from millrace.datasets.functions import element_from
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.opkit.random.seeds import get_seed

if TYPE_CHECKING:
    from millrace.datasets.base import DatasetBase

_ITERATORS = "iterators"  # the collection
_MANY_CALLS = 32
_HASHED_SEED = 87654321


@public("data.Iterator", "contrib.data.Iterator")
class Iterator:
    """Goes through the elements of a dataset, one for each time `get_next` is run.

    Args:
      iterator_resource: the handle.
      initializer: the operation that starts it, or None.
      output_types, output_shapes, output_classes: nested, of an element.
    """

    def __init__(
        self,
        iterator_resource: Tensor,
        initializer: Any,
        output_types: Any,
        output_shapes: Any,
        output_classes: Any,
    ) -> None:
        spec = legacy_structure(output_types, output_shapes, output_classes)
        self._set_up(iterator_resource, initializer, spec)

    def _set_up(self, resource: Tensor, initializer: Any, spec: Any) -> None:
        self._iterator_resource = resource
        self._initializer = initializer
        self._spec = spec
        self._string_handle = raw.IteratorToStringHandle(resource)
        self._calls = 0
        get_default_graph().add_to_collection(_ITERATORS, resource)

    @classmethod
    def _of(cls, resource: Tensor, initializer: Any, spec: Any) -> Iterator:
        made = cls.__new__(cls)
        made._set_up(resource, initializer, spec)
        return made

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> Iterator:
        """An iterator for datasets of one structure, given one by an operation of `make_initializer`.

        Args:
          output_types: nested dtypes.
          output_shapes: nested shapes; default: unknown.
          shared_name: under which several graphs of one session share it.
          output_classes: nested classes; default: `tf.Tensor`.
        """
        spec = legacy_structure(output_types, output_shapes, output_classes)
        resource = raw.IteratorV2(shared_name=shared_name or "", container="", **attrs_of(spec))
        return Iterator._of(resource, None, spec)

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Iterator:
        """The iterator that a string names, which another's `string_handle` has given.

        Args:
          string_handle: a scalar string tensor, mostly a placeholder.
          output_types, output_shapes, output_classes: nested, of an element.
        """
        spec = legacy_structure(output_types, output_shapes, output_classes)
        handle = convert.to_tensor(string_handle, dtypes.string)
        resource = raw.IteratorFromStringHandleV2(handle, **attrs_of(spec))
        return Iterator._of(resource, None, spec)

    @property
    def initializer(self) -> Operation:
        """The operation that starts the iterator at the beginning.

        Raises:
          ValueError: it starts by itself, or is started by `make_initializer`.
        """
        if self._initializer is None:
            raise ValueError("Iterator does not have an initializer.")
        return self._initializer

    def make_initializer(self, dataset: DatasetBase, name: str | None = None) -> Operation:
        """An operation that starts the iterator at the beginning of `dataset`.

        Raises:
          TypeError: its elements have other dtypes or classes, or nest differently.
          ValueError: they have shapes that do not fit.
        """
        try:
            nesting.assert_same_structure(self._spec, dataset.element_spec)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"Expected structure {self._spec} but got {dataset.element_spec}. {error}"
            ) from None
        pairs = zip(nesting.flatten(self._spec), nesting.flatten(dataset.element_spec), strict=True)
        for wanted, found in pairs:
            if type(wanted) is not type(found) or wanted.legacy_type != found.legacy_type:
                raise TypeError(
                    f"Expected output types {self.output_types!r} but got dataset with output types "
                    f"{dataset.output_types!r}."
                )
            if not wanted.is_compatible_with(found):
                raise TypeError(
                    f"Expected output shapes compatible with {self.output_shapes!r} but got dataset "
                    f"with output shapes {dataset.output_shapes!r}."
                )
        with colocate_with(self._iterator_resource):
            return raw.MakeIterator(dataset._variant_tensor, self._iterator_resource, name=name)

    def get_next(self, name: str | None = None) -> Any:
        """The next element, in tensors; running them goes on, so take them once and run them often.

        Raises:
          OutOfRangeError: when run, at the end.
        """
        self._calls += 1
        if self._calls > _MANY_CALLS:
            warnings.warn(
                "Iterator.get_next() was called many times: each call adds an operation. Call it once "
                "and run its "
                "result again and again.",
                stacklevel=2,
            )
        tensors = raw.IteratorGetNext(self._iterator_resource, name=name, **attrs_of(self._spec))
        return element_from(self._spec, tensors)

    def string_handle(self, name: str | None = None) -> Tensor:
        """A scalar string, when run, by which `from_string_handle` finds this iterator."""
        if name is None:
            return self._string_handle
        return raw.IteratorToStringHandle(self._iterator_resource, name=name)

    @property
    def element_spec(self) -> Any:
        """Nested specs of an element."""
        return self._spec

    @property
    def output_types(self) -> Any:
        """Nested dtypes of an element."""
        return nesting.map_structure(lambda spec: spec.legacy_type, self._spec)

    @property
    def output_shapes(self) -> Any:
        """Nested shapes of an element."""
        return nesting.map_structure(lambda spec: spec.legacy_shape, self._spec)

    @property
    def output_classes(self) -> Any:
        """Nested classes of an element."""
        return nesting.map_structure(lambda spec: spec.legacy_class, self._spec)


def initializable(dataset: DatasetBase, shared_name: str | None) -> Iterator:
    """An iterator with an initializer of its own."""
    tensor = dataset._optioned()
    resource = raw.IteratorV2(shared_name=shared_name or "", container="", **dataset._attrs)
    with colocate_with(resource):
        initializer = raw.MakeIterator(tensor, resource)
    return Iterator._of(resource, initializer, dataset.element_spec)


def elements(dataset: DatasetBase) -> Generator[Any, None, None]:
    """The elements, one after another, where operations run as they are added."""
    iterator = initializable(dataset, None)
    while True:
        try:
            element = iterator.get_next()
        except errors.OutOfRangeError:
            return
        yield element


def one_shot(dataset: DatasetBase) -> Iterator:
    """An iterator whose dataset is made by a function that needs nothing from outside.

    Raises:
      ValueError: the dataset depends on what cannot be copied into that function.
    """
    graph = get_default_graph()
    seed, op_seed = get_seed(None)
    factory = ValueGraph("_make_dataset", graph, _is_dataset)
    with factory.as_default():
        if seed is not None and op_seed is not None:
            factory.seed = (seed + _HASHED_SEED * op_seed) % (2**63 - 1)
        try:
            factory.outputs = [factory.capture(dataset._optioned())]
        except ValueError as error:
            if "Cannot capture" not in str(error):
                raise
            raise ValueError(
                f"Failed to create a one-shot iterator for a dataset. {error} "
                "`Dataset.make_initializable_iterator()` "
                "makes one that its initializer starts."
            ) from None
    resource = raw.OneShotIterator(dataset_factory=factory, **dataset._attrs)
    return Iterator._of(resource, None, dataset.element_spec)


def _is_dataset(op: Operation) -> bool:
    """True for what may be copied though it has an effect here: it has none in TensorFlow."""
    return op.type.endswith(("Dataset", "DatasetV2")) or op.type in ("MatchingFiles", "ReadFile")


@public("data.make_one_shot_iterator")
def make_one_shot_iterator(dataset: DatasetBase) -> Iterator:
    """An iterator that starts by itself: `dataset.make_one_shot_iterator()`."""
    return dataset.make_one_shot_iterator()


@public("data.make_initializable_iterator")
def make_initializable_iterator(dataset: DatasetBase, shared_name: str | None = None) -> Iterator:
    """An iterator that its initializer starts: `dataset.make_initializable_iterator()`."""
    return dataset.make_initializable_iterator(shared_name)


@public("data.get_output_types")
def get_output_types(dataset_or_iterator: Any) -> Any:
    """Nested dtypes of an element of a dataset or iterator."""
    return dataset_or_iterator.output_types


@public("data.get_output_shapes")
def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """Nested shapes of an element of a dataset or iterator."""
    return dataset_or_iterator.output_shapes


@public("data.get_output_classes")
def get_output_classes(dataset_or_iterator: Any) -> Any:
    """Nested classes of an element of a dataset or iterator."""
    return dataset_or_iterator.output_classes


@public("data.experimental.get_structure")
def get_structure(dataset_or_iterator: Any) -> Any:
    """Nested specs of an element of a dataset or iterator.

    Raises:
      TypeError: it is neither.
    """
    found = getattr(dataset_or_iterator, "element_spec", None)
    if found is None:
        raise TypeError(
            f"`dataset_or_iterator` must be a Dataset or Iterator. Received: {type(dataset_or_iterator)}"
        )
    return found
