"""Attention: each query takes the values whose keys fit it."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.math.reductions import reduce_sum
from millrace.models.keras.engine.layer import Layer
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.math.cumulative import cumsum
from millrace.ops.nn.softmax import softmax


class _Attention(Layer):
    def __init__(self, causal: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.causal = causal
        self.supports_masking = True

    def _scores(self, query: Any, key: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how keys fit queries.")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The values that the queries take.

        Args:
          inputs: `[query, value]` or `[query, value, key]`: `[batch, Tq, dim]`, `[batch, Tv, dim]` twice.
          mask: the masks of query and value: `[batch, Tq]`, `[batch, Tv]`.

        Raises:
          ValueError: there are not two or three inputs, or the masks do not fit.
        """
        self._check(inputs, mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask = mask[0] if mask else None
        value_mask = mask[1] if mask else None
        scores = self._scores(query, key)
        allowed = None
        if value_mask is not None:
            allowed = raw.ExpandDims(value_mask, -2)
        if self.causal:
            earlier = _lower_triangle(scores)
            allowed = earlier if allowed is None else raw.LogicalAnd(allowed, earlier)
        if allowed is not None:
            forbidden = cast(raw.LogicalNot(allowed), settings.floatx())
            scores = scores - 1.0e9 * forbidden
        outputs = matmul(softmax(scores), value)
        if query_mask is not None:
            outputs = outputs * cast(raw.ExpandDims(query_mask, -1), settings.floatx())
        return outputs

    def _check(self, inputs: Any, mask: Any) -> None:
        name = type(self).__name__
        if not isinstance(inputs, list) or not 2 <= len(inputs) <= 3:
            raise ValueError(
                f"{name} layer must be called on a list of inputs, namely [query, value] or "
                f"[query, value, key]. Received: {inputs}"
            )
        if mask is not None and (not isinstance(mask, list) or len(mask) < 2 or len(mask) > len(inputs)):
            raise ValueError(
                f"{name} layer mask must be a list, namely [query_mask, value_mask]. Received: {mask}"
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the queries."""
        return mask[0] if mask and mask[0] is not None else None

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "causal": self.causal}


def _lower_triangle(scores: Any) -> Any:
    """`[1, Tq, Tv]`, True where the value is not later than the query."""
    sizes = shape_of(scores)
    ones = raw.Fill(raw.Pack([1, sizes[-2], sizes[-1]]), cast(1, dtypes.int32))
    return raw.GreaterEqual(cumsum(ones, -2), cumsum(ones, -1))


@public("keras.layers.Attention")
class Attention(_Attention):
    """Attention by products of queries and keys (Luong).

    Args:
      use_scale: multiply the products with a weight.
      **kwargs: as for `Layer`; `causal`: no query takes later values.
    """

    def __init__(self, use_scale: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale

    def build(self, input_shape: Any) -> None:
        """Makes `scale`."""
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(
                name="scale", shape=(), initializer="ones", dtype=self.dtype, trainable=True
            )
        self.built = True

    def _scores(self, query: Any, key: Any) -> Any:
        scores = matmul(query, key, transpose_b=True)
        return scores if self.scale is None else scores * self.scale

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "use_scale": self.use_scale}


@public("keras.layers.AdditiveAttention")
class AdditiveAttention(_Attention):
    """Attention by the tanh of sums of queries and keys (Bahdanau).

    Args:
      use_scale: multiply the sums with a weight.
      **kwargs: as for `Layer`; `causal`: no query takes later values.
    """

    def __init__(self, use_scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale

    def build(self, input_shape: Any) -> None:
        """Makes `scale`."""
        dim = (shapes.as_dims(input_shape[1]) or (None,))[-1]
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(
                name="scale", shape=[dim], initializer="glorot_uniform", dtype=self.dtype, trainable=True
            )
        self.built = True

    def _scores(self, query: Any, key: Any) -> Any:
        fit = raw.Tanh(raw.ExpandDims(query, -2) + raw.ExpandDims(key, -3))
        scale = 1.0 if self.scale is None else self.scale
        return reduce_sum(scale * fit, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "use_scale": self.use_scale}
