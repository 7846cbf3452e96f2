"""`tf.contrib.kernel_methods`: random Fourier features, and the multiclass hinge loss."""

from __future__ import annotations

import abc
import math
from typing import Any

import numpy as np

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.losses.weighted import Reduction, compute_weighted_loss
from millrace.lib.math.checks import assert_less
from millrace.lib.math.reductions import reduce_max
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather_nd
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.shape import shape
from millrace.ops.nn.activation import relu


@public("contrib.kernel_methods.dense_kernel_mapper.DenseKernelMapper")
class DenseKernelMapper(abc.ABC):
    """A map of vectors whose inner products are those of a kernel."""

    @abc.abstractmethod
    def map(self, input_tensor: Any) -> Tensor:
        """The images of vectors: `[batch, input_dim]` to `[batch, output_dim]`."""

    @property
    @abc.abstractmethod
    def name(self) -> Any:
        """The map's name."""

    @property
    @abc.abstractmethod
    def output_dim(self) -> int:
        """How long the images are."""


@public("contrib.kernel_methods.RandomFourierFeatureMapper")
class RandomFourierFeatureMapper(DenseKernelMapper):
    """Cosines of random projections: their inner products come near the Gaussian kernel exp(-|x-y|² / 2σ²).

    Args:
      input_dim: how long the vectors are.
      output_dim: how long their images are.
      stddev: σ of the kernel.
      seed: of the random projections, drawn by NumPy: the same seed gives the same map.
      name: the map's name.
    """

    def __init__(
        self, input_dim: int, output_dim: int, stddev: float = 1.0, seed: int = 1, name: Any = None
    ) -> None:
        self._input_dim, self._output_dim = input_dim, output_dim
        self._stddev, self._seed, self._name = stddev, seed, name

    @property
    def name(self) -> Any:
        """The name that was given, or a number of this object's own."""
        return self._name or id(self)

    @property
    def input_dim(self) -> int:
        """How long the vectors are."""
        return self._input_dim

    @property
    def output_dim(self) -> int:
        """How long their images are."""
        return self._output_dim

    def map(self, input_tensor: Any) -> Tensor:
        """The images of vectors.

        Args:
          input_tensor: float32 `[batch, input_dim]`.

        Returns:
          `[batch, output_dim]`.

        Raises:
          InvalidShapeError: the vectors have another length, or there is no batch.
        """
        input_tensor = convert.to_tensor(input_tensor)
        dims = input_tensor.dims
        if dims is None or len(dims) != 2:
            raise InvalidShapeError(f"The shape of the tensor should be 2. Got {input_tensor} instead.")
        if dims[1] != self._input_dim:
            raise InvalidShapeError(
                f"Invalid dimension: expected {self._input_dim} input features. Got {dims[1]} instead."
            )
        # Both are drawn anew at every call, from the same seed.
        random = np.random.RandomState(self._seed)
        directions = random.standard_normal((self._input_dim, self._output_dim)) / self._stddev
        angles = random.uniform(0.0, 2 * np.pi, self._output_dim)
        products = raw.MatMul(input_tensor, constant(directions, dtypes.float32))
        return math.sqrt(2.0 / self._output_dim) * raw.Cos(products + constant(angles, dtypes.float32))


@public("contrib.kernel_methods.dense_kernel_mapper.InvalidShapeError")
class InvalidShapeError(Exception):
    """Vectors of another length than a map takes."""


@public("contrib.kernel_methods.sparse_multiclass_hinge_loss")
def sparse_multiclass_hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """How far the true class's logit is from leading every other one by 1.

    Args:
      labels: int32 or int64, `[batch]` or `[batch, 1]`, the true classes.
      logits: `[batch, classes]`, floating, at least two classes.
      weights: `[batch]`, `[batch, 1]` or a scalar.
      scope: default "sparse_multiclass_hinge_loss".
      loss_collection: the collection that the loss joins.
      reduction: a `tf.losses.Reduction`.

    Returns:
      A scalar; with `Reduction.NONE` `[batch]`.

    Raises:
      ValueError: the shapes or dtypes do not fit.
    """
    with name_scope(scope, "sparse_multiclass_hinge_loss", [logits, labels]) as scope:
        logits, labels = convert.to_tensor(logits), convert.to_tensor(labels)
        if logits.dims is None or len(logits.dims) != 2:
            raise ValueError(f"logits should have rank 2. Received: {logits}")
        if labels.dims is None or len(labels.dims) not in (1, 2):
            raise ValueError(f"labels should have rank 1 or 2. Received: {labels}")
        if labels.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError(f"Invalid dtype for labels: {labels.dtype}. Acceptable dtypes: int32 and int64")
        if len(labels.dims) == 2 and labels.dims[1] not in (None, 1):
            raise ValueError(f"labels must be [batch] or [batch, 1]. Received: {labels}")
        if None not in (labels.dims[0], logits.dims[0]) and labels.dims[0] != logits.dims[0]:
            raise ValueError(f"Dimensions {labels.dims[0]} and {logits.dims[0]} are not compatible")
        if logits.dims[1] is not None and logits.dims[1] < 2:
            raise ValueError(f"Invalid value for num_classes: {logits.dims[1]}. Must be at least 2.")
        given = convert.to_tensor(weights, name="weights")
        if given.dims is not None and len(given.dims) > 2:
            raise ValueError(f"weights should have rank 0, 1 or 2. Received: {given}")
        batch, classes = shape(logits)[0], shape(logits)[1]
        check = assert_less(labels, raw.Cast(classes, DstT=labels.dtype.base_dtype))
        with control_dependencies([check]):
            labels = raw.Reshape(labels, [-1])
        rows = raw.Reshape(range_(batch), [-1, 1])
        places = concat([rows, raw.Reshape(raw.Cast(labels, DstT=dtypes.int32), [-1, 1])], 1)
        true = raw.Reshape(gather_nd(logits, places), [-1, 1])
        elsewhere = one_hot(labels, classes, on_value=0.0, off_value=1.0, dtype=logits.dtype.base_dtype)
        lead = relu(elsewhere + (logits - true))
        losses = reduce_max(lead, 1)
        if given.dims is not None and len(given.dims) == 2:
            given = raw.Reshape(given, [-1])
        return compute_weighted_loss(losses, given, scope, loss_collection, reduction=reduction)
