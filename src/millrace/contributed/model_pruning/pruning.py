"""`tf.contrib.model_pruning.Pruning`: which weights are 0 at which step."""

from __future__ import annotations

from typing import Any, cast

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.model_pruning.masks import get_masks, get_thresholds, get_weights
from millrace.contributed.training.hparams import HParams
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.lib.flow.control_flow import cond
from millrace.lib.nn.functions import zero_fraction
from millrace.lib.nn.pooling import pool
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.constant import no_op
from millrace.ops.array.reshape import squeeze
from millrace.ops.array.shape import shape, size
from millrace.ops.math.cast import cast as cast_tensor
from millrace.ops.math.top_k import top_k
from millrace.training.global_step import get_global_step


@public("contrib.model_pruning.get_pruning_hparams")
def get_pruning_hparams() -> HParams:
    """The parameters of `Pruning`, with their defaults."""
    return HParams(
        name="model_pruning",
        begin_pruning_step=0,
        end_pruning_step=-1,
        weight_sparsity_map=[""],
        block_dims_map=[""],
        threshold_decay=0.0,
        pruning_frequency=10,
        nbins=256,
        block_height=1,
        block_width=1,
        block_pooling_function="AVG",
        initial_sparsity=0.0,
        target_sparsity=0.5,
        sparsity_function_begin_step=0,
        sparsity_function_end_step=100,
        sparsity_function_exponent=3.0,
        use_tpu=False,
    )


@public("contrib.model_pruning.Pruning")
class Pruning:
    """Sets the smallest weights of all masked layers to 0, more of them as training goes on.

    Args:
      spec: parameters as `get_pruning_hparams` gives them.
      global_step: a variable that counts steps; default the graph's.
      sparsity: the share of zeros, instead of what the parameters say.

    Raises:
      ValueError: the parameters contradict each other.
    """

    def __init__(self, spec: Any = None, global_step: Any = None, sparsity: Any = None) -> None:
        self._spec: Any = spec or get_pruning_hparams()
        _check(self._spec)
        step = get_global_step() if global_step is None else global_step
        self._global_step = cast_tensor(step, int32)
        self._sparsity = self._scheduled() if sparsity is None else sparsity
        with variable_scope(self._spec.name):
            self._last_update_step = get_variable(
                "last_mask_update_step",
                [],
                initializer=Zeros(),
                trainable=False,
                dtype=int32,
                use_resource=self._spec.use_tpu or None,
            )
        self._shares = _by_layer(self._spec.weight_sparsity_map)
        self._blocks = _by_layer(self._spec.block_dims_map)

    def _scheduled(self) -> Any:
        spec = self._spec
        begin, end = spec.sparsity_function_begin_step, spec.sparsity_function_end_step
        with name_scope(spec.name):
            done = raw.RealDiv(
                raw.Cast(self._global_step - begin, DstT=float32), float(end - begin), name="div"
            )
            share = raw.Minimum(1.0, raw.Maximum(0.0, done))
            left = raw.Pow(1.0 - share, spec.sparsity_function_exponent)
            change = raw.Mul(spec.initial_sparsity - spec.target_sparsity, left)
            return raw.Add(change, spec.target_sparsity, name="sparsity")

    def _sparsity_of(self, name: str) -> Any:
        """The share of zeros of one layer: the whole one, scaled to what the layer is to have in the end."""
        found = [float(share) for layer, share in self._shares.items() if layer in name]
        if not found:
            return self._sparsity
        return raw.Mul(self._sparsity, raw.RealDiv(found[0], self._spec.target_sparsity, name="div"))

    def _block_of(self, name: str) -> tuple[int, int]:
        for layer, dims in self._blocks.items():
            if layer in name:
                return _sides(layer, dims)
        return self._spec.block_height, self._spec.block_width

    def _pooled(self, sizes: Any, block: tuple[int, int], name: str) -> Any:
        """A number for each block of weights."""
        kind = self._spec.block_pooling_function
        if kind not in ("AVG", "MAX"):
            raise ValueError(f"block_pooling_function must be 'AVG' or 'MAX'. Received: {kind!r}")
        return squeeze(pool(sizes, block, kind, "SAME", strides=block, name=name))

    def _new_mask(self, weights: Any, threshold: Any, sparsity: Any) -> tuple[Any, Any]:
        """The threshold and the mask that weights, or what stands for blocks of them, should have now."""
        decay = self._spec.threshold_decay
        with name_scope(f"{weights.op.name}_pruning_ops"):
            sizes = raw.Abs(weights)
            kept = raw.Cast(raw.Round(raw.Cast(size(sizes), DstT=float32) * (1 - sparsity)), DstT=int32)
            ordered, _ = top_k(raw.Reshape(sizes, [-1]), k=size(sizes))
            current = raw.GatherV2(ordered, kept - 1, 0)
            # In TensorFlow's names small letters count as capitals, and there is a "mul".
            smooth = raw.AddN(
                [
                    raw.Mul(current, 1 - decay, name="Mul_1"),
                    raw.Mul(threshold, decay, name="Mul_2"),
                ]
            )
            return smooth, raw.Cast(raw.GreaterEqual(sizes, smooth), DstT=float32)

    def _new_block_mask(self, weights: Any, threshold: Any) -> tuple[Any, Any]:
        """As `_new_mask`, where whole blocks are pruned if the weights are a matrix but for sizes of 1."""
        name = weights.op.name
        block, plane = self._block_of(name), squeeze(weights)
        sparsity = self._sparsity_of(name)
        dims = cast("list[int]", plane.get_shape().as_list())
        if block == (1, 1) or len(dims) != 2:
            return self._new_mask(weights, threshold, sparsity)
        with name_scope(f"{name}_pruning_ops"):
            sizes = raw.Reshape(raw.Abs(plane), [1, *dims, 1])
            smooth, mask = self._new_mask(self._pooled(sizes, block, f"{name}_pooled"), threshold, sparsity)
            # TensorFlow 1.15 scatters the rows, then the columns, between two transpositions, and slices.
            with mask.graph.counted_as(5 * (block[0] > 1) + 9 * (block[1] > 1) + 3):
                tall, across = -(-dims[0] // block[0]), -(-dims[1] // block[1])
                whole = raw.Tile(raw.Reshape(mask, [tall, 1, across, 1]), [1, block[0], 1, block[1]])
                whole = raw.Reshape(whole, [tall * block[0], across * block[1]])
                mask = raw.Slice(whole, [0, 0], dims)
        return smooth, raw.Reshape(mask, shape(weights))

    def mask_update_op(self) -> Any:
        """Sets all masks anew."""
        updates = []
        layers = list(zip(get_weights(), get_masks(), get_thresholds(), strict=True))
        with name_scope(self._spec.name):
            for weights, mask, threshold in layers:
                smooth, fresh = self._new_block_mask(weights, threshold)
                updates.append(assign(threshold, smooth, name=f"{threshold.op.name}_assign"))
                updates.append(assign(mask, fresh, name=f"{mask.op.name}_assign"))
            with control_dependencies(updates):
                step = assign(self._last_update_step, self._global_step, name="last_mask_update_step_assign")
            with control_dependencies([step]):
                return no_op("mask_update")

    def conditional_mask_update_op(self) -> Any:
        """Sets all masks anew where it is time."""
        spec, step = self._spec, self._global_step
        with name_scope(spec.name):
            begun = raw.GreaterEqual(step, spec.begin_pruning_step)
            goes_on = raw.LogicalOr(
                raw.LessEqual(step, spec.end_pruning_step), raw.Less(spec.end_pruning_step, 0)
            )
            inside = raw.LogicalAnd(begun, goes_on)
            due = raw.LessEqual(raw.Add(self._last_update_step, spec.pruning_frequency), step)
            wanted = raw.LogicalAnd(inside, due)
        return cond(wanted, self.mask_update_op, no_op)

    def add_pruning_summaries(self) -> None:
        """Summaries of the shares of zeros and of the thresholds."""
        with name_scope(f"{self._spec.name}_summaries"):
            scalar("sparsity", self._sparsity)
            scalar("last_mask_update_step", self._last_update_step)
            for mask, threshold in zip(get_masks(), get_thresholds(), strict=True):
                scalar(f"{mask.op.name}/sparsity", zero_fraction(mask))
                scalar(f"{threshold.op.name}/threshold", threshold)

    def print_hparams(self) -> str:
        """The parameters as text."""
        return self._spec.to_json()


def _by_layer(entries: Any) -> dict[str, str]:
    """Pairs such as "conv1:0.8" by their first parts."""
    given = [entry for entry in entries if entry]
    if without := [entry for entry in given if entry.count(":") != 1]:
        raise ValueError(f"Entries must be a layer, a colon and a value. Received: {without}")
    return dict(entry.split(":") for entry in given)


def _check(spec: Any) -> None:
    if spec.begin_pruning_step < 0:
        raise ValueError(f"Illegal value for begin_pruning_step. Received: {spec.begin_pruning_step}")
    if spec.begin_pruning_step >= spec.end_pruning_step and spec.end_pruning_step != -1:
        raise ValueError(
            "Pruning must begin before it can end. "
            f"Received: from {spec.begin_pruning_step} to {spec.end_pruning_step}"
        )
    if spec.sparsity_function_begin_step >= spec.sparsity_function_end_step:
        raise ValueError("Sparsity function requires begin_step < end_step")
    if not 0.0 <= spec.threshold_decay < 1.0:
        raise ValueError(f"threshold_decay must be in range [0,1). Received: {spec.threshold_decay}")
    for name in ("initial_sparsity", "target_sparsity"):
        if not 0.0 <= getattr(spec, name) < 1.0:
            raise ValueError(f"{name} must be in range [0,1). Received: {getattr(spec, name)}")


def _sides(layer: str, dims: str) -> tuple[int, int]:
    """The height and width that such as "2x3" says."""
    sides = dims.split("x")
    if len(sides) != 2:
        raise ValueError(f"Expected 2 values for block dim for {layer}. Received: {dims!r}")
    return int(sides[0]), int(sides[1])
