"""`tf.contrib.training.clip_gradient_norms_fn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.training.train_ops import clip_gradient_norms
from millrace.core.public import public


@public("contrib.training.clip_gradient_norms_fn")
def clip_gradient_norms_fn(max_norm: float) -> Callable[[Any], Any]:
    """A function that clips gradients, as `create_train_op` takes one.

    Args:
      max_norm: how long a gradient may be.
    """

    def clip(grads_and_vars: Any) -> Any:
        return clip_gradient_norms(grads_and_vars, max_norm)

    return clip
