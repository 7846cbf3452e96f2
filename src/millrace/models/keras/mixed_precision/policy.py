"""`Policy`: in which dtype a layer computes, and in which it keeps its variables."""

from __future__ import annotations

from typing import Any

from millrace.core import dtypes
from millrace.core.public import public
from millrace.models.keras.mixed_precision import rewriting
from millrace.training.optimizers.loss_scale import LossScale, loss_scale_of

_KEPT_APART = "_with_float32_vars"
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_DEFAULT = "USE_DEFAULT"


@public("keras.mixed_precision.experimental.Policy")
class Policy:
    """The dtypes of a layer, to be passed as its `dtype`.

    Args:
      name: a dtype for both; "mixed_float16" or "mixed_bfloat16" for computing in the one with variables in
        float32, or a dtype followed by "_with_float32_vars"; "infer", alone or with that ending, for the
        dtype of the first input.
      loss_scale: by what a loss of such layers should be multiplied: a number, "dynamic", a `LossScale` or
        None; default "dynamic" for "mixed_float16", else None.

    Raises:
      TypeError: the name is not a string.
      ValueError: it is none of these, or the scale is something else.
    """

    def __init__(self, name: str, loss_scale: Any = _DEFAULT) -> None:
        if isinstance(name, dtypes.DType):
            raise TypeError(
                f"'name' must be a string, not a DType. Instead, pass DType.name. Got: {name.name}"
            )
        if not isinstance(name, str):
            raise TypeError(f"'name' must be a string, but got: {name}")
        if name == "infer_float32_vars":  # its name in earlier releases
            name = "infer_with_float32_vars"
        self._name = name
        self._compute_dtype, self._variable_dtype = _parsed(name)
        if loss_scale == _DEFAULT:
            loss_scale = "dynamic" if name == "mixed_float16" else None
        self._loss_scale = loss_scale_of(loss_scale)

    @property
    def name(self) -> str:
        """The name it was made with."""
        return self._name

    @property
    def compute_dtype(self) -> str | None:
        """The dtype to compute in; None for that of the first input."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str | None:
        """The dtype of variables; None for that of the first input."""
        return self._variable_dtype

    @property
    def should_cast_variables(self) -> bool:
        """Whether variables may have another dtype than the one that is computed in."""
        return self._compute_dtype != self._variable_dtype

    @property
    def loss_scale(self) -> LossScale | None:
        """By what losses should be multiplied, or None."""
        return self._loss_scale

    def __repr__(self) -> str:
        return f'<Policy "{self._name}", loss_scale={self._loss_scale}>'


def _parsed(name: str) -> tuple[str | None, str | None]:
    if name in _MIXED:
        return _MIXED[name], "float32"
    base = name.removesuffix(_KEPT_APART)
    kept = "float32" if base != name else None
    if base == "infer":
        return None, kept
    try:
        dtype = dtypes.as_dtype(base).name
    except TypeError:
        raise ValueError(
            f"Cannot convert value {name} to a mixed precision Policy: a policy is called <dtype>, "
            f"<dtype>{_KEPT_APART}, infer, infer{_KEPT_APART}, {' or '.join(_MIXED)}. Received: {name!r}"
        ) from None
    return dtype, kept or dtype


class _Global:
    """The policy of layers that are made without a dtype."""

    policy: Policy | None = None


@public("keras.mixed_precision.experimental.global_policy")
def global_policy() -> Policy:
    """The policy of layers that are made without a dtype: "infer", the dtype of the first input."""
    if _Global.policy is None:
        _Global.policy = Policy("infer")
    return _Global.policy


@public("keras.mixed_precision.experimental.set_policy")
def set_policy(policy: Policy | str | None) -> None:
    """Sets what `global_policy` gives.

    Args:
      policy: "infer", or None for it: other policies are given to layers one by one, as their `dtype`.

    Raises:
      ValueError: it is another policy, or the graph rewrite for mixed precision is on.
    """
    if rewriting.is_on():
        raise ValueError(
            "The mixed precision policy cannot be set, because the mixed precision graph rewrite has already "
            "been enabled: call tf.train.experimental.disable_mixed_precision_graph_rewrite() first."
        )
    made = Policy(policy) if not isinstance(policy, Policy | None) else policy
    if made is not None and made.name != "infer":
        raise ValueError(
            "The global policy can only be set to a non-infer policy in TensorFlow 2: pass it to layers as "
            f"their dtype. Received: {made}"
        )
    _Global.policy = made
