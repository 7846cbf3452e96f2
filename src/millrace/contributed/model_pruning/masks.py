"""`tf.contrib.model_pruning`: weights with masks, and where to find them."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.nn.functions import zero_fraction
from millrace.lib.variables.initializers import Ones, Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.math.arithmetic import multiply

MASKS, THRESHOLDS, MASKED, WEIGHTS = "masks", "thresholds", "masked_weights", "kernel"


def _found(key: str) -> list[Any]:
    return get_default_graph().get_collection(key)


@public("contrib.model_pruning.get_masked_weights")
def get_masked_weights() -> list[Any]:
    """The products of weights and masks."""
    return _found(MASKED)


@public("contrib.model_pruning.get_masks")
def get_masks() -> list[Any]:
    """The masks."""
    return _found(MASKS)


@public("contrib.model_pruning.get_thresholds")
def get_thresholds() -> list[Any]:
    """What the weights were compared with last."""
    return _found(THRESHOLDS)


@public("contrib.model_pruning.get_weights")
def get_weights() -> list[Any]:
    """The weights that have masks."""
    return _found(WEIGHTS)


@public("contrib.model_pruning.get_weight_sparsity")
def get_weight_sparsity() -> list[Any]:
    """The share of zeros in each mask."""
    return [zero_fraction(mask) for mask in get_masks()]


def mask_of(dims: Any, dtype: Any, layer: bool = False) -> Any:
    """A new mask in the current scope, a variable of the model where it is a layer's."""
    return _variable("mask", dims, dtype, Ones(), layer)


def threshold_of(dtype: Any, layer: bool = False) -> Any:
    """A new threshold in the current scope, a variable of the model where it is a layer's."""
    return _variable("threshold", [], dtype, Zeros(), layer)


def _variable(name: str, dims: Any, dtype: Any, initializer: Any, layer: bool) -> Any:
    keys = [GraphKeys.GLOBAL_VARIABLES, *([GraphKeys.MODEL_VARIABLES] if layer else [])]
    return get_variable(name, dims, initializer=initializer, trainable=False, dtype=dtype, collections=keys)


def masked(weights: Any, mask: Any, threshold: Any) -> Any:
    """The product, noted with its parts; weights whose mask is noted already are not noted again."""
    product = multiply(mask, weights, name="weights/masked_weight")
    if not any(mask is other for other in get_masks()):
        for key, item in ((MASKS, mask), (THRESHOLDS, threshold), (MASKED, product), (WEIGHTS, weights)):
            get_default_graph().add_to_collection(key, item)
    return product


@public("contrib.model_pruning.apply_mask")
def apply_mask(x: Any, scope: Any = "") -> Any:
    """Weights with a mask, which pruning sets to 0 where they are small.

    Args:
      x: a variable.
      scope: of the mask and of the threshold.
    """
    dims, dtype = x.get_shape().as_list(), x.dtype.base_dtype
    with variable_scope(scope):
        mask, threshold = mask_of(dims, dtype), threshold_of(dtype)
    return masked(x, mask, threshold)
