"""What a served model is given: placeholders, and the features made of them."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import string
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.models.estimator.feeding import features_and_labels
from millrace.ops.array.constant import placeholder
from millrace.ops.io.parsing import parse_example


def _checked_features(features: Any, what: str, single: bool) -> Any:
    if features is None:
        raise ValueError(f"{what}s must be defined.")
    named = features if isinstance(features, dict) else {what: features}
    for name, tensor in named.items():
        if not isinstance(name, str | int | tuple):
            raise ValueError(f"{what} keys must be strings: {name}.")
        if not isinstance(tensor, Tensor | SparseTensor):
            raise ValueError(f"{what} {name} must be a Tensor or SparseTensor. Received: {tensor}")
    return features if single or isinstance(features, dict) else {what: features}


def _checked_receivers(receivers: Any, default_name: str = "input") -> dict[str, Any]:
    if receivers is None:
        raise ValueError("receiver_tensors must be defined.")
    named = receivers if isinstance(receivers, dict) else {default_name: receivers}
    for name, tensor in named.items():
        if not isinstance(name, str):
            raise ValueError(f"receiver_tensor keys must be strings: {name}.")
        if not isinstance(tensor, Tensor):
            raise ValueError(f"receiver_tensor {name} must be a Tensor. Received: {tensor}")
    return named


def _checked_alternatives(alternatives: Any) -> Any:
    if alternatives is None:
        return None
    if not isinstance(alternatives, dict):
        raise ValueError(f"receiver_tensors_alternatives must be a dict: {alternatives}.")
    return {name: _checked_receivers(value) for name, value in alternatives.items()}


_Receiver = namedtuple(
    "ServingInputReceiver", ("features", "receiver_tensors", "receiver_tensors_alternatives")
)


@public("estimator.export.ServingInputReceiver")
class ServingInputReceiver(_Receiver):
    """Features, and the placeholders that they are made of.

    Args:
      features: a tensor, or tensors by name.
      receiver_tensors: a placeholder, or placeholders by name.
      receiver_tensors_alternatives: by name, other placeholders that may be fed instead.

    Raises:
      ValueError: something is missing or is not a tensor.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None
    ) -> ServingInputReceiver:
        features = _checked_features(features, "feature", False)
        receivers = _checked_receivers(receiver_tensors)
        return super().__new__(cls, features, receivers, _checked_alternatives(receiver_tensors_alternatives))


_TensorReceiver = namedtuple(
    "TensorServingInputReceiver", ("features", "receiver_tensors", "receiver_tensors_alternatives")
)


@public("estimator.export.TensorServingInputReceiver")
class TensorServingInputReceiver(_TensorReceiver):
    """A single tensor as features, and the placeholders that it is made of.

    Args:
      features: the tensor.
      receiver_tensors: a placeholder, or placeholders by name.
      receiver_tensors_alternatives: by name, other placeholders that may be fed instead.

    Raises:
      ValueError: something is missing or is not a tensor.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None
    ) -> TensorServingInputReceiver:
        features = _checked_features(features, "feature", True)
        if isinstance(features, dict):
            raise ValueError(f"feature must be a Tensor or SparseTensor. Received: {features}")
        receivers = _checked_receivers(receiver_tensors)
        return super().__new__(cls, features, receivers, _checked_alternatives(receiver_tensors_alternatives))


_SupervisedReceiver = namedtuple("SupervisedInputReceiver", ("features", "labels", "receiver_tensors"))


class SupervisedInputReceiver(_SupervisedReceiver):
    """Features and labels, and the placeholders that they are made of.

    Args:
      features: a tensor, or tensors by name.
      labels: a tensor, or tensors by name.
      receiver_tensors: a placeholder, or placeholders by name.
    """

    __slots__ = ()

    def __new__(cls, features: Any, labels: Any, receiver_tensors: Any) -> SupervisedInputReceiver:  # noqa: D102
        features = _checked_features(features, "feature", True)
        labels = _checked_features(labels, "label", True)
        return super().__new__(cls, features, labels, _checked_receivers(receiver_tensors))


@public("estimator.export.build_parsing_serving_input_receiver_fn")
def build_parsing_serving_input_receiver_fn(
    feature_spec: dict[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A function for servers that are given serialized examples.

    Args:
      feature_spec: how they are parsed, as for `tf.io.parse_example`.
      default_batch_size: how many; None for any number.

    Returns:
      A function without arguments that gives a `ServingInputReceiver`.
    """

    def receiver() -> ServingInputReceiver:
        serialized = placeholder(string, shape=[default_batch_size], name="input_example_tensor")
        return ServingInputReceiver(parse_example(serialized, feature_spec), {"examples": serialized})

    return receiver


def _placeholders(tensors: Any, batch_size: int | None) -> dict[str, Any]:
    found = {}
    for name, tensor in tensors.items():
        dims = tensor.get_shape()
        shape = None if dims.ndims is None else [batch_size, *dims.as_list()[1:]]
        found[name] = placeholder(tensor.dtype.base_dtype, shape=shape, name=tensor.op.name)
    return found


@public("estimator.export.build_raw_serving_input_receiver_fn")
def build_raw_serving_input_receiver_fn(
    features: dict[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A function for servers that are given the features themselves.

    Args:
      features: tensors by name, whose dtypes and shapes count.
      default_batch_size: how many; None for any number.

    Returns:
      A function without arguments that gives a `ServingInputReceiver`.
    """

    def receiver() -> ServingInputReceiver:
        found = _placeholders(features, default_batch_size)
        return ServingInputReceiver(found, found)

    return receiver


@public(
    "estimator.experimental.build_raw_supervised_input_receiver_fn",
    "contrib.estimator.build_raw_supervised_input_receiver_fn",
)
def build_raw_supervised_input_receiver_fn(
    features: Any, labels: Any, default_batch_size: int | None = None
) -> Callable[[], SupervisedInputReceiver]:
    """A function for exported training graphs, which are given features and labels themselves.

    Args:
      features: a tensor, or tensors by name, whose dtypes and shapes count.
      labels: the same.
      default_batch_size: how many; None for any number.

    Raises:
      ValueError: features and labels share a name.
    """
    by_name = [x if isinstance(x, dict) else {k: x} for x, k in ((features, "input"), (labels, "label"))]
    same = set(by_name[0]) & set(by_name[1])
    if same:
        raise ValueError(
            f"Features and labels must have distinct keys. Found overlapping keys: {sorted(same)}"
        )

    def receiver() -> SupervisedInputReceiver:
        x, y = (_placeholders(named, default_batch_size) for named in by_name)
        return SupervisedInputReceiver(
            x if isinstance(features, dict) else x["input"],
            y if isinstance(labels, dict) else y["label"],
            {**x, **y},
        )

    return receiver


@public("contrib.estimator.build_supervised_input_receiver_fn_from_input_fn")
def build_supervised_input_receiver_fn_from_input_fn(
    input_fn: Callable[..., Any], **input_fn_args: Any
) -> Callable[[], SupervisedInputReceiver]:
    """A function for exported training graphs, which are given what an input function gives.

    Args:
      input_fn: gives features and labels, or a dataset of them, whose dtypes and shapes count.
      **input_fn_args: its arguments.

    Raises:
      ValueError: it gives something else, or features and labels share a name.
    """
    with Graph().as_default():
        features, labels, _ = features_and_labels(input_fn(**input_fn_args))
    return build_raw_supervised_input_receiver_fn(features, labels)
