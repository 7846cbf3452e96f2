"""`tf.data.experimental.Optional`: an element, or the lack of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.datasets import specs
from millrace.datasets.elements import attrs_of, normalized, structure_of, tensors_of
from millrace.datasets.functions import element_from
from millrace.datasets.specs import TypeSpec
from millrace.graph.tensor import Tensor


@public("data.experimental.Optional", "contrib.data.Optional")
class Optional:
    """An element, or the lack of one; made by `from_value`, `none_from_structure` or
    `get_next_as_optional`.
    """

    def __init__(self, variant_tensor: Tensor, value_structure: Any) -> None:
        self._variant_tensor = variant_tensor
        self._value_structure = value_structure

    @staticmethod
    def from_value(value: Any) -> Optional:
        """An optional that holds `value`, nested tensors."""
        element = normalized(value)
        structure = structure_of(element)
        return Optional(raw.OptionalFromValue(tensors_of(structure, element)), structure)

    @staticmethod
    def none_from_structure(value_structure: Any) -> Optional:
        """An optional without a value, for values of nested specs."""
        return Optional(raw.OptionalNone(), value_structure)

    def has_value(self, name: str | None = None) -> Tensor:
        """Whether there is a value: a scalar bool."""
        return raw.OptionalHasValue(self._variant_tensor, name=name)

    def get_value(self, name: str | None = None) -> Any:
        """The value, as tensors.

        Raises:
          InvalidArgumentError: when run, if there is none.
        """
        tensors = raw.OptionalGetValue(self._variant_tensor, name=name, **attrs_of(self._value_structure))
        return element_from(self._value_structure, tensors)

    @property
    def value_structure(self) -> Any:
        """Nested specs of the value."""
        return self._value_structure


@public("OptionalSpec", "data.experimental.OptionalStructure", "contrib.data.OptionalStructure")
class OptionalSpec(TypeSpec):
    """The structure of an optional that is itself a component of an element.

    Args:
      value_structure: nested specs of its value.
    """

    def __init__(self, value_structure: Any) -> None:
        self._value_structure = value_structure

    @staticmethod
    def from_value(value: Optional) -> OptionalSpec:
        """The spec of an optional."""
        return OptionalSpec(value.value_structure)

    @property
    def value_type(self) -> type:
        """`tf.data.experimental.Optional`."""
        return Optional

    def _key(self) -> tuple[Any, ...]:
        return (self._value_structure,)

    def __repr__(self) -> str:
        return f"OptionalSpec({self._value_structure!r},)"

    def to_tensors(self, value: Optional) -> list[Tensor]:
        return [value._variant_tensor]

    def from_tensors(self, tensors: Sequence[Tensor]) -> Any:
        return Optional(tensors[0], self._value_structure)


@public("data.experimental.get_next_as_optional", "contrib.data.get_next_as_optional")
def get_next_as_optional(iterator: Any) -> Optional:
    """The next element of an iterator, or the lack of one at its end."""
    structure = iterator.element_spec
    made = raw.IteratorGetNextAsOptional(iterator._iterator_resource, **attrs_of(structure))
    return Optional(made, structure)


specs.register(Optional, OptionalSpec.from_value)
