"""`Graph`: the append-only record of operations, their names, and the scopes that shape what is appended
next.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias

from millrace.core import late
from millrace.core.depth import bounded
from millrace.core.kinds import MAPPINGS, TEXT
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph import device as device_specs
from millrace.graph.inside import GraphInside
from millrace.graph.levels import VALID_OP_NAME, ControlScope, NameScope
from millrace.graph.location import Frames
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor, tensor_by_parts

if TYPE_CHECKING:
    from millrace.building.body import Body


# a name that was taken, with its count before; or what undoes something else
Done: TypeAlias = tuple[str, int | None, Callable[[], Any] | None]


@public("Graph")
class Graph(GraphInside):
    """A computation, described: operations in creation order, named uniquely, and collections of things about
    them.

    Example:
      >>> graph = tf.Graph()
      >>> with graph.as_default():
      ...     x = tf.constant(1.0, name="x")
      >>> print([op.name for op in graph.get_operations()])
      ['x']
    """

    is_function = False  # True where a tensor from outside is captured
    executes = False  # True where an operation is run as soon as it is added
    bodies_apart = False  # whether default seeds count the operations of branches and loops apart

    @property
    def building_function(self) -> bool:
        """True for the graph of a function."""
        return self.is_function

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("A Graph cannot be copied; import its as_graph_def() into another one")

    def __init__(self) -> None:
        late.module("operators")  # tensors get theirs before there are tensors
        late.module("savepoints")  # of public functions that are called from now on
        self.ops: list[Operation] = []
        self.by_name: dict[str, Operation] = {}
        self.names: dict[str, int] = {}
        # what the call under way did to names, or what undoes it; None when nothing is being added
        self.undo: list[Done] | None = None
        self.builder = 0  # the thread whose public call is under way
        self.adding = 0  # the thread that is adding an operation
        self.mixed = False  # True where another thread has added operations meanwhile
        self.holds = 0  # how often an object of the program took something that it will use again
        self.planned = 0  # so many operations were there when a run was last planned
        self.refused: dict[str, int] = {}  # the names that the last refused operation had taken
        self._collections: dict[str, list[Any]] = {}
        self.edits = 0  # grows with every change to operations that exist; plans made before are stale
        self.finalized = False  # True once the graph is read-only
        self.beyond = 0  # how many operations TensorFlow would have added beyond those here
        self.absent: set[Operation] = set()  # what TensorFlow would not have; its gradient counts nothing
        self.unfeedable: set[Tensor] = set()
        self.unfetchable: set[Operation] = set()
        self.seed: int | None = None
        self.gradient_overrides: dict[str, str] = {}
        self.lock = threading.RLock()
        self.py_functions: dict[str, Any] = {}
        self._scoped: dict[str, Any] = {}
        # scopes: what shapes the next operation
        self.scope = ""
        self.control: list[ControlScope] = []
        self.devices: list[Any] = []
        self.colocation: list[Operation] = []
        self.attr_scope: dict[str, Any] = {}
        self.body: Body | None = None
        self._control_flow_context: Any = None
        self.original_op: Operation | None = None
        self.frames: Frames | None = None  # where what is added now comes from, if not from whoever calls

    # --- contents -------------------------------------------------------------------------------------------

    def get_operations(self) -> list[Operation]:
        """All operations, in creation order; a new list."""
        return list(self.ops)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation called `name`.

        Raises:
          TypeError: `name` is not a string.
          KeyError: there is no such operation.
        """
        if not isinstance(name, TEXT):
            raise TypeError(f"get_operation_by_name: an operation's name is a string. Received: {name!r}")
        return self.as_graph_element(name, allow_tensor=False, allow_operation=True)

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor called `name` (`op:0`).

        Raises:
          TypeError: `name` is not a string.
          ValueError: `name` is not of the form `op:index`.
          KeyError: there is no such tensor.
        """
        if not isinstance(name, TEXT):
            raise TypeError(f"get_tensor_by_name: a tensor's name is a string. Received: {name!r}")
        return self.as_graph_element(name, allow_tensor=True, allow_operation=False)

    @bounded
    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """The tensor or operation of this graph that `obj` is, names, or converts to.

        Raises:
          TypeError: `obj` is of another kind than allowed.
          ValueError: `obj` is from another graph, or a malformed name.
          KeyError: no element of this graph has that name.
        """
        wanted = " or ".join(w for w, ok in (("Tensor", allow_tensor), ("Operation", allow_operation)) if ok)
        if not wanted:
            raise ValueError("as_graph_element: allow_tensor and allow_operation cannot both be False")
        if not isinstance(obj, Tensor | Operation | str) and hasattr(obj, "_as_graph_element"):
            obj = obj._as_graph_element()
        if isinstance(obj, bytes):
            obj = obj.decode()
        if isinstance(obj, str):
            return self._element_by_name(obj, allow_tensor, allow_operation, wanted)
        if (isinstance(obj, Tensor) and allow_tensor) or (isinstance(obj, Operation) and allow_operation):
            if obj.graph is not self:
                op = obj if isinstance(obj, Operation) else obj.op
                made = f", created at {op.user_location}" if op.user_location else ""
                raise ValueError(
                    f"{obj!r} is not an element of this graph: it belongs to another one{made}; "
                    "tf.Session(graph=tensor.graph) runs that one, `with graph.as_default():` builds in "
                    "this one"
                )
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {wanted}. Received: {obj!r}")

    def _element_by_name(self, name: str, allow_tensor: bool, allow_operation: bool, wanted: str) -> Any:
        op_name, colon, index = name.partition(":")
        if colon and allow_tensor:
            if not index.isdigit():
                raise ValueError(f"The name {name!r} looks like a tensor's but is not '<op>:<index>'")
            op = self.by_name.get(op_name)
            if op is None:
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist: no operation {op_name!r}"
                )
            if int(index) >= len(op.outputs):
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist: {op_name!r} has "
                    f"{len(op.outputs)} outputs"
                )
            return tensor_by_parts(op, int(index))
        if colon:
            raise ValueError(f"The name {name!r} appears to refer to a Tensor, not a {wanted}")
        op = self.by_name.get(name)
        if op is None:
            if allow_operation:
                raise KeyError(f"The name {name!r} refers to an Operation not in the graph")
            raise ValueError(f"The name {name!r} is not a tensor's: those have the form '<op>:<index>'")
        if not allow_operation:
            raise ValueError(
                f"The name {name!r} refers to an Operation, not a {wanted}; a tensor is '{name}:0'"
            )
        return op

    def is_feedable(self, tensor: Any) -> bool:
        """True unless `prevent_feeding` was called for the tensor."""
        return tensor not in self.unfeedable

    def is_fetchable(self, tensor_or_op: Any) -> bool:
        """True unless `prevent_fetching` was called for the operation."""
        op = tensor_or_op.op if isinstance(tensor_or_op, Tensor) else tensor_or_op
        return op not in self.unfetchable

    def prevent_feeding(self, tensor: Tensor) -> None:
        """Forbids feeding `tensor`."""
        self.unfeedable.add(tensor)

    def prevent_fetching(self, op: Operation) -> None:
        """Forbids fetching `op` and its outputs."""
        self.unfetchable.add(op)

    # --- state ----------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every operation added."""
        return len(self.ops)

    def changed(self) -> None:
        """Notes that existing operations were edited."""
        self.check_open()
        self.edits += 1

    def finalize(self) -> None:
        """Makes the graph read-only."""
        self.finalized = True

    def _unsafe_unfinalize(self) -> None:
        self.finalized = False

    def check_open(self) -> None:
        """Refuses a change of a read-only graph.

        Raises:
          RuntimeError: the graph is finalized.
        """
        if self.finalized:
            raise RuntimeError("Graph is finalized and cannot be modified.")

    @property
    def last_id(self) -> int:
        """How many operations TensorFlow would have by now: the seed of a random operation without one."""
        return len(self.ops) + self.beyond

    def count(self, more: int) -> None:
        """Counts operations that TensorFlow would have added here, fewer where `more` is negative.

        Their number is the seed of a random operation that has none of its own.
        """
        self.beyond += more
        self.on_undo(lambda: self._discount(more))

    def _discount(self, number: int) -> None:
        self.beyond -= number

    @contextlib.contextmanager
    def counted_as(self, number: int) -> Generator[None, None, None]:
        """What is added inside counts as `number` operations."""
        before = self.last_id
        yield
        self.beyond += before + number - self.last_id

    @contextlib.contextmanager
    def counted_from(self, number: int) -> Generator[None, None, None]:
        """What is added inside is counted from `number` on, and not outside: it has a graph of its own in
        TensorFlow.
        """
        before = self.last_id
        self.beyond += number - before
        yield
        self.beyond += before - self.last_id

    @property
    def graph_def_versions(self) -> Any:
        """The GraphDef versions as a `VersionDef` message."""
        return late.module("graphdef").versions()

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """The graph as a `GraphDef` message.

        Args:
          from_version: leave out the first so many operations.
          add_shapes: add the static shapes as attribute `_output_shapes`.
        """
        return late.module("graphdef").graph_def(self, from_version, add_shapes)

    # --- names and scopes -----------------------------------------------------------------------------------

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """`name` under the current scope, with `_1`, `_2`, ... appended where it is taken."""
        if self.scope:
            name = f"{self.scope}/{name}"
        names = self.names
        count = names.get(name)
        undo = self.undo
        if mark_as_used:
            if undo is not None:
                undo.append((name, count, None))
            names[name] = (count or 0) + 1
        if count:
            base, k = name, count
            while name in names:
                name = f"{base}_{k}"
                k += 1
            if mark_as_used:
                if undo is not None:
                    undo.append((name, None, None))
                names[name] = 1
        return name

    def get_name_scope(self) -> str:
        """The current name scope, without a trailing slash."""
        return self.scope

    def name_scope(self, name: str | None) -> NameScope:
        """Prefixes the names of operations created inside; `as` gives the full scope with a trailing slash.

        Args:
          name: made unique; taken as it is when it ends with "/"; None or "" for the root.

        Raises:
          ValueError: on entering, `name` has characters that names may not have.
        """
        return NameScope(self, name)

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs: Any) -> Generator[None, None, None]:
        """Operations created inside run after `control_inputs`; None clears the dependencies of outer scopes.

        Raises:
          ValueError: an input is from another graph.
          TypeError: an input is neither an operation nor a tensor.
        """
        if control_inputs is None:
            old_stack, old_body = self.control, self.body
            self.control, self.body = [ControlScope([], True)], None
            try:
                yield
            finally:
                self.control, self.body = old_stack, old_body
            return
        ops: dict[Operation, None] = {}
        for item in control_inputs:
            if hasattr(item, "dense_shape") and hasattr(item, "values"):
                if not hasattr(item, "_orders_by_values"):
                    raise TypeError(f"Can not convert a {type(item).__name__} into a Tensor or Operation. "
                                    f"Received: {item!r}")  # fmt: skip
                item = item.values
            # a variable that was just written stands for the write here, not for the value read after it
            item = getattr(item, "_write_op", None) or getattr(item, "handle_op", None) or item
            element = self.as_graph_element(item)
            ops[element.op if isinstance(element, Tensor) else element] = None
        self.control.append(ControlScope(list(ops), False))
        try:
            yield
        finally:
            self.control.pop()

    def control_inputs_for(self, inputs: tuple[Tensor, ...]) -> list[Operation]:
        """The control inputs of an operation with these data inputs: those that no data input implies
        already.
        """
        found: dict[Operation, None] = {}
        sources = [t.op for t in inputs]
        for scope in self.control:
            if scope.inputs and not any(op in scope.seen for op in sources):
                found.update((op, None) for op in scope.inputs if op not in sources)
        return list(found)

    @contextlib.contextmanager
    def device(self, device_name_or_function: Any) -> Generator[None, None, None]:
        """Places operations created inside: a device string, a function of the operation, or None to
        clear.
        """
        if device_name_or_function is not None and not callable(device_name_or_function):
            device_name_or_function = device_specs.merge_function(device_name_or_function)
        self.devices.append(device_name_or_function)
        try:
            yield
        finally:
            self.devices.pop()

    def device_name(self, device: Any) -> str:
        """The canonical text of a device given as a string or a spec."""
        return device_specs.canonical(device)

    def place(self, op: Operation) -> None:
        """Applies the device scopes, innermost first, to a new operation."""
        for function in reversed(self.devices):
            if function is None:
                break
            chosen = function(op)
            op.device = self.device_name(chosen) if chosen is not None else ""

    @contextlib.contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Generator[None, None, None]:
        """Keeps operations created inside on the device of `op`."""
        if op is None and not ignore_existing:
            raise ValueError(
                "colocate_with: an operation is needed unless ignore_existing is True. Received: None"
            )
        old_colocation, old_devices, old_control = self.colocation, self.devices, self.control
        if op is not None:
            element = self.as_graph_element(getattr(op, "handle_op", None) or op)
            op = element.op if isinstance(element, Tensor) else element
        base = [] if ignore_existing or op is None else old_colocation
        self.colocation = base + ([op] if op is not None else [])
        self.devices = []
        try:
            yield
        finally:
            self.colocation, self.devices, self.control = old_colocation, old_devices, old_control

    @contextlib.contextmanager
    def container(self, container_name: str) -> Generator[str, None, None]:
        """Keeps the state of stateful operations created inside under `container_name`."""
        old = self.attr_scope
        self.attr_scope = {**old, "container": container_name}
        try:
            yield container_name
        finally:
            self.attr_scope = old

    @contextlib.contextmanager
    def gradient_override_map(self, op_type_map: dict[str, str]) -> Generator[None, None, None]:
        """Operations created inside of the given types use another registered gradient.

        Raises:
          TypeError: the map is not from strings to strings.
        """
        if not isinstance(op_type_map, MAPPINGS):
            raise TypeError(
                f"gradient_override_map: a dict from op type to gradient name. Received: {op_type_map!r}"
            )
        for key, value in op_type_map.items():
            if not (isinstance(key, TEXT) and isinstance(value, TEXT)):
                raise TypeError(
                    f"gradient_override_map: keys and values are strings. Received: {key!r}: {value!r}"
                )
        old = self.gradient_overrides
        self.gradient_overrides = {**old, **op_type_map}
        try:
            yield
        finally:
            self.gradient_overrides = old

    @contextlib.contextmanager
    def _attr_scope(self, attrs: dict[str, Any]) -> Generator[None, None, None]:
        old = self.attr_scope
        self.attr_scope = {k: v for k, v in {**old, **attrs}.items() if v is not None}
        try:
            yield
        finally:
            self.attr_scope = old

    @contextlib.contextmanager
    def _kernel_label_map(self, op_to_kernel_label_map: dict[str, str]) -> Generator[None, None, None]:
        """Accepted for programs that choose kernels by label; millrace has one kernel for each type."""
        yield

    def misfit(self, op: Operation, message: str) -> Exception:
        """The error for inputs whose shapes `op` does not take."""
        return ValueError(message)

    @property
    def root(self) -> Graph:
        """The outermost graph around a function; any other graph itself."""
        return self

    def capture(self, tensor: Tensor) -> Tensor:
        """What stands for `tensor` in this graph: in a function, an argument for a tensor from outside."""
        return tensor

    def outer_of(self, inside: Tensor) -> Tensor | None:
        """The tensor outside of a function that `inside` stands for, or None."""
        return None

    def entered(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs of an operation that is added here; a function replaces tensors from outside."""
        return inputs

    @contextlib.contextmanager
    def inside(self, body: Body | None) -> Generator[None, None, None]:
        """Operations created inside belong to `body`; control dependencies from outside stay outside."""
        old, old_control = self.body, self.control
        self.body, self.control = body, []
        try:
            yield
        finally:
            self.body, self.control = old, old_control

    def _get_control_flow_context(self) -> Any:
        """The context of a program's own that gets the operations added now, or None."""
        return self._control_flow_context

    def _set_control_flow_context(self, ctx: Any) -> None:
        self._control_flow_context = ctx

    def as_default(self) -> Any:
        """A context in which this is the default graph of the thread."""
        return defaults.graph_stack.entered(self)

    # --- collections ----------------------------------------------------------------------------------------

    def add_to_collection(self, name: str, value: Any) -> None:
        """Appends `value` to the collection `name`."""
        self.check_open()
        held = self._collections.setdefault(name, [])
        held.append(value)
        if self.undo is not None:
            self.on_undo(lambda: _take_out(held, value))

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Appends `value` to each of the collections `names` (one name or several)."""
        for name in dict.fromkeys((names,) if isinstance(names, str) else tuple(names)):
            self.add_to_collection(name, value)

    def get_collection_ref(self, name: str) -> list[Any]:
        """The list that holds the collection `name` itself, made when missing."""
        return self._collections.setdefault(name, [])

    def get_collection(self, name: str, scope: str | None = None) -> list[Any]:
        """A copy of the collection `name`; with `scope`, the items whose name matches it as a regular
        expression.
        """
        items = self._collections.get(name, [])
        if scope is None:
            return list(items)
        pattern = re.compile(scope)
        return [item for item in items if hasattr(item, "name") and pattern.match(item.name)]

    def get_all_collection_keys(self) -> list[str]:
        """The names of the collections that have a string name."""
        return [name for name in self._collections if isinstance(name, TEXT)]

    @property
    def collections(self) -> list[str]:
        """The names of all collections."""
        return list(self._collections)

    def clear_collection(self, name: str) -> None:
        """Forgets the collection `name`."""
        self.check_open()
        self._collections.pop(name, None)

    def get_scoped(self, key: str, make: Callable[[], Any]) -> Any:
        """Per-graph storage for the library: the object under `key`, made on first use."""
        if key not in self._scoped:
            self._scoped[key] = make()
            self.on_undo(lambda: self._scoped.pop(key, None))
        return self._scoped[key]

    def __repr__(self) -> str:
        # what TensorFlow's programs print for a graph, so that their output stays as it was
        return f"<tensorflow.python.framework.ops.Graph at {id(self):#x}>"

    def _repr_html_(self) -> str:
        return late.module("picture").html(self)

    # --- adding operations ----------------------------------------------------------------------------------

    def append(self, op: Operation) -> None:
        """Adds a finished operation: the last step of `apply`."""
        self.ops.append(op)
        self.by_name[op.name] = op
        for scope in self.control:
            scope.seen.add(op)
        if self._control_flow_context is not None or self.original_op is not None:
            op.added_for(self.original_op, self._control_flow_context)

    def check_name(self, name: str) -> None:
        """Refuses a name that an operation may not have.

        Raises:
          ValueError: the name has characters that names may not have.
        """
        if not VALID_OP_NAME.match(name):
            raise ValueError(f"{name!r} is not a valid operation name")

    def on_undo(self, action: Callable[[], Any]) -> None:
        """Has `action` called when what is being added now is undone."""
        if self.undo is not None:
            self.undo.append(("", None, action))

    def roll_back(self, size: int, names: int = 0) -> None:
        """Undoes what a failed addition did: operations beyond `size`, and what `undo` holds beyond its
        first `names` entries.
        """
        for op in self.ops[size:]:
            del self.by_name[op.name]
            for tensor in op.inputs:
                if tensor.takers and op in tensor.takers:
                    tensor.takers.remove(op)
        del self.ops[size:]
        undo = self.undo or []
        done = undo[names:]
        del undo[names:]
        self.refused = {name: self.names[name] for name, _, action in done if action is None}
        for name, count, action in reversed(done):
            if action is not None:
                action()
            elif count is None:
                self.names.pop(name, None)
            else:
                self.names[name] = count

    @property
    def _c_graph(self) -> Graph:
        return self

    def retake_names(self) -> None:
        """Takes the names of the last refused operation after all: another will be made instead of it."""
        self.names.update(self.refused)
        self.refused = {}

    def create_op(
        self,
        op_type: str,
        inputs: Any,
        dtypes: Any = None,
        input_types: Any = None,
        name: str | None = None,
        attrs: dict[str, Any] | None = None,
        op_def: Any = None,
        compute_shapes: bool = True,
        compute_device: bool = True,
    ) -> Operation:
        """Adds an operation by type name, inputs (flat tensors) and AttrValue or plain attributes.

        Raises:
          RuntimeError: the graph is finalized.
          TypeError, ValueError: the inputs or attributes do not fit the type.
        """
        with self.as_default():
            return late.module("graphdef").create_from_parts(self, op_type, list(inputs), attrs or {}, name)


def _take_out(held: list[Any], value: Any) -> None:
    """Undoes that `value` was added to a collection."""
    for i in reversed(range(len(held))):
        if held[i] is value:
            del held[i]
            break
