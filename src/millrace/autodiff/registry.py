"""Which gradient function an operation uses: its declaration's, or one the user registered and asked for by
name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE, lookup
from millrace.graph.operation import Operation

_registered: dict[str, Any] = {}
_replaced: set[str] = set()  # operation types whose declared gradient a program has replaced


def _register(name: str, function: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"RegisterGradient: the operation type must be a string. Received: {name!r}")
    taken = name in _registered
    if not taken:
        try:
            taken = lookup(name).grad is not None and name not in WITHOUT_GRADIENT | _ONLY_HERE
        except KeyError:
            taken = False
    if taken:
        raise KeyError(f"Registering two gradients with name {name!r}! It is registered already")
    _gradient_registry._registry[name] = {"type": function}


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

_ONLY_HERE = frozenset((
    "AdjustContrast", "AdjustContrastv2", "AdjustHue", "AdjustSaturation", "BatchCholesky", "BatchFFT",
    "BatchFFT2D", "BatchFFT3D", "BatchIFFT", "BatchIFFT2D", "BatchIFFT3D", "BatchMatrixBandPart",
    "BatchMatrixDeterminant", "BatchMatrixDiag", "BatchMatrixDiagPart", "BatchMatrixInverse",
    "BatchMatrixSetDiag", "BatchMatrixSolve", "BatchMatrixSolveLs", "BatchMatrixTriangularSolve",
    "BatchNormWithGlobalNormalizationGrad", "BatchSelfAdjointEigV2", "BatchSvd", "Bincount",
    "ClipByValue", "Conv3DBackpropFilter", "Conv3DBackpropInput", "CropAndResizeGradImage",
    "DebugGradientIdentity", "DeepCopy", "Einsum", "FakeQuantWithMinMaxArgsGradient",
    "FakeQuantWithMinMaxVarsGradient", "FakeQuantWithMinMaxVarsPerChannelGradient", "GRUBlockCell",
    "IRFFT3D", "LRNGrad", "LSTMBlockCell", "Lu", "MatrixExponential", "MaxPoolGradGradV2",
    "MaxPoolGradGradWithArgmax", "MaxPoolGradWithArgmax", "Mod", "RFFT3D", "ResizeArea",
    "ResizeBicubicGrad", "ResizeBilinearGrad", "ResizeNearestNeighborGrad", "ResourceScatterMax",
    "ResourceScatterMin", "ResourceScatterUpdate", "ScaleAndTranslateGrad", "ScatterMax", "ScatterMin",
    "ScatterUpdate", "SegmentProd", "Snapshot", "SoftsignGrad", "SparseFillEmptyRowsGrad",
    "SparseReduceMax", "SparseReduceSumSparse", "SparseSegmentMeanGrad", "SparseSegmentSqrtNGrad",
    "SparseSliceGrad", "SparseSplit", "TensorStridedSliceUpdate", "TileGrad", "TruncateMod", "While",
))
"""Types that have a gradient here and none in TensorFlow 1.15, where programs register their own."""
# fmt: on


class _Entry(dict[str, Any]):
    """An entry of the table of gradients: what becomes its "type" becomes the gradient."""

    def __init__(self, name: str, function: Any) -> None:
        super().__init__(type=function, location=())
        self._name = name

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key == "type":
            _gradient_registry._registry[self._name] = self


class _Entries(MutableMapping[str, dict[str, Any]]):
    """The registered gradient functions as TensorFlow's own table of them: an entry has its function under
    "type". What is set replaces what an operation type declares.
    """

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name in _registered:
            function = _registered[name]
        else:
            function = lookup(name).grad
        return _Entry(name, None if function is NOT_DIFFERENTIABLE else function)

    def __setitem__(self, name: str, entry: dict[str, Any]) -> None:
        function = entry["type"]
        _registered[name] = NOT_DIFFERENTIABLE if function is None else function
        with contextlib.suppress(KeyError):
            _replaced.add(lookup(name).name)

    def __delitem__(self, name: str) -> None:
        del _registered[name]
        _replaced.discard(name)

    def __iter__(self) -> Iterator[str]:
        return iter(list(_registered))

    def __len__(self) -> int:
        return len(_registered)

    def __copy__(self) -> dict[str, dict[str, Any]]:
        return dict(self)


class _Registry:
    """What programs that reach into `ops._gradient_registry` find there."""

    _entries = _Entries()

    @property
    def _registry(self) -> _Entries:
        return self._entries

    @_registry.setter
    def _registry(self, entries: Mapping[str, dict[str, Any]]) -> None:
        kept = dict(entries)
        for name in list(_registered):
            del self._entries[name]
        self._entries.update(kept)

    def register(self, candidate: Any, name: str) -> None:
        """Registers a gradient function under a name.

        Raises:
          KeyError: the name is taken.
        """
        _register(name, NOT_DIFFERENTIABLE if candidate is None else candidate)

    def lookup(self, name: str) -> Any:
        """The gradient function of a name, None where there is none by declaration.

        Raises:
          LookupError: nothing is registered under the name.
        """
        try:
            return self._entries[name]["type"]
        except KeyError:
            raise LookupError(f"gradient registry has no entry for: {name}") from None

    def list(self) -> list[str]:
        """The registered names."""
        return [*self._entries]


_gradient_registry = public("python.framework.ops._gradient_registry")(_Registry())


@public("python.framework.ops.get_gradient_function")
def gradient_function(op: Operation) -> Any:
    """The gradient function of `op`, or NOT_DIFFERENTIABLE.

    Raises:
      LookupError: the operation asks for a gradient that nobody registered.
    """
    name = op.attrs.get("_gradient_op_type")
    if name is None:
        return _registered[op.type] if op.type in _replaced else op.opdef.grad
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
