"""`tf.contrib.model_pruning.Pruning`: which weights are 0 at which step."""

from __future__ import annotations

from typing import Any, cast

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.model_pruning.masks import get_masks, get_thresholds, get_weights
from millrace.contributed.training.hparams import HParams
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.nn.functions import zero_fraction
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.constant import no_op
from millrace.ops.math.top_k import top_k
from millrace.ops.nn.pool import avg_pool, max_pool
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
        self._global_step = raw.Cast(step, DstT=int32)
        self._sparsity = self._scheduled() if sparsity is None else sparsity
        with variable_scope(self._spec.name):
            self._last_update_step = get_variable(
                "last_mask_update_step", [], initializer=Zeros(), trainable=False, dtype=int32
            )
        self._shares = _by_layer(self._spec.weight_sparsity_map)
        self._blocks = _by_layer(self._spec.block_dims_map)

    def _scheduled(self) -> Any:
        spec = self._spec
        begin, end = spec.sparsity_function_begin_step, spec.sparsity_function_end_step
        done = raw.Cast(self._global_step - begin, DstT=float32) / float(end - begin)
        left = raw.Pow(1.0 - raw.Minimum(1.0, raw.Maximum(0.0, done)), spec.sparsity_function_exponent)
        return (spec.initial_sparsity - spec.target_sparsity) * left + spec.target_sparsity

    def _sparsity_of(self, name: str) -> Any:
        """The share of zeros of one layer: the whole one, scaled to what the layer is to have in the end."""
        found = [float(share) for layer, share in self._shares.items() if layer in name]
        if not found:
            return self._sparsity
        return self._sparsity * (found[0] / self._spec.target_sparsity)

    def _block_of(self, name: str) -> tuple[int, int]:
        for layer, dims in self._blocks.items():
            if layer in name:
                height, _, width = dims.partition("x")
                return int(height), int(width)
        return self._spec.block_height, self._spec.block_width

    def _pool(self) -> Any:
        kind = self._spec.block_pooling_function
        if kind not in ("AVG", "MAX"):
            raise ValueError(f"block_pooling_function must be 'AVG' or 'MAX'. Received: {kind!r}")
        return avg_pool if kind == "AVG" else max_pool

    def _new_mask(self, weights: Any, threshold: Any) -> tuple[Any, Any]:
        """The threshold and the mask that weights should have now."""
        name = weights.op.name
        sizes = raw.Abs(raw.Identity(weights))
        height, width = self._block_of(name)
        dims: list[Any] = weights.get_shape().as_list()
        blocks = (height, width) != (1, 1) and len([d for d in dims if d > 1]) == 2
        if blocks:
            plane = [d for d in dims if d > 1]
            pool = self._pool()
            window = [1, height, width, 1]
            pooled = pool(raw.Reshape(sizes, [1, *plane, 1]), window, window, "SAME")
            sizes = raw.Squeeze(pooled, squeeze_dims=[0, 3])
        count, lengths = 1, cast("list[int]", sizes.get_shape().as_list())
        for size in lengths:
            count *= size
        kept = raw.Cast(raw.Round(float(count) * (1 - self._sparsity_of(name))), DstT=int32)
        ordered, _ = top_k(raw.Reshape(sizes, [-1]), k=count)
        current = raw.GatherV2(ordered, kept - 1, 0)
        decay = self._spec.threshold_decay
        smooth = current * (1 - decay) + threshold * decay
        mask = raw.Cast(raw.GreaterEqual(sizes, smooth), DstT=float32)
        if blocks:
            tall, across = cast("list[int]", mask.get_shape().as_list())
            wide = raw.Reshape(mask, [tall, 1, across, 1])
            rows = raw.Tile(wide, [1, height, 1, width])
            whole = raw.Reshape(rows, [-1, across * width])
            mask = raw.Reshape(raw.Slice(whole, [0, 0], plane), dims)
        return smooth, mask

    def mask_update_op(self) -> Any:
        """Sets all masks anew."""
        updates = []
        layers = list(zip(get_weights(), get_masks(), get_thresholds(), strict=True))
        with name_scope(f"{self._spec.name}_mask_update"):
            for weights, mask, threshold in layers:
                smooth, fresh = self._new_mask(weights, threshold)
                updates += [assign(threshold, smooth), assign(mask, fresh)]
            with control_dependencies(updates):
                return group(*updates, assign(self._last_update_step, self._global_step))

    def conditional_mask_update_op(self) -> Any:
        """Sets all masks anew where it is time."""
        spec, step = self._spec, self._global_step
        with name_scope(spec.name):
            inside = raw.GreaterEqual(step, spec.begin_pruning_step)
            if spec.end_pruning_step >= 0:
                inside = raw.LogicalAnd(inside, raw.LessEqual(step, spec.end_pruning_step))
            due = raw.LessEqual(self._last_update_step + spec.pruning_frequency, step)
            return cond(raw.LogicalAnd(inside, due), self.mask_update_op, no_op)

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
    pairs = [entry.partition(":") for entry in entries if entry]
    return {layer: value for layer, _, value in pairs}


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
