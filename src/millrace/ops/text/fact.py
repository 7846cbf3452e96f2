"""`tf.user_ops.my_fact`: the operation that TensorFlow shows how to add one by."""

from __future__ import annotations

import numpy as np

from millrace.building.apply import apply
from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor


@declare("Fact() -> fact: string", host=True)
class Fact:
    """A fact about factorials."""

    def shape():
        return None

    def kernel(xp):
        return np.array(b"0! == 1", object)

    grad = NOT_DIFFERENTIABLE


@public("user_ops.my_fact")
def my_fact() -> Tensor:
    """A fact about factorials, a string scalar."""
    return apply(Fact)
