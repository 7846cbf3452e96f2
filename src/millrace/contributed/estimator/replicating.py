"""`replicate_model_fn` and `TowerOptimizer`: copies of a model, each on a part of the batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.losses.weighted import Reduction
from millrace.lib.sparse.shaping import sparse_split
from millrace.lib.variables.scope import get_variable_scope, variable_scope
from millrace.models.estimator.arguments import arguments_of
from millrace.models.estimator.export_outputs import ClassificationOutput, PredictOutput, RegressionOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import no_op
from millrace.ops.array.fill import zeros_like
from millrace.ops.math.arithmetic import add_n
from millrace.training.optimizers.optimizer import Optimizer


@dataclass
class _Towers:
    """The copies of a model in one graph.

    Attributes:
      count: how many there are; 0 where the model is not copied.
      averaged: losses are divided by their number.
      applied: for each optimizer, in the order of their use, the pairs that each copy applies.
    """

    count: int = 0
    averaged: bool = False
    used: bool = False
    applied: list[tuple[Any, Any, list[list[tuple[Any, Any]]]]] = field(default_factory=list)
    position: int = 0


_towers: weakref.WeakKeyDictionary[Graph, _Towers] = weakref.WeakKeyDictionary()


def _here() -> _Towers:
    return _towers.setdefault(get_default_graph(), _Towers())


def _shared(loss: Any, towers: _Towers) -> Any:
    """A copy's share of the loss of all."""
    if not towers.averaged:
        return loss
    with name_scope("averaged_loss"):
        return loss / towers.count


@public("contrib.estimator.TowerOptimizer")
class TowerOptimizer(Optimizer):
    """Gathers the gradients of all copies, whose sum the optimizer inside applies once.

    Without `replicate_model_fn`, it is the optimizer inside.

    Args:
      optimizer_or_optimizer_fn: an optimizer, or a function that makes one.
    """

    def __init__(self, optimizer_or_optimizer_fn: Any) -> None:
        self._made: Any = None
        self._given = optimizer_or_optimizer_fn
        super().__init__(False, "TowerOptimizer")

    def _inside(self) -> Any:
        if self._made is None:
            given = self._given
            self._made = given if isinstance(given, Optimizer) or not callable(given) else given()
        return self._made

    @staticmethod
    def has_been_used() -> bool:
        """Whether one was used in the default graph."""
        return _here().used

    def get_name(self) -> str:
        """That of the optimizer inside."""
        return self._inside().get_name()

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """As the optimizer inside has it."""
        return self._inside().get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> Any:
        """As the optimizer inside has it."""
        return self._inside().get_slot_names(*args, **kwargs)

    def variables(self) -> Any:
        """Those of the optimizer inside."""
        return self._inside().variables()

    def compute_gradients(self, loss: Any, *args: Any, **kwargs: Any) -> Any:
        """Those of this copy's share of the loss."""
        return self._inside().compute_gradients(_shared(loss, _here()), *args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, **kwargs: Any) -> Any:
        """Keeps the pairs until all copies are there."""
        towers = _here()
        towers.used = True
        if not towers.count:
            return self._inside().apply_gradients(grads_and_vars, global_step, **kwargs)
        place = towers.position
        towers.position += 1
        if place == len(towers.applied):
            towers.applied.append((self._inside(), {"global_step": global_step, **kwargs}, []))
        towers.applied[place][2].append(list(grads_and_vars))
        return no_op("train_op_placeholder")


@public("contrib.estimator.replicate_model_fn")
def replicate_model_fn(
    model_fn: Callable[..., Any],
    loss_reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    devices: Sequence[str] | None = None,
) -> Callable[..., Any]:
    """A model function that calls `model_fn` for each device with a part of the batch.

    Args:
      model_fn: as for an `Estimator`; its optimizers are wrapped in `TowerOptimizer`.
      loss_reduction: that of its loss: "weighted_sum" adds the copies' losses, others average them.
      devices: a name for each copy; by default, there is one copy.

    Raises:
      ValueError: the loss is not reduced.
    """
    if loss_reduction == Reduction.NONE:
        raise ValueError(
            f"Tower losses need to be reduced in some way, yet none reduction is specified. "
            f"Received: {loss_reduction}"
        )
    places = list(devices or ())

    def replicated(features: Any, labels: Any, mode: str, params: Any = None, config: Any = None) -> Any:
        known, taken = {"mode": mode, "params": params, "config": config}, arguments_of(model_fn)
        given = {name: value for name, value in known.items() if name in taken}
        takes_labels = "labels" in taken
        if len(places) <= 1:
            return model_fn(features, **({"labels": labels} if takes_labels else {}), **given)
        towers = _towers[get_default_graph()] = _Towers(len(places), loss_reduction != Reduction.SUM)
        with name_scope("split_inputs"):
            parts = [*zip(*(_parts(given, len(places)) for given in (features, labels)), strict=True)]
        specs = []
        for i, (place, (part, part_labels)) in enumerate(zip(places, parts, strict=True)):
            towers.position = 0
            own = {"labels": part_labels} if takes_labels else {}
            with (
                variable_scope(get_variable_scope(), reuse=i > 0 or None, auxiliary_name_scope=False),
                name_scope(f"tower_{i}" if i else ""),
                get_default_graph().device(place),
            ):
                spec = model_fn(part, **own, **given)
                if spec.loss is not None:
                    spec = spec._replace(loss=_shared(spec.loss, towers))
                specs.append(spec)
        join = {ModeKeys.TRAIN: _training, ModeKeys.EVAL: _evaluation}.get(mode, _prediction)
        joined = join(specs, towers)
        towers.count = 0
        return joined

    return replicated


def _parts(given: Any, count: int) -> list[Any]:
    """The parts of features or labels."""
    if given is None:
        return [None] * count
    flat = nest.flatten(given)
    cut = [
        sparse_split(sp_input=x, num_split=count, axis=0) if isinstance(x, SparseTensor) else split(x, count)
        for x in flat
    ]
    return [nest.pack_sequence_as(given, list(part)) for part in zip(*cut, strict=True)]


def _training(specs: list[Any], towers: _Towers) -> Any:
    if not towers.used:
        raise ValueError(
            "Please wrap optimizers with TowerOptimizer in order to use replicate_model_fn with multiple "
            f"`devices`. Received: {specs[0].train_op.name}"
        )
    steps = [
        optimizer.apply_gradients(_together(pairs), **options) for optimizer, options, pairs in towers.applied
    ]
    train_op = steps[0] if len(steps) == 1 else group(*steps)
    return specs[0]._replace(train_op=train_op, loss=_total(specs))


def _total(specs: list[Any]) -> Any:
    return add_n([spec.loss for spec in specs], name="loss")


def _together(pairs: list[list[tuple[Any, Any]]]) -> list[tuple[Any, Any]]:
    """The sum of the copies' gradients for each variable."""
    found: dict[Any, list[Any]] = {}
    for gradient, var in (pair for tower in pairs for pair in tower):
        found.setdefault(var, [])
        if gradient is not None:
            found[var].append(gradient)
    summed = []
    with name_scope("gradient_aggregating"):
        for var, gradients in found.items():
            summed.append((_sum(gradients), var))
    return summed


def _sum(gradients: list[Any]) -> Any:
    if not gradients:
        return None
    if any(hasattr(g, "indices") for g in gradients):
        values, indices = ([getattr(g, part) for g in gradients] for part in ("values", "indices"))
        return type(gradients[0])(concat(values, 0), concat(indices, 0), gradients[0].dense_shape)
    return add_n(gradients)


def _evaluation(specs: list[Any], towers: _Towers) -> Any:
    loss = _total(specs)
    updates = [update for spec in specs for _, update in spec.eval_metric_ops.values()]
    merged = _merged_metrics(updates, towers.count)
    update = group(*merged)
    metrics = {name: (value, update) for name, (value, _) in specs[0].eval_metric_ops.items()}
    return specs[0]._replace(loss=loss, eval_metric_ops=metrics)


def _merged_metrics(updates: list[Any], count: int) -> list[Any]:
    """Adds the variables of the copies' metrics to those of the first, after all updates."""
    variables = get_default_graph().get_collection(GraphKeys.METRIC_VARIABLES)
    first = len(variables) // count
    done = []
    with control_dependencies(updates):
        for i, var in enumerate(variables[:first]):
            others = variables[first + i :: first]
            total = var.assign(add_n([v.read_value() for v in (var, *others)]))
            with control_dependencies([total]):
                done += [other.assign(zeros_like(other)) for other in others]
            done.append(total)
    return done or updates


def _prediction(specs: list[Any], towers: _Towers) -> Any:
    del towers
    predictions = _joined([spec.predictions for spec in specs])
    exports = {
        name: _joined_output([spec.export_outputs[name] for spec in specs])
        for name in specs[0].export_outputs
    }
    return specs[0]._replace(predictions=predictions, export_outputs=exports)


def _joined(parts: list[Any]) -> Any:
    if not isinstance(parts[0], dict):
        return concat(parts, 0)
    return {name: concat([part[name] for part in parts], 0) for name in parts[0]}


def _joined_output(outputs: list[Any]) -> Any:
    first = outputs[0]
    if isinstance(first, PredictOutput):
        return PredictOutput(_joined([output.outputs for output in outputs]))
    if isinstance(first, RegressionOutput):
        return RegressionOutput(concat([output.value for output in outputs], 0))
    if isinstance(first, ClassificationOutput):
        parts = [[getattr(output, name) for output in outputs] for name in ("scores", "classes")]
        return ClassificationOutput(*[None if part[0] is None else concat(part, 0) for part in parts])
    return first
