"""Optionals: an element, or the lack of one."""

from __future__ import annotations

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.attrs import types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.datasets.declaring import ELEMENT
from millrace.opkit.datasets.iterators import Optional


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


@declare("OptionalGetValue(optional: variant) -> components: output_types", **ELEMENT, host=True, alias=True)
class OptionalGetValue:
    """The value."""

    def shape(optional, output_shapes):
        return list(output_shapes)

    def kernel(xp, optional):
        if optional.element is None:
            raise refusal("The given optional does not have a value.")
        return optional.element

    grad = NOT_DIFFERENTIABLE
