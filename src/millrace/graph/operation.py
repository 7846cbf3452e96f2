"""`Operation`: one node of the graph. It computes nothing; it says what will be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.core import dtypes, late
from millrace.core.public import public
from millrace.graph import defaults, location
from millrace.graph.inside import OperationInside
from millrace.graph.nesting import check_edges
from millrace.graph.opdef import OpDef
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.building.body import Body
    from millrace.graph.graph import Graph


@public("Operation")
class Operation(OperationInside):
    """A node: its type, inputs, attributes and what must run before it."""

    __slots__ = (
        "__dict__",
        "__weakref__",
        "attrs",
        "body",
        "control_inputs",
        "device",
        "frames",
        "graph",
        "id",
        "inputs",
        "name",
        "opdef",
        "outputs",
    )

    def __new__(
        cls,
        node_def: Any,
        g: Any,
        inputs: Any = None,
        output_types: Any = None,
        control_inputs: Any = None,
        input_types: Any = None,
        original_op: Any = None,
        op_def: Any = None,
    ) -> Operation:
        """Adds the node that `node_def` describes to the graph `g`, under the very name that it has.

        Args:
          node_def: its name, type and attributes; what it says of inputs is not read.
          g: the graph.
          inputs: flat tensors of `g`.
          control_inputs: operations that run before it.
          output_types, input_types, original_op, op_def: kept for the signature: they follow from the type.

        Raises:
          TypeError: `node_def` or `g` is something else.
          ValueError: the graph has an operation of that name, or the inputs do not fit the type.
        """
        del output_types, input_types, original_op, op_def
        return late.module("graphdef").create_from_node(node_def, g, inputs or (), control_inputs or ())

    graph: Graph
    opdef: OpDef
    name: str
    id: int
    inputs: tuple[Tensor, ...]
    outputs: list[Tensor]
    control_inputs: list[Operation]
    attrs: dict[str, Any]
    device: str
    body: Body | None
    frames: location.Frames

    @property
    def type(self) -> str:
        """The operation type, as GraphDef spells it."""
        return self.opdef.name

    @property
    def params(self) -> dict[str, Any]:
        """The declared attributes except types and list lengths: what another `raw` call takes."""
        return {name: self.attrs[name] for name, _ in self.opdef.value_attrs}

    def args(self) -> list[Any]:
        """The inputs as the signature groups them: a tuple for each list argument."""
        return group(self.opdef.inputs, self.inputs, self.attrs)

    def results(self) -> list[Any]:
        """The outputs as the signature groups them: a tuple for each list output."""
        return group(self.opdef.outputs, self.outputs, self.attrs)

    @property
    def user_location(self) -> str:
        """`file.py:line` of the user's program that created this operation."""
        return location.describe(self.frames)

    @property
    def traceback(self) -> list[tuple[str, int, str, str]]:
        """(file, line, function, source) from the outermost kept frame to the creating one."""
        return location.traceback(self.frames)

    @property
    def node_def(self) -> Any:
        """This operation as a `NodeDef` message."""
        return late.module("graphdef").node_def(self)

    @property
    def op_def(self) -> Any:
        """The signature of its type as an `OpDef` message."""
        return late.module("graphdef").op_def(self.opdef)

    def get_attr(self, name: str) -> Any:
        """The value of attribute `name`, in the form GraphDef gives it (strings as bytes, shapes as
        messages).

        Raises:
          ValueError: there is no such attribute.
        """
        if name not in self.attrs:
            raise ValueError(
                f"Operation '{self.name}' (type {self.type}) has no attr named {name!r}; it has "
                f"{sorted(self.attrs)}"
            )
        return late.module("graphdef").attr_to_python(self.attrs[name], self.opdef.attrs.get(name))

    def _set_attr(self, name: str, value: Any) -> None:
        """Sets an attribute from an AttrValue message or a plain value."""
        if hasattr(value, "WhichOneof"):
            value = late.module("graphdef").attr_from_proto(value, self.opdef.attrs.get(name))
        self.attrs[name] = value

    def colocation_groups(self) -> list[bytes]:
        """The groups (`loc:@name`, as bytes) of operations that stay on one device with this one."""
        named = self.attrs.get("_class", ())
        own = b"loc:@" + self.name.encode()
        return [g if isinstance(g, bytes) else g.encode() for g in named] or [own]

    def values(self) -> tuple[Tensor, ...]:
        """The outputs, as a tuple."""
        return tuple(self.outputs)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Runs this operation in `session` (default: the current default session).

        Raises:
          ValueError: there is no session, or it holds another graph.
        """
        defaults.session_for(self.graph, session, f"run operation '{self.name}'").run(self, feed_dict)

    def _repr_html_(self) -> str:
        return late.module("cards").operation(self)

    def _add_control_input(self, op: Operation) -> None:
        self._add_control_inputs([op])

    def _add_control_inputs(self, ops: list[Operation]) -> None:
        old = self.control_inputs
        self.control_inputs = list(dict.fromkeys([*old, *ops]))
        try:
            check_edges(self)
        except ValueError:
            self.control_inputs = old
            raise
        self.graph.changed()

    def _update_input(self, index: int, tensor: Tensor) -> None:
        """Replaces input `index`: the hook that graph-editing code uses.

        Raises:
          TypeError: the dtypes differ.
          ValueError: the tensor belongs to another graph.
        """
        if tensor.graph is not self.graph:
            raise ValueError(
                f"Operation '{self.name}': input {index} must be from the same graph. Received: {tensor}"
            )
        if tensor.dtype.base_dtype != self.inputs[index].dtype.base_dtype:
            raise TypeError(
                f"Operation '{self.name}': input {index} has dtype {self.inputs[index].dtype.name}. "
                f"Received: {tensor.name} of dtype {tensor.dtype.name}"
            )
        if self.body is not None and tensor.op.body is not self.body:
            tensor = self.body.capture(tensor)
        elif tensor.op.body is not self.body:
            raise ValueError(
                f"Operation '{self.name}': input {index} must not be inside a branch or loop. "
                f"Received: {tensor}"
            )
        old = self.inputs[index]
        if self.opdef.has_body:
            for value in self.attrs.values():
                if hasattr(value, "captures"):
                    value.replace_outer(old, tensor)
        self.inputs = (*self.inputs[:index], tensor, *self.inputs[index + 1 :])
        if old.takers and self in old.takers:
            old.takers.remove(self)
        add_consumer(tensor, self)
        self.graph.changed()

    def __repr__(self) -> str:
        return f"<tf.Operation '{self.name}' type={self.type}>"

    def __str__(self) -> str:
        return str(self.node_def)


def add_consumer(tensor: Tensor, op: Operation) -> None:
    """Notes that `op` takes `tensor`."""
    if tensor.takers is None:
        tensor.takers = [op]
    else:
        tensor.takers.append(op)


def group(args: tuple[Any, ...], flat: Any, attrs: dict[str, Any]) -> list[Any]:
    """Groups a flat sequence by the arguments of a signature: a tuple for each list argument."""
    grouped: list[Any] = []
    position = 0
    for arg in args:
        if not arg.is_list:
            grouped.append(flat[position])
            position += 1
            continue
        count = attrs[arg.number_attr] if arg.number_attr else len(attrs[arg.types_attr])
        grouped.append(tuple(flat[position : position + count]))
        position += count
    return grouped


def is_ref(dtype: dtypes.DType) -> bool:
    """True for a reference to a variable, plain (`float32_ref`) or by resource handle."""
    return dtype.is_ref_dtype or dtype is dtypes.resource
