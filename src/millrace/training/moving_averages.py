"""`ExponentialMovingAverage`: shadows of variables and tensors that follow them slowly."""

from __future__ import annotations

from typing import Any, Final

from millrace.building import convert, raw
from millrace.building.scopes import init_scope, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.variables import initializers
from millrace.lib.variables.moving_averages import assign_moving_average
from millrace.lib.variables.sets import global_variables, moving_average_variables, trainable_variables
from millrace.lib.variables.variable import Variable
from millrace.ops.math.cast import cast as to_dtype
from millrace.training.optimizers import slot_creator
from millrace.training.optimizers.optimizer import cast

_AVERAGED: Final = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


@public("train.ExponentialMovingAverage", "python.training.moving_averages.ExponentialMovingAverage")
class ExponentialMovingAverage:
    """shadow = decay * shadow + (1 - decay) * value, for each of some variables and tensors.

    Args:
      decay: a scalar close to 1.
      num_updates: a count of steps; the decay is at most (1 + n) / (10 + n), so that averages move faster at
        first.
      zero_debias: correct the averages of tensors for their beginning with zero.
      name: the name of the shadows and of the update's scope.
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay = decay
        self._num_updates = num_updates
        self._zero_debias = zero_debias
        self._name = name
        self._averages: dict[Any, Variable] = {}

    @property
    def name(self) -> str:
        """The name of the shadows."""
        return self._name

    def apply(self, var_list: Any = None) -> Operation:
        """Makes a shadow for each of `var_list` that has none yet; gives the operation that moves them.

        A variable's shadow begins with the variable's initial value, a tensor's with zeros.

        Args:
          var_list: variables and tensors; default the trainable variables.

        Raises:
          TypeError: an element is not of a floating type.
        """
        chosen = trainable_variables() if var_list is None else list(var_list)
        corrected = set()
        for var in chosen:
            if var.dtype.base_dtype not in _AVERAGED:
                raise TypeError(
                    f"The variables must be half, float, or double. Received: {var.name}, {var.dtype.name}"
                )
            if var in self._averages:
                continue
            with init_scope():
                if isinstance(var, Variable):
                    average = slot_creator.create_slot(var, var.initialized_value(), self._name)
                    get_default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, var)
                else:
                    named = var.op.type in ("Variable", "VariableV2", "VarHandleOp")
                    average = _averaging(var, self._name, named)
                    if self._zero_debias:
                        corrected.add(average)
            self._averages[var] = average
            average.graph.holds += 1
        with name_scope(self._name) as scope:
            decay = convert.to_tensor(self._decay, name="decay")
            if self._num_updates is not None:
                count = to_dtype(self._num_updates, dtypes.float32, name="num_updates")
                decay = raw.Minimum(cast(decay, dtypes.float32), (1.0 + count) / (10.0 + count))
            updates = [
                assign_moving_average(self._averages[v], v, decay, zero_debias=self._averages[v] in corrected)
                for v in chosen
            ]
            return group(*updates, name=scope)

    def average(self, var: Any) -> Variable | None:
        """The shadow of `var`, or None."""
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name of the shadow of `var`: the name it has, or the one that it would get."""
        found = self._averages.get(var)
        if found is not None:
            return found.op.name
        return get_default_graph().unique_name(f"{var.op.name}/{self._name}", mark_as_used=False)

    def variables_to_restore(self, moving_avg_variables: Any = None) -> dict[str, Any]:
        """What a `Saver` needs to load shadows into their variables.

        Args:
          moving_avg_variables: the variables with shadows; default the trainable ones and those of
            `tf.moving_average_variables`.

        Returns:
          Names in the checkpoint to variables: the shadow's name for these, their own for all other global
            variables.
        """
        if moving_avg_variables is None:
            moving_avg_variables = trainable_variables() + moving_average_variables()
        averaged = dict.fromkeys(moving_avg_variables)
        names = {self.average_name(v): v for v in averaged}
        known = {v.name for v in averaged}
        for var in dict.fromkeys(global_variables()):
            if var.name not in known and var.op.name not in names:
                names[var.op.name] = var
        return names


def _averaging(value: Tensor, name: str, colocate: bool) -> Variable:
    """The average of a tensor, which begins with zeros."""
    shape = value.get_shape()
    if not shape.is_fully_defined():
        return slot_creator.create_zeros_slot(value, name, colocate_with_primary=colocate)
    dtype = value.dtype.base_dtype
    return slot_creator.create_slot_with_initializer(
        value, initializers.Zeros(), shape, dtype, name, colocate
    )
