"""`VariableStore`: the variables that `tf.get_variable` made in one graph, by name, and how it makes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import colocate_with, init_scope, name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.variables import initializers
from millrace.lib.variables.kinds import VariableSynchronization
from millrace.lib.variables.partitioned import PartitionedVariable, check_partitions, slices_of
from millrace.lib.variables.slices import SaveSliceInfo
from millrace.lib.variables.variable import Variable


@public("python.ops.variable_scope._VariableStore")
class VariableStore:
    """Variables by full name; partitioned ones apart from their parts."""

    def __init__(self) -> None:
        self._vars: dict[str, Any] = {}
        self._partitioned_vars: dict[str, PartitionedVariable] = {}

    def get_variable(
        self, name: str, *, custom_getter: Any = None, constraint: Any = None, **arguments: Any
    ) -> Any:
        """The variable `name`, made or found; arguments as for `tf.get_variable`, settings filled in.

        Raises:
          ValueError: the variable exists and may not, or does not exist and must, or is another one.
        """
        if custom_getter is None:
            return self._get(name, constraint=constraint, **arguments)
        if not callable(custom_getter):
            raise ValueError(
                f"Variable {name}: the custom_getter must be callable. Received: {custom_getter!r}"
            )
        if takes(custom_getter, "constraint"):
            arguments["constraint"] = constraint
        if arguments.get("trainable") is None:  # a getter is told what is meant
            arguments["trainable"] = arguments.get("synchronization") is not VariableSynchronization.ON_READ
        return custom_getter(getter=self._get, name=name, **arguments)

    def _get(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        settings = {
            "trainable": trainable,
            "collections": collections,
            "caching_device": caching_device,
            "validate_shape": validate_shape,
            "use_resource": use_resource,
            "constraint": constraint,
            "synchronization": synchronization,
            "aggregation": aggregation,
        }
        is_scalar = isinstance(shape, list | tuple) and not shape
        split = partitioner is not None and not is_scalar
        if split and not callable(partitioner):
            raise ValueError(f"Variable {name}: partitioner must be callable. Received: {partitioner!r}")
        if split or (reuse is True and partitioner is None and name in self._partitioned_vars):
            with name_scope(None):
                return self._partitioned(
                    name, partitioner, shape, dtype, initializer, regularizer, reuse, settings
                )
        if f"{name}/part_0" in self._vars:
            raise ValueError(
                "No partitioner was provided, but a partitioned version of the variable was found: "
                f"{name}/part_0. "
                "Perhaps a variable of the same name was already created with partitioning?"
            )
        return self._single(name, shape, dtype, initializer, regularizer, reuse, settings)

    # --- one variable ---------------------------------------------------------------------------------------

    def _single(
        self,
        name: str,
        shape: Any,
        dtype: Any,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        settings: dict[str, Any],
        partition: PartitionInfo | None = None,
    ) -> Variable:
        from_value = initializer is not None and not callable(initializer)
        if shape is not None and from_value:
            raise ValueError(
                f"Variable {name}: if the initializer is a value, do not specify shape. Received: {shape}"
            )
        dtype = dtypes.as_dtype(dtype).base_dtype
        dims = shapes.as_dims(shape) if shape is not None else None
        if name in self._vars:
            return self._found(name, dims, dtype, reuse)
        if reuse is True:
            raise ValueError(
                f"Variable {name} does not exist, or was not created with tf.get_variable(). "
                "Did you mean to set reuse=tf.AUTO_REUSE in VarScope?"
            )
        if initializer is None:
            initializer = default_initializer(name, dtype)
        with init_scope():
            value, value_dtype = initializer, None
            if not from_value:
                value, value_dtype = _initial_value(name, initializer, dims, dtype, partition)
        variable = Variable(initial_value=value, name=name, dtype=value_dtype, **settings)
        self._vars[name] = variable
        variable.graph.on_undo(lambda: self._vars.pop(name, None))
        if regularizer:
            with colocate_with(variable.op), name_scope(f"{name}/Regularizer/"):
                loss = regularizer(variable)
            if loss is not None:
                get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
        return variable

    def _found(self, name: str, dims: shapes.Dims, dtype: dtypes.DType, reuse: Any) -> Variable:
        variable = self._vars[name]
        if reuse is False or reuse is None:
            raise ValueError(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or "
                f"reuse=tf.AUTO_REUSE in VarScope? Originally defined at: {variable.op.user_location}"
            )
        _check_same(name, dims, dtype, variable.get_shape(), variable.dtype)
        return variable

    # --- a variable in parts --------------------------------------------------------------------------------

    def _partitioned(
        self,
        name: str,
        partitioner: Any,
        shape: Any,
        dtype: Any,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        settings: dict[str, Any],
    ) -> PartitionedVariable:
        if name in self._vars:
            raise ValueError(
                "A partitioner was provided, but an unpartitioned version of the variable was found: "
                f"{name}. "
                "Perhaps a variable of the same name was already created without partitioning?"
            )
        dims = shapes.as_dims(shape) if shape is not None else None
        value = None
        if initializer is not None and not callable(initializer):
            value = convert.to_tensor(initializer)
            dims = shapes.merge(dims, value.dims)
            dtype = value.dtype.base_dtype
        dtype = dtypes.as_dtype(dtype).base_dtype
        partitions = None
        if not reuse or partitioner:
            partitions = check_partitions(partitioner, TensorShape(dims), dtype)
        if name in self._partitioned_vars:
            return self._found_partitioned(name, dims, dtype, reuse, partitions)
        if reuse is True:
            raise ValueError(
                f"PartitionedVariable {name} does not exist, or was not created with tf.get_variable(). "
                "Did you mean to set reuse=False or reuse=tf.AUTO_REUSE in VarScope?"
            )
        assert partitions is not None and dims is not None
        parts = []
        for i, (offset, part_dims) in enumerate(slices_of(dims, partitions)):
            part_name = f"{name}/part_{i}"
            part_shape: Any = part_dims
            part_initializer = initializer
            if value is not None:
                with name_scope(f"{part_name}/PartitionedInitializer"):
                    part_initializer, part_shape = raw.Slice(value, offset, part_dims), None
            with name_scope(None):
                part = self._single(
                    part_name,
                    part_shape,
                    dtype,
                    part_initializer,
                    regularizer,
                    reuse,
                    settings,
                    PartitionInfo(list(dims), offset),  # pyright: ignore[reportArgumentType]
                )
            part._set_save_slice_info(SaveSliceInfo(name, list(dims), offset, part_dims))
            parts.append(part)
        whole = PartitionedVariable(name, TensorShape(dims), dtype, parts, partitions)
        self._partitioned_vars[name] = whole
        get_default_graph().on_undo(lambda: self._partitioned_vars.pop(name, None))
        return whole

    def _found_partitioned(
        self, name: str, dims: shapes.Dims, dtype: dtypes.DType, reuse: Any, partitions: list[int] | None
    ) -> PartitionedVariable:
        found = self._partitioned_vars[name]
        if reuse is False or reuse is None:
            raise ValueError(
                f"Partitioned variable with name {name} already exists. Did you mean to set reuse=True or "
                "reuse=tf.AUTO_REUSE in VarScope?"
            )
        _check_same(name, dims, dtype, found.get_shape(), found.dtype)
        if partitions is not None and found._get_partitions() != partitions:
            raise ValueError(
                f"Trying to reuse partitioned variable {name}, but specified partitions {partitions} "
                "and found "
                f"partitions {found._get_partitions()}."
            )
        return found


@public("python.ops.variable_scope._PartitionInfo")
class PartitionInfo:
    """Where a part lies in its whole: what initializers that look at the whole shape ask for.

    Attributes:
      full_shape: the whole variable's shape, a list.
      var_offset: where the part begins, for each dimension.
    """

    def __init__(self, full_shape: list[int], var_offset: list[int]) -> None:
        self.full_shape = full_shape
        self.var_offset = var_offset

    def single_offset(self, shape: Any) -> int:
        """The offset in the one dimension that is split, for a part of this shape."""
        axis = self.single_slice_dim(shape)
        return 0 if axis is None else self.var_offset[axis]

    def single_slice_dim(self, shape: Any) -> int | None:
        """The one dimension in which a part of this shape is smaller than the whole; None when there is none.

        Raises:
          ValueError: there are several, or the shape is larger than the whole.
        """
        if len(shape) != len(self.full_shape):
            raise ValueError(f"a part has the rank of its whole {self.full_shape}. Received: shape {shape}")
        if any(self.var_offset[i] + d > self.full_shape[i] for i, d in enumerate(shape)):
            raise ValueError(f"a part lies inside its whole {self.full_shape}. Received: shape {shape}")
        smaller = [i for i, d in enumerate(shape) if d != self.full_shape[i]]
        if len(smaller) > 1:
            raise ValueError(
                f"a part is smaller in one dimension only of {self.full_shape}. Received: shape {shape}"
            )
        return smaller[0] if smaller else None


def _check_same(
    name: str, dims: shapes.Dims, dtype: dtypes.DType, shape: TensorShape, found: dtypes.DType
) -> None:
    if not shapes.compatible(dims, shape.dims_tuple):
        raise ValueError(
            f"Trying to share variable {name}, but specified shape {TensorShape(dims)} and found "
            f"shape {shape}."
        )
    if not dtype.is_compatible_with(found):
        raise ValueError(
            f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype "
            f"{found.base_dtype.name}."
        )


def takes(function: Callable[..., Any], argument: str) -> bool:
    """Whether `function` has a parameter of that name, or takes any keyword."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return argument in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def default_initializer(name: str, dtype: dtypes.DType) -> Callable[..., Tensor]:
    """What initialises a variable where nobody says.

    Raises:
      ValueError: there is no default for that dtype.
    """
    if dtype.is_floating:
        return initializers.GlorotUniform()
    if dtype.is_integer or dtype.is_bool or dtype.base_dtype is dtypes.string:
        return initializers.Zeros()
    raise ValueError(f"An initializer for variable {name} of {dtype.base_dtype} is required")


def _initial_value(
    name: str, initializer: Any, dims: shapes.Dims, dtype: dtypes.DType, partition: PartitionInfo | None
) -> tuple[Callable[[], Any], dtypes.DType | None]:
    """A function of no arguments that makes the initial value, and the dtype to convert it to."""
    if inspect.isclass(initializer):
        initializer = initializer()
    if dims is not None and shapes.fully_defined(dims):
        asks = partition is not None or not isinstance(initializer, initializers.Initializer)
        extra = {"partition_info": partition} if asks and takes(initializer, "partition_info") else {}
        return (lambda: initializer(list(dims), dtype=dtype, **extra)), dtype.base_dtype
    required = [
        p
        for p in inspect.signature(initializer).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if required:
        raise ValueError(
            f"Variable {name}: the shape must be fully defined unless the initializer is a value or a "
            "function of no "
            f"arguments. Received: shape {shapes.format_dims(dims)}, initializer {initializer!r}"
        )
    return initializer, None
