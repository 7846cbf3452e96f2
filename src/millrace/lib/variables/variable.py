"""`tf.Variable`: a value that the session keeps between runs, and what a program does with it.

There is one kind of variable. `Variable` holds all that programs use; its two makes differ only in which
operations they add: `RefVariable` here names its value by a reference, `ResourceVariable` (in
`resource_variables.py`) by a handle. `tf.Variable(...)` picks one through the chain of creators
(`tf.variable_creator_scope`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from millrace.building import convert, raw, slicing
from millrace.building.operators import OPERATORS
from millrace.building.scopes import colocate_with, device, init_scope, name_scope
from millrace.core import dtypes, late, shapes
from millrace.core.collection_protos import register_proto_function
from millrace.core.public import public
from millrace.graph.defaults import executing_eagerly, get_default_graph, session_for
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.variables.arguments import check_distribution, collections_for, computed_inside
from millrace.lib.variables.initial_values import without_early_reads
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.protos import from_definition, to_definition
from millrace.lib.variables.slices import SaveSliceInfo


class _VariableType(type):
    """Sends `Variable(...)` through the creators; makes are built as usual."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Variable:
            return late.module("variable_creation").create(_arguments(*args, **kwargs))
        return super().__call__(*args, **kwargs)


def _arguments(
    initial_value: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    validate_shape: bool = True,
    caching_device: Any = None,
    name: str | None = None,
    variable_def: Any = None,
    dtype: Any = None,
    expected_shape: Any = None,
    import_scope: str | None = None,
    constraint: Callable[[Any], Any] | None = None,
    use_resource: bool | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
    shape: Any = None,
) -> dict[str, Any]:
    return locals()


@public("Variable", "python.ops.variables.Variable")
class Variable(metaclass=_VariableType):
    """A value that the session keeps between runs.

    Args:
      initial_value: a tensor, something that converts to one, or a function that makes one.
      trainable: also put the variable into `GraphKeys.TRAINABLE_VARIABLES`; default True.
      collections: the collections it joins; default `[GraphKeys.GLOBAL_VARIABLES]`.
      validate_shape: the initial value's shape must be known and is the variable's; False lets it change.
      caching_device: where reads are cached.
      name: default "Variable".
      variable_def: rebuild a variable that the graph already has from this `VariableDef`; excludes the
        others.
      dtype: converts the initial value.
      expected_shape: ignored.
      import_scope: prefix of the names in `variable_def`.
      constraint: a function from value to value that optimizers apply after their update.
      use_resource: name the value by a handle instead of a reference.
      synchronization, aggregation: what replicas do with it.
      shape: the shape, where the initial value's is less exact.

    Raises:
      ValueError: there is no initial value, or its shape is not known though `validate_shape` is set.

    Example:
      >>> w = tf.Variable([1.0, 2.0], name="w")
      >>> with tf.Session() as sess:
      ...     sess.run(w.initializer)
      ...     print(sess.run(w + 1.0))
      [2. 3.]
    """

    SaveSliceInfo = SaveSliceInfo
    __array_priority__ = 100
    _is_resource = False

    _target: Tensor  # the reference or handle
    _initial: Tensor | None
    _first: Tensor  # the initial value, computed without early reads
    _initializer: Operation
    _snapshot: Tensor  # the read that is made once
    _cached: Tensor | None = None

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Callable[[Any], Any] | None = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        shape: Any = None,
    ) -> None:
        self._save_slice_info: SaveSliceInfo | None = None
        self._constraint = constraint
        self._initial = None
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError(
                    "Variable: variable_def and initial_value are mutually exclusive. Received: both"
                )
            from_definition(self, variable_def, import_scope)
            return
        synchronization, aggregation, trainable = check_distribution(
            synchronization, aggregation, trainable, name
        )
        self._trainable, self._synchronization, self._aggregation = trainable, synchronization, aggregation
        self._build(
            initial_value,
            collections_for(collections, trainable, constraint, initial_value),
            validate_shape,
            caching_device,
            name,
            None if dtype is None else dtypes.as_dtype(dtype).base_dtype,
            shape,
        )

    def _build(
        self,
        initial_value: Any,
        collections: list[str],
        validate_shape: bool,
        caching_device: Any,
        name: str | None,
        dtype: dtypes.DType | None,
        shape: Any,
    ) -> None:
        with init_scope():
            given = callable(initial_value) and not isinstance(initial_value, Variable)
            with name_scope(name, "Variable", [] if given else [initial_value]) as scope:
                if given:
                    value = computed_inside(initial_value, dtype, scope)  # pyright: ignore[reportArgumentType]
                else:
                    value = self._given_value(initial_value, dtype)
                dims = value.dims if shape is None else shapes.as_dims(shape)
                if validate_shape and not shapes.fully_defined(dims):
                    raise ValueError(
                        f"Variable '{scope[:-1]}': initial_value must have a shape specified. "
                        f"Received: {value}"
                    )
                self._initial = value
                dtype = value.dtype.base_dtype
                self._make(scope, dims if validate_shape or shape is not None else None, dtype)
                self._first = without_early_reads(value, self)
                self._add_initializer(self._first, validate_shape)
                self._add_read(caching_device)
            get_default_graph().add_to_collections(collections, self)

    def _given_value(self, initial_value: Any, dtype: dtypes.DType | None) -> Tensor:
        return convert.to_tensor(initial_value, dtype, "initial_value")

    # --- what the two makes do differently ------------------------------------------------------------------

    def _make(self, scope: str, dims: shapes.Dims, dtype: dtypes.DType) -> None:
        """Adds the operation that names the value; sets `_target`."""
        raise TypeError(f"{type(self).__name__} names no value: it is neither a reference nor a handle")

    def _add_initializer(self, value: Tensor, validate_shape: bool) -> None:
        """Adds the first write; sets `_initializer`."""
        raise TypeError(f"{type(self).__name__} cannot be written")

    def _add_read(self, caching_device: Any) -> None:
        """Adds the first read; sets `_snapshot`."""
        raise TypeError(f"{type(self).__name__} cannot be read")

    def _write(self, kind: str, value: Any, use_locking: bool, name: str | None, read_value: bool) -> Any:
        """Adds a write of kind "Assign", "AssignAdd" or "AssignSub"."""
        raise TypeError(f"{type(self).__name__} cannot be written")

    def _scatter(self, kind: str, indices: Any, updates: Any, use_locking: bool, name: str | None) -> Any:
        """Adds a write of rows: kind is the end of an operation type, as "Add" of "ScatterAdd"."""
        raise TypeError(f"{type(self).__name__} cannot be written")

    def _strided_slice_assign(
        self, begin: Any, end: Any, strides: Any, value: Any, name: str | None = None, **masks: int
    ) -> Any:
        """Adds a write of a slice; what `variable[key].assign(value)` calls."""
        raise TypeError(f"{type(self).__name__} cannot be written")

    def value(self) -> Tensor:
        """The value, read once for all who take it in the same run."""
        raise TypeError(f"{type(self).__name__} cannot be read")

    def read_value(self) -> Tensor:
        """The value, read anew: it sees the writes that happen before it along edges."""
        raise TypeError(f"{type(self).__name__} cannot be read")

    def _is_initialized(self, name: str | None = None) -> Tensor:
        raise TypeError(f"{type(self).__name__} cannot be read")

    # --- facts ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """`op_name:0`."""
        return self._target.name

    @property
    def _shared_name(self) -> str:
        return self._target.op.name

    @property
    def op(self) -> Operation:
        """The operation that names the value."""
        return self._target.op

    @property
    def graph(self) -> Graph:
        """The graph that holds the variable."""
        return self._target.graph

    @property
    def device(self) -> str:
        """The device that was asked for."""
        return self._target.device

    @property
    def dtype(self) -> dtypes.DType:
        """The element type; a reference type where the value is named by a reference."""
        return self._target.dtype

    @property
    def shape(self) -> shapes.TensorShape:
        """The static shape."""
        return self._target.shape

    def get_shape(self) -> shapes.TensorShape:
        """The static shape; the same as `.shape`."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the static shape.

        Raises:
          ValueError: `shape` contradicts what is known already.
        """
        self._target.set_shape(shape)
        self._snapshot.set_shape(shape)

    @property
    def initializer(self) -> Operation:
        """The operation that sets the initial value."""
        return self._initializer

    @property
    def initial_value(self) -> Tensor | None:
        """The tensor that the initializer sets, whether it has run or not."""
        return self._initial

    @property
    def _initial_value(self) -> Tensor | None:
        return self._initial

    @property
    def _initializer_op(self) -> Operation:
        return self._initializer

    @_initializer_op.setter
    def _initializer_op(self, op: Operation) -> None:  # what restores a variable in place of initializing it
        self._initializer = op

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it by default."""
        return self._trainable

    @property
    def synchronization(self) -> VariableSynchronization:
        """When replicas agree on the value."""
        return self._synchronization

    @property
    def aggregation(self) -> VariableAggregation:
        """How the updates of replicas combine."""
        return self._aggregation

    @property
    def constraint(self) -> Callable[[Any], Any] | None:
        """The function that optimizers apply after their update, or None."""
        return self._constraint

    def _get_save_slice_info(self) -> SaveSliceInfo | None:
        return self._save_slice_info

    def _set_save_slice_info(self, save_slice_info: SaveSliceInfo) -> None:
        self._save_slice_info = save_slice_info

    # --- reading --------------------------------------------------------------------------------------------

    def initialized_value(self) -> Tensor:
        """The value if there is one already, else the initial value."""
        from millrace.lib.flow.control_flow import cond

        with init_scope():
            return cond(self._is_initialized(), self.read_value, lambda: self._first)

    def eval(self, session: Any = None) -> Any:
        """The value in `session` (default: the current default session).

        Raises:
          ValueError: there is no session, or it holds another graph.
        """
        return session_for(self.graph, session, f"evaluate variable '{self.name}'").run(self)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows that `indices` names."""
        return raw.GatherV2(self.value(), indices, 0, name=name)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The slices that the rows of `indices` name."""
        return raw.GatherNd(self.value(), indices, name=name)

    # --- writing --------------------------------------------------------------------------------------------

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Sets the value.

        Args:
          value: the new value, of the variable's shape and dtype.
          use_locking: accepted; writes are always whole.
          name: op name; default "Assign".
          read_value: give the new value as a tensor; False gives the operation.
        """
        return self._write("Assign", value, use_locking, name, read_value)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Adds `delta` to the value; arguments as for `assign`."""
        return self._write("AssignAdd", delta, use_locking, name, read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtracts `delta` from the value; arguments as for `assign`."""
        return self._write("AssignSub", delta, use_locking, name, read_value)

    def count_up_to(self, limit: int) -> Tensor:
        """The value before it is incremented; OutOfRangeError once it has reached `limit`."""
        return late.module("assigning").count_up_to(self, limit)

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the value in `session` (default: the current one) at once, adding no operations."""
        chosen = session_for(self.graph, session, f"load a value into variable '{self.name}'")
        chosen.run(self._initializer, {self._initializer.inputs[1]: value})

    def _scatter_slices(self, kind: str, sparse_delta: Any, use_locking: bool, name: str | None) -> Any:
        if not (hasattr(sparse_delta, "indices") and hasattr(sparse_delta, "values")):
            raise TypeError(
                f"Variable '{self.name}': sparse_delta is not IndexedSlices. Received: {sparse_delta!r}"
            )
        return self._scatter(kind, sparse_delta.indices, sparse_delta.values, use_locking, name)

    def scatter_sub(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Subtracts the rows of an IndexedSlices."""
        return self._scatter_slices("Sub", sparse_delta, use_locking, name)

    def scatter_add(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Adds the rows of an IndexedSlices."""
        return self._scatter_slices("Add", sparse_delta, use_locking, name)

    def scatter_max(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Takes the larger of its rows and those of an IndexedSlices."""
        return self._scatter_slices("Max", sparse_delta, use_locking, name)

    def scatter_min(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Takes the smaller of its rows and those of an IndexedSlices."""
        return self._scatter_slices("Min", sparse_delta, use_locking, name)

    def scatter_mul(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Multiplies by the rows of an IndexedSlices."""
        return self._scatter_slices("Mul", sparse_delta, use_locking, name)

    def scatter_div(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Divides by the rows of an IndexedSlices."""
        return self._scatter_slices("Div", sparse_delta, use_locking, name)

    def scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Sets the rows of an IndexedSlices."""
        return self._scatter_slices("Update", sparse_delta, use_locking, name)

    def batch_scatter_update(
        self, sparse_delta: Any, use_locking: bool = False, name: str | None = None
    ) -> Any:
        """Sets, in each element of a batch, the rows that the last dimension of the indices names."""
        return late.module("assigning").batch_scatter_update(
            self, sparse_delta.indices, sparse_delta.values, use_locking, name
        )

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Subtracts slices at the places that the rows of `indices` name."""
        return self._scatter("NdSub", indices, updates, True, name)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Adds slices at the places that the rows of `indices` name."""
        return self._scatter("NdAdd", indices, updates, True, name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Sets slices at the places that the rows of `indices` name."""
        return self._scatter("NdUpdate", indices, updates, True, name)

    # --- in place of a tensor -------------------------------------------------------------------------------

    def _as_graph_element(self) -> Tensor:
        return self._target

    def _ref(self) -> Tensor:
        return self._target

    def experimental_ref(self) -> VariableReference:
        """A key for dictionaries that stands for this very variable."""
        return VariableReference(self)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The variable as a `VariableDef` message; None when it lies outside of `export_scope`."""
        return to_definition(self, export_scope)

    @staticmethod
    def from_proto(variable_def: Any, import_scope: str | None = None) -> Variable:
        """The variable that a `VariableDef` describes; its operations are in the graph already."""
        return Variable(variable_def=variable_def, import_scope=import_scope)

    def __getitem__(self, slice_spec: Any) -> Tensor:
        return slicing.get_item(self.value(), slice_spec, self)

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"Variable '{self.name}' is not iterable: its values do not exist while the graph is built"
        )

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        known = f", numpy={self.numpy()!r}" if executing_eagerly() else ""
        return f"<tf.Variable '{self.name}' shape={self.get_shape()} dtype={self.dtype.name}{known}>"

    @property
    def numpy(self) -> Any:
        """The value, inside of `tf.py_function` only: elsewhere a variable has one in each session."""
        if executing_eagerly():
            return self.value().numpy
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute 'numpy': session.run(variable) gives the value "
            f"that {self.name!r} has in a session"
        )

    def _repr_html_(self) -> str:
        return late.module("cards").variable(self)


class VariableReference:
    """A hashable stand-in for one variable, compared by identity."""

    def __init__(self, variable: Variable) -> None:
        self._variable = variable

    def deref(self) -> Variable:
        """The variable."""
        return self._variable

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VariableReference) and self._variable is other._variable

    def __hash__(self) -> int:
        return id(self._variable)

    def __repr__(self) -> str:
        return f"<Reference wrapping {self._variable!r}>"


@public("python.ops.variables.RefVariable")
class RefVariable(Variable):
    """A variable whose value is named by a reference (`VariableV2`)."""

    def _make(self, scope: str, dims: shapes.Dims, dtype: dtypes.DType) -> None:
        self._target = raw.VariableV2(shape=dims, dtype=dtype, name=scope)

    def _add_initializer(self, value: Tensor, validate_shape: bool) -> None:
        with colocate_with(self._target.op):
            self._initializer = raw.Assign(self._target, value, validate_shape=validate_shape).op

    def _add_read(self, caching_device: Any) -> None:
        if caching_device is not None:
            with device(caching_device):
                self._snapshot = raw.Identity(self._target, name="read")
        else:
            with colocate_with(self._target.op):
                self._snapshot = raw.Identity(self._target, name="read")

    def value(self) -> Tensor:
        """The value, read once for all who take it in the same run."""
        return self._snapshot

    def read_value(self) -> Tensor:
        """The value, read anew: it sees the writes that happen before it along edges."""
        return raw.Identity(self._target, name="read")

    def _is_initialized(self, name: str | None = None) -> Tensor:
        return raw.IsVariableInitialized(self._target, name=name)

    def _write(self, kind: str, value: Any, use_locking: bool, name: str | None, read_value: bool) -> Any:
        result = getattr(raw, kind)(self._target, value, use_locking=use_locking, name=name)
        return result if read_value else result.op

    def _scatter(self, kind: str, indices: Any, updates: Any, use_locking: bool, name: str | None) -> Tensor:
        return getattr(raw, f"Scatter{kind}")(
            self._target, indices, updates, use_locking=use_locking, name=name
        )

    def _strided_slice_assign(
        self, begin: Any, end: Any, strides: Any, value: Any, name: str | None = None, **masks: int
    ) -> Tensor:
        return raw.StridedSliceAssign(self._target, begin, end, strides, value, name=name, **masks)


def _to_tensor(variable: Variable, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    if dtype is not None and not dtype.is_compatible_with(variable.dtype):
        raise ValueError(
            f"Incompatible type conversion requested to type '{dtype.name}' for variable of type "
            f"'{variable.dtype.name}'"
        )
    return variable._ref() if as_ref else variable.value()


convert.register_tensor_conversion_function(Variable, _to_tensor)
for _collection in GraphKeys._VARIABLE_COLLECTIONS:
    register_proto_function(_collection, "VariableDef", Variable.to_proto, Variable.from_proto)


def _overload(name: str, function: Callable[..., Any]) -> None:
    def operator(self: Variable, *args: Any, **kwargs: Any) -> Any:
        return function(self.value(), *args, **kwargs)

    operator.__name__ = name
    setattr(Variable, name, operator)


for _name, _function in OPERATORS.items():
    if _name != "__getitem__":
        _overload(_name, _function)
