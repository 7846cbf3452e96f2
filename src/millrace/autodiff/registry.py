"""Which gradient function an operation uses: its declaration's, or one the user registered and asked for by
name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE, lookup
from millrace.graph.operation import Operation

_registered: dict[str, Any] = {}


def _register(name: str, function: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"RegisterGradient: the operation type must be a string. Received: {name!r}")
    taken = name in _registered
    if not taken:
        try:
            taken = lookup(name).grad is not None
        except KeyError:
            taken = False
    if taken:
        raise KeyError(f"Registering two gradients with name {name!r}! It is registered already")
    _registered[name] = function


@public("RegisterGradient")
class RegisterGradient:
    """Decorator that registers `(op, *output gradients) -> input gradients` under a name.

    Use the name in `Graph.gradient_override_map`.

    Raises:
      TypeError: the name is not a string.
      KeyError: the name is taken, by an operation type or an earlier registration.
    """

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise TypeError(f"RegisterGradient: op_type must be a string. Received: {op_type!r}")
        self._op_type = op_type

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Registers `f` and returns it."""
        _register(self._op_type, f)
        return f


@public("NotDifferentiable", "NoGradient", "no_gradient")
def not_differentiable(op_type: str) -> None:
    """Says that operations of a type have no gradient.

    Raises:
      TypeError: the type is not a string.
      KeyError: a gradient is registered for it already.
    """
    _register(op_type, NOT_DIFFERENTIABLE)


# fmt: off
WITHOUT_GRADIENT = frozenset((
    "ApplyAdaMax", "ApplyAdadelta", "ApplyAdagrad", "ApplyAdagradDA", "ApplyAdagradV2", "ApplyAdam",
    "ApplyAddSign", "ApplyCenteredRMSProp", "ApplyFtrl", "ApplyFtrlV2", "ApplyGradientDescent",
    "ApplyMomentum", "ApplyPowerSign", "ApplyProximalAdagrad", "ApplyProximalGradientDescent",
    "ApplyRMSProp", "AudioSpectrogram", "Bitcast", "BlockLSTMGrad", "CholeskyGrad",
    "CombinedNonMaxSuppression", "CountUpTo", "CropAndResizeGradBoxes", "Dequantize",
    "DeserializeManySparse", "DestroyTemporaryVariable", "Dilation2DBackpropFilter",
    "Dilation2DBackpropInput", "DrawBoundingBoxesV2", "FractionalAvgPoolGrad", "FractionalMaxPoolGrad",
    "GRUBlockCellGrad", "GuaranteeConst", "IgammaGradA", "InplaceAdd", "InplaceSub", "InplaceUpdate",
    "KmeansPlusPlusInitialization", "LSTMBlockCellGrad", "ListDiff", "MatrixLogarithm", "Mfcc",
    "NearestNeighbors", "NonMaxSuppressionV5", "ParallelConcat", "QuantizeV2", "QuantizedInstanceNorm",
    "RandomGammaGrad", "RandomPoisson", "RandomPoissonV2", "RandomShuffle", "SelfAdjointEig",
    "SparseAccumulatorTakeGradient", "SparseApplyAdadelta", "SparseApplyAdagrad", "SparseApplyAdagradDA",
    "SparseApplyAdagradV2", "SparseApplyCenteredRMSProp", "SparseApplyFtrl", "SparseApplyFtrlV2",
    "SparseApplyMomentum", "SparseApplyProximalAdagrad", "SparseApplyProximalGradientDescent",
    "SparseApplyRMSProp", "SparseReduceMaxSparse", "StridedSliceAssign", "Unique", "UniqueV2",
    "UniqueWithCounts", "UniqueWithCountsV2", "UnwrapDatasetVariant",
))
"""Types of which TensorFlow knows no gradient, where others are known to have none."""
# fmt: on


@public("python.framework.ops.get_gradient_function")
def gradient_function(op: Operation) -> Any:
    """The gradient function of `op`, or NOT_DIFFERENTIABLE.

    Raises:
      LookupError: the operation asks for a gradient that nobody registered.
    """
    name = op.attrs.get("_gradient_op_type")
    if name is None:
        return op.opdef.grad
    if isinstance(name, bytes):
        name = name.decode()
    if name in _registered:
        return _registered[name]
    try:
        return lookup(name).grad
    except KeyError:
        raise LookupError(
            f"No gradient defined for operation '{op.name}' (op type: {op.type}): its gradient_override_map "
            f"asks for {name!r}, which is not registered"
        ) from None
