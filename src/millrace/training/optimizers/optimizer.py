"""`tf.train.Optimizer`: from a loss to operations that change variables, whatever the rule of the change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from millrace.autodiff.gradients import gradients
from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import colocate_with, control_dependencies, init_scope, name_scope
from millrace.core import dtypes, late
from millrace.core.depth import bounded
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group, tuple_
from millrace.lib.variables import initializers
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.lib.variables.variable import Variable
from millrace.training.optimizers import slot_creator
from millrace.training.optimizers.processors import processor_of

_VALID_TYPES: Final = frozenset(
    (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)
)


@public("train.Optimizer", "python.training.optimizer.Optimizer")
class Optimizer:
    """Adds operations that change variables so that a loss falls.

    A subclass says what to do with one gradient: `_apply_dense` and `_apply_sparse` for variables named by
      references,
    `_resource_apply_dense` and `_resource_apply_sparse` for those named by handles. It may also make slots
    (`_create_slots`), prepare tensors that all updates share (`_prepare`) and add what follows them
    (`_finish`).

    Args:
      use_locking: accepted; updates are always whole.
      name: the name scope of the operations, and the name of the slots.

    Raises:
      ValueError: there is no name.
    """

    # a slot of its own makes it the `__base__` of optimizers that take methods from elsewhere, too
    __slots__ = ("__dict__", "__weakref__", "_name")

    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[Any, Any]] = {}
        self._non_slot_dict: dict[Any, Any] = {}

    def _repr_html_(self) -> str:
        plain = (int, float, str, type(None))
        settings = {
            name.strip("_").replace("_", " "): value
            for name, value in vars(self).items()
            if name not in ("_name", "_slots", "_non_slot_dict")
            and (isinstance(value, plain) or hasattr(value, "dtype"))
            and value is not None
        }
        slots = {name: len(made) for name, made in self._slots.items()}
        return late.module("cards").optimizer(type(self).__name__, self._name, settings, slots)

    def get_name(self) -> str:
        """The optimizer's name."""
        return self._name

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """An operation that makes one step: `compute_gradients`, then `apply_gradients`.

        Args:
          loss: the tensor to make smaller.
          global_step: a variable to increase by one after the step.
          var_list: the variables to change; default the trainable ones.
          gate_gradients: `GATE_NONE`, `GATE_OP` or `GATE_GRAPH`: what must be computed before gradients are
            used.
          aggregation_method: how gradients of one tensor are added, an `AggregationMethod`.
          colocate_gradients_with_ops: keep gradients on the devices of their operations.
          name: default the optimizer's.
          grad_loss: the gradient of `loss`; default ones.

        Raises:
          ValueError: no variable has a gradient.
        """
        pairs = self.compute_gradients(
            loss,
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            grad_loss=grad_loss,
        )
        if not any(g is not None for g, _ in pairs):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not "
                "support gradients, "
                f"between variables {[str(v) for _, v in pairs]} and loss {loss}."
            )
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """The gradients of `loss`; arguments as for `minimize`.

        Returns:
          Pairs (gradient, variable); a gradient is a tensor, an IndexedSlices, or None where the loss does
          not depend on the variable.

        Raises:
          TypeError: `var_list` holds something that is not a variable.
          ValueError: there are no variables, or an argument is none of its choices.
        """
        if callable(loss) and not isinstance(loss, Tensor | Variable):
            loss = loss()
        if gate_gradients not in (Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, "
                "Optimizer.GATE_GRAPH. "
                f"Received: {gate_gradients}"
            )
        self._assert_valid_dtypes([loss])
        if grad_loss is not None:
            self._assert_valid_dtypes([grad_loss])
        if var_list is None:
            var_list = get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES)
        else:
            var_list = _flat(var_list)
        var_list += get_default_graph().get_collection(GraphKeys._STREAMING_MODEL_PORTS)
        if not var_list:
            raise ValueError("No variables to optimize.")
        targets = [processor_of(v).target() for v in var_list]
        found = gradients(
            loss,
            targets,
            grad_ys=grad_loss,
            gate_gradients=gate_gradients == Optimizer.GATE_OP,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == Optimizer.GATE_GRAPH:
            found = tuple_(found)
        pairs = list(zip(found, var_list, strict=True))
        self._assert_valid_dtypes(
            [v for g, v in pairs if g is not None and v.dtype.base_dtype is not dtypes.resource]
        )
        return pairs

    def apply_gradients(
        self, grads_and_vars: Iterable[Any], global_step: Any = None, name: str | None = None
    ) -> Any:
        """An operation that changes variables by gradients.

        Args:
          grads_and_vars: pairs, as `compute_gradients` gives them.
          global_step: a variable to increase by one afterwards.
          name: default the optimizer's.

        Raises:
          TypeError: a gradient is not a tensor.
          ValueError: there are no pairs, or none with a gradient.
        """
        pairs = [(_gradient(g), v) for g, v in tuple(grads_and_vars)]
        if not pairs:
            raise ValueError("No variables provided.")
        var_list = [v for g, v in pairs if g is not None]
        if not var_list:
            raise ValueError(
                f"No gradients provided for any variable. Received: {[str(v) for _, v in pairs]}"
            )
        with init_scope():
            self._create_slots(var_list)
            get_default_graph().holds += 1
        updates = []
        with name_scope(name, self._name) as scope:
            self._prepare()
            for gradient, variable in pairs:
                if gradient is None:
                    continue
                with name_scope(f"update_{variable.op.name}"), colocate_with(variable.op):
                    updates.append(self._update(gradient, variable))
            if global_step is None:
                train_op = self._finish(updates, scope)
            else:
                with control_dependencies([self._finish(updates, "update")]), colocate_with(global_step.op):
                    train_op = _increment(global_step, scope)
            if isinstance(train_op, Tensor):
                train_op = train_op.op
            graph = get_default_graph()
            if train_op not in graph.get_collection_ref(GraphKeys.TRAIN_OP):
                graph.add_to_collection(GraphKeys.TRAIN_OP, train_op)
            return train_op

    def _update(self, gradient: Any, variable: Any) -> Any:
        """The update of one variable, and its constraint."""
        return processor_of(variable).update_op(self, gradient)

    # --- slots ----------------------------------------------------------------------------------------------

    def get_slot(self, var: Any, name: str) -> Any:
        """The slot `name` of a variable, or None."""
        found = self._slots.get(name)
        return None if not found else found.get(_key(var))

    def get_slot_names(self) -> list[str]:
        """The names of the slots that the optimizer made, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Any]:
        """The variables that the optimizer made in the default graph, sorted by name."""
        graph = get_default_graph().root
        own = [v for v in self._non_slot_variables() if v.graph is graph]
        slots = [s for named in self._slots.values() for s in named.values() if s.graph is graph]
        return sorted(own + slots, key=lambda v: v.name)

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Any) -> Variable:
        key = (name, colocate_with.graph)
        found = self._non_slot_dict.get(key)
        if found is None:
            from millrace.building.scopes import colocate_with as colocate

            with colocate(colocate_with.op):
                found = Variable(
                    initial_value,
                    name=name,
                    trainable=False,
                    use_resource=getattr(colocate_with, "_is_resource", None),
                )
            self._non_slot_dict[key] = found
        return found

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Any:
        return self._non_slot_dict.get((name, graph or get_default_graph().root))

    def _trackable_children(self) -> list[tuple[str, Any]]:
        """What a checkpoint of objects holds of an optimizer besides its slots."""
        graph = get_default_graph().root
        return sorted((name, v) for (name, home), v in self._non_slot_dict.items() if home is graph)

    def _non_slot_variables(self) -> list[Any]:
        return list(self._non_slot_dict.values())

    def _slot_dict(self, slot_name: str) -> dict[Any, Any]:
        return self._slots.setdefault(slot_name, {})

    def _get_or_make_slot(self, var: Any, val: Any, slot_name: str, op_name: str) -> Any:
        return self._slot(var, slot_name, lambda: slot_creator.create_slot(var, val, op_name))

    def _get_or_make_slot_with_initializer(
        self, var: Any, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Any:
        return self._slot(
            var,
            slot_name,
            lambda: slot_creator.create_slot_with_initializer(var, initializer, shape, dtype, op_name),
        )

    def _zeros_slot(self, var: Any, slot_name: str, op_name: str) -> Any:
        return self._slot(var, slot_name, lambda: slot_creator.create_zeros_slot(var, op_name))

    def _constant_slot(
        self, var: Any, value: float, slot_name: str, op_name: str, filled: bool = False
    ) -> Any:
        """A slot that begins with `value`; where `filled`, TensorFlow 1.15 makes many of it with a Fill."""

        def initial(shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
            made = initializers.Constant(value)(shape, dtype)
            return slot_creator.counted_as_filled(made) if filled else made

        return self._slot(
            var, slot_name, lambda: slot_creator.create_filled_slot(var, op_name, initial, initial)
        )

    def _slot(self, var: Any, slot_name: str, make: Callable[[], Any]) -> Any:
        named = self._slot_dict(slot_name)
        key = _key(var)
        if key not in named:
            named[key] = make()
        return named[key]

    # --- for subclasses -------------------------------------------------------------------------------------

    def _assert_valid_dtypes(self, tensors: Iterable[Any]) -> None:
        valid = self._valid_dtypes()
        for tensor in tensors:
            dtype = tensor.dtype.base_dtype
            if dtype not in valid:
                shown = sorted(d.name for d in valid)
                raise ValueError(
                    f"Invalid type for {tensor.name}: expected one of {shown}. Received: {dtype.name}"
                )

    def _valid_dtypes(self) -> Any:
        return _VALID_TYPES

    def _create_slots(self, var_list: list[Any]) -> None:
        """Makes the slots that the optimizer needs for these variables."""

    def _prepare(self) -> None:
        """Makes the tensors that all updates share."""

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        """The operation that changes `var`, named by a reference, by a gradient of its shape."""
        raise NotImplementedError(f"{type(self).__name__} does not define _apply_dense")

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        """The operation that changes `handle`, a variable named by a handle, by a gradient of its shape."""
        raise NotImplementedError(f"{type(self).__name__} does not define _resource_apply_dense")

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        """The operation that changes the rows of `var` that `grad` names; no row is named twice."""
        raise NotImplementedError(f"{type(self).__name__} does not define _apply_sparse")

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        """The operation that changes the rows `indices` of `handle`; no row is named twice."""
        raise NotImplementedError(f"{type(self).__name__} does not define _resource_apply_sparse")

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        """As `_apply_sparse`, but rows may be named several times; their gradients add up."""
        values, indices = deduplicated(grad.values, grad.indices)
        return self._apply_sparse(IndexedSlices(values, indices, grad.dense_shape), var)

    def _resource_apply_sparse_duplicate_indices(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        """As `_resource_apply_sparse`, but rows may be named several times; their gradients add up."""
        values, unique = deduplicated(grad, indices)
        return self._resource_apply_sparse(values, handle, unique)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        """The operation that is done when all updates are."""
        return group(*update_ops, name=name_scope)

    def _call_if_callable(self, param: Any) -> Any:
        """A hyperparameter's value: what it gives when called, if it can be."""
        return param() if callable(param) and not isinstance(param, Tensor | Variable) else param


@public("python.training.optimizer._deduplicate_indexed_slices")
def deduplicated(values: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Sums the rows of `values` that have one index; gives the sums and the distinct indices."""
    unique = raw.Unique(indices)
    count = raw.Shape(unique.y)[0]
    return raw.UnsortedSegmentSum(values, unique.idx, count), unique.y


def cast(tensor: Tensor, dtype: dtypes.DType) -> Tensor:
    """`tensor` in `dtype`; itself where it is of that dtype."""
    base = dtype.base_dtype
    return tensor if tensor.dtype.base_dtype is base else raw.Cast(tensor, DstT=base)


@bounded
def _flat(var_list: Any) -> list[Any]:
    if isinstance(var_list, list | tuple | PartitionedVariable):
        return [v for item in var_list for v in _flat(item)]
    if isinstance(var_list, dict):
        return [v for key in sorted(var_list) for v in _flat(var_list[key])]
    if isinstance(var_list, str | bytes):
        raise TypeError(
            f"Argument is not a tf.Variable: {var_list!r}; `var_list` takes variables, not their names"
        )
    if hasattr(var_list, "__iter__") and not isinstance(var_list, Tensor | Variable):
        return [v for item in var_list for v in _flat(item)]
    return [var_list]


def _gradient(value: Any) -> Any:
    if value is None or isinstance(value, Tensor | IndexedSlices):
        return value
    try:
        return convert.convert_to_tensor_or_indexed_slices(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Gradient must be convertible to a Tensor or IndexedSlices, or None. Received: {value}"
        ) from error


def _increment(global_step: Any, name: str) -> Any:
    if isinstance(global_step, Variable) and global_step._is_resource:
        one = convert.to_tensor(1, global_step.dtype.base_dtype)
        return raw.AssignAddVariableOp(global_step.handle, one, name=name)  # pyright: ignore[reportAttributeAccessIssue]
    return assign_add(global_step, 1, name=name)


def _key(var: Any) -> Any:
    return (var.op.graph, var.op.name)
