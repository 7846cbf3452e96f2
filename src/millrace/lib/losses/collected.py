"""Losses that a graph has collected, and their sum."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import add_to_collection, get_collection
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.ops.math.arithmetic import add_n


@public("losses.add_loss")
def add_loss(loss: Tensor, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Puts `loss` into a collection; None for none."""
    if loss_collection:
        add_to_collection(loss_collection, loss)


@public("losses.get_losses")
def get_losses(scope: str | None = None, loss_collection: str = GraphKeys.LOSSES) -> list[Any]:
    """The losses in a collection; with `scope`, those whose name matches it."""
    return get_collection(loss_collection, scope)


@public("losses.get_regularization_losses")
def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The regularization losses; with `scope`, those whose name matches it."""
    return get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


@public("losses.get_regularization_loss")
def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Tensor:
    """The sum of the regularization losses, 0.0 where there are none; a scalar named `name`."""
    losses = get_regularization_losses(scope)
    return add_n(losses, name=name) if losses else to_tensor(0.0, name="Const")


@public("losses.get_total_loss")
def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of all losses, a scalar.

    Args:
      add_regularization_losses: count the regularization losses too.
      name: op name.
      scope: count only losses whose name matches it.

    Raises:
      ValueError: there are no losses.
    """
    losses = get_losses(scope=scope)
    if add_regularization_losses:
        losses += get_regularization_losses(scope=scope)
    return add_n(losses, name=name)
