"""Generalized divisive normalization, after Ballé et al. (2016): `tf.contrib.layers.gdn`."""

from __future__ import annotations

from typing import Any

from millrace.autodiff.registry import RegisterGradient
from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import Layer
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.array import eye
from millrace.lib.nn.convolution import convolution
from millrace.ops.array.constant import constant, ones
from millrace.ops.nn.bias import bias_add

_GRADIENT = "GDNLowerBound"


def _bounded_gradient(op: Any, dy: Tensor) -> tuple[Tensor, None]:
    """The gradient of a lower bound that also lets values below it grow."""
    x, bound = op.inputs
    passes = raw.LogicalOr(raw.GreaterEqual(x, bound), raw.Less(dy, 0))
    return raw.Cast(passes, DstT=dy.dtype.base_dtype) * dy, None


RegisterGradient(_GRADIENT)(_bounded_gradient)


@public("contrib.layers.GDN", "contrib.slim.GDN")
class GDN(Layer):
    """y[i] = x[i] / sqrt(beta[i] + sum over j of gamma[j, i] x[j]²), over the channels of every place.

    Args:
      inverse: multiply by the root where the layer otherwise divides.
      beta_min: the least beta.
      gamma_init: gamma begins as the identity times this.
      reparam_offset: of the roots in which beta and gamma are kept.
      data_format: "channels_last" or "channels_first".
      activity_regularizer: a function from the outputs to a scalar loss.
      trainable: whether the variables are trained.
      name: default "gdn".
      **kwargs: as for every layer.
    """

    def __init__(
        self,
        inverse: bool = False,
        beta_min: float = 1e-6,
        gamma_init: float = 0.1,
        reparam_offset: float = 2**-18,
        data_format: str = "channels_last",
        activity_regularizer: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, activity_regularizer=activity_regularizer, **kwargs)
        self.inverse, self.data_format = inverse, data_format
        self._beta_min, self._gamma_init, self._reparam_offset = beta_min, gamma_init, reparam_offset
        self.input_spec = InputSpec(min_ndim=2)
        self.beta: Any = None
        self.gamma: Any = None

    def _axis(self) -> int:
        if self.data_format not in ("channels_first", "channels_last"):
            raise ValueError(f"Unsupported `data_format` for GDN layer: {self.data_format}.")
        return 1 if self.data_format == "channels_first" else -1

    @staticmethod
    def _lower_bound(x: Any, bound: Tensor) -> Tensor:
        with get_default_graph().gradient_override_map({"Maximum": _GRADIENT}):
            return raw.Maximum(x, bound, name="GDNLowerBound")

    def _root(self, name: str, shape: list[int], pedestal: Tensor, bound: Tensor, make: Any) -> Tensor:
        """A positive parameter, kept as the root of itself and an offset."""

        def initializer(shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
            offset = constant(self._reparam_offset**2, dtype)
            return raw.Sqrt(make(shape, dtype) + offset)

        kept = self.add_weight(
            f"reparam_{name}", shape=shape, initializer=initializer, dtype=self.dtype, trainable=True
        )
        return raw.Square(self._lower_bound(kept, bound)) - pedestal

    def build(self, input_shape: Any) -> None:
        """Makes the variables `reparam_beta` and `reparam_gamma`.

        Raises:
          ValueError: the layout is another one, or the number of channels is unknown.
        """
        dims = tuple(getattr(d, "value", d) for d in input_shape)
        axis = self._axis()
        channels = dims[axis]
        if channels is None:
            raise ValueError(
                f"The channel dimension of the inputs to `GDN` must be defined. Received: {dims}"
            )
        self.input_spec = InputSpec(ndim=len(dims), axes={axis: channels})
        dtype = self.dtype
        square = self._reparam_offset**2
        pedestal = constant(square, dtype)
        beta_bound = constant((self._beta_min + square) ** 0.5, dtype)
        gamma_bound = constant(self._reparam_offset, dtype)
        self.beta = self._root("beta", [channels], pedestal, beta_bound, ones)
        self.gamma = self._root(
            "gamma",
            [channels, channels],
            pedestal,
            gamma_bound,
            lambda shape, dtype: self._gamma_init * eye(int(shape[0]), dtype=dtype),
        )
        self.built = True

    def call(self, inputs: Any) -> Tensor:
        """The normalized inputs, of the same shape."""
        inputs = convert.to_tensor(inputs)
        rank = len(inputs.dims)  # pyright: ignore[reportArgumentType]
        last = self.data_format == "channels_last"
        if rank == 2:
            pooled = raw.MatMul(raw.Square(inputs), self.gamma)
            pooled = bias_add(pooled, self.beta)
        else:
            channels = self.beta.dims[0]
            kernel = raw.Reshape(self.gamma, [1] * (rank - 2) + [channels, channels])
            letters = {3: "W", 4: "HW", 5: "DHW"}[rank]
            layout = f"N{letters}C" if last else f"NC{letters}"
            pooled = convolution(raw.Square(inputs), kernel, "VALID", data_format=layout)
            if last:
                pooled = bias_add(pooled, self.beta)
            else:
                pooled = pooled + raw.Reshape(self.beta, [1, channels] + [1] * (rank - 2))
        scale = raw.Sqrt(pooled)
        outputs = inputs * scale if self.inverse else inputs / scale
        outputs.set_shape(inputs.dims)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


@public("contrib.layers.gdn", "contrib.slim.gdn")
def gdn(
    inputs: Any,
    inverse: bool = False,
    beta_min: float = 1e-6,
    gamma_init: float = 0.1,
    reparam_offset: float = 2**-18,
    data_format: str = "channels_last",
    activity_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Applies a `GDN` layer, see there; `inputs` has at least rank 2.

    Args:
      inputs: `[batch, ..., channels]`, or channels second, floating.
      inverse, beta_min, gamma_init, reparam_offset, data_format, activity_regularizer, trainable, name: of
        the layer.
      reuse: whether to use the variables of an earlier layer of this name.
    """
    layer = GDN(
        inverse=inverse,
        beta_min=beta_min,
        gamma_init=gamma_init,
        reparam_offset=reparam_offset,
        data_format=data_format,
        activity_regularizer=activity_regularizer,
        trainable=trainable,
        name=name,
        dtype=convert.to_tensor(inputs).dtype.base_dtype.name,
        _scope=name,
        _reuse=reuse,
    )
    return layer(inputs)
