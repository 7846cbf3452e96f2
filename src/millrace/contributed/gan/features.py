"""`tf.contrib.gan.features`: conditions of networks, bounded variables, pools of generated data."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.layers.core import fully_connected
from millrace.contributed.layers.shapes import flatten
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.math.functions import clip_by_value
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.reshape import reshape
from millrace.ops.flow.script import py_func


@public("contrib.gan.features.condition_tensor")
def condition_tensor(tensor: Any, conditioning: Any) -> Tensor:
    """A tensor with a learned linear function of other tensors added.

    Args:
      tensor: `[batch, ...]`, of known rank and sizes.
      conditioning: `[batch, ...]`.

    Raises:
      ValueError: a rank is less than 2, or a size is unknown.
    """
    tensor = convert.to_tensor(tensor)
    dims = tensor.dims
    if dims is None or len(dims) < 2 or None in dims[1:]:
        raise ValueError(f"tensor must be at least 2D, with known sizes. Received: {tensor}")
    flat = flatten(convert.to_tensor(conditioning))
    width = int(np.prod(dims[1:]))
    mapped = fully_connected(flat, width, activation_fn=None)
    return tensor + reshape(mapped, [-1, *dims[1:]])


@public("contrib.gan.features.condition_tensor_from_onehot")
def condition_tensor_from_onehot(tensor: Any, one_hot_labels: Any, embedding_size: int = 256) -> Tensor:
    """`condition_tensor` by an embedding of classes.

    Args:
      tensor: as there.
      one_hot_labels: `[batch, classes]`.
      embedding_size: of the variable `one_hot_embedding/embeddings`.

    Raises:
      ValueError: the labels are not of rank 2.
    """
    labels = convert.to_tensor(one_hot_labels)
    if labels.dims is None or len(labels.dims) != 2:
        raise ValueError(f"one_hot_labels must be 2D. Received: {labels}")
    with variable_scope(None, "one_hot_embedding"):
        table = get_variable("embeddings", [labels.dims[1], embedding_size])
    return condition_tensor(tensor, raw.MatMul(raw.Cast(labels, DstT=table.dtype.base_dtype), table))


@public("contrib.gan.features.clip_variables")
def clip_variables(optimizer: Any, variables: Any, weight_clip: float) -> Any:
    """An optimizer that clips variables after each of its steps (Arjovsky et al., 2017).

    Args:
      optimizer: an optimizer; it is changed and returned.
      variables: a list.
      weight_clip: the greatest magnitude.

    Raises:
      ValueError: `weight_clip` is not positive.
    """
    if weight_clip < 0:
        raise ValueError(f"`weight_clip` must be positive. Received: {weight_clip}")
    apply_gradients = optimizer.apply_gradients

    def clipped(*args: Any, **kwargs: Any) -> Any:
        with control_dependencies([apply_gradients(*args, **kwargs)]), name_scope("clip"):
            return group(*[assign(v, clip_by_value(v, -weight_clip, weight_clip)) for v in variables])

    optimizer.apply_gradients = clipped
    return optimizer


@public("contrib.gan.features.clip_discriminator_weights", "contrib.gan.features.clip_weights")
def clip_discriminator_weights(optimizer: Any, model: Any, weight_clip: float) -> Any:
    """`clip_variables` for the discriminator's variables of a model."""
    return clip_variables(optimizer, model.discriminator_variables, weight_clip)


class _Pool:
    """Values of earlier steps, from which each new one may be exchanged for an old one."""

    def __init__(self, size: int, chance: float, seed: int | None) -> None:
        self._size, self._chance, self._random = size, chance, np.random.RandomState(seed)
        self._kept: list[tuple[Any, ...]] = []

    def exchange(self, *values: Any) -> tuple[Any, ...]:
        """The values themselves, or with a chance earlier ones whose place they take."""
        if len(self._kept) < self._size:
            self._kept.append(values)
            return values
        if self._random.uniform() >= self._chance:
            return values
        place = self._random.randint(len(self._kept))
        earlier, self._kept[place] = self._kept[place], values
        return earlier


@public("contrib.gan.features.tensor_pool")
def tensor_pool(
    input_values: Any, pool_size: int = 50, pooling_probability: float = 0.5, name: str = "tensor_pool"
) -> Any:
    """Values of this step or, with a chance, of an earlier one (Shrivastava et al., 2016).

    Args:
      input_values: a tensor, or a list or tuple of them that belong together.
      pool_size: how many are kept; 0: the values as they are.
      pooling_probability: the chance, once so many are there.
      name: scope.

    Raises:
      ValueError: `pool_size` is negative.
    """
    if pool_size < 0:
        raise ValueError(f"`pool_size` is negative. Received: {pool_size}")
    if pool_size == 0:
        return input_values
    several = isinstance(input_values, list | tuple)
    with name_scope(name, values=list(input_values) if several else [input_values]):
        given = [convert.to_tensor(v) for v in (input_values if several else [input_values])]
        pool = _Pool(pool_size, pooling_probability, None)
        taken = py_func(pool.exchange, given, [v.dtype for v in given])
        for value, out in zip(given, taken, strict=True):
            out.set_shape(value.get_shape())
    return type(input_values)(taken) if several else taken[0]
