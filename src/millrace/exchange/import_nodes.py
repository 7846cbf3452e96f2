"""The work of one `import_graph_def`: NodeDefs to operations, FunctionDefs to bodies.

The road of a node: the passes rewrite the list of NodeDefs (function calls become their contents), `in_order`
puts inputs first, and `Import._add` turns one NodeDef into one call of `apply`, which checks it and infers
its shapes anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from millrace.building.apply import apply
from millrace.building.body import Body
from millrace.building.function import FunctionGraph
from millrace.core import dtypes, late, protos, shapes
from millrace.exchange import closed_functions, foreign_types, functiondef, graphdef
from millrace.exchange.attr_protos import attr_from_proto, bytes_to_text
from millrace.exchange.functional_control_flow import adopt_control_flow
from millrace.exchange.inline import CALLED, UnknownOpError, inline_calls
from millrace.exchange.newer_attrs import TELLS_NO_TYPE, changes_nothing
from millrace.exchange.nodes import back_edges, defaults_of, flow_types, in_order, own_type, split
from millrace.exchange.other_types import read_later, read_older
from millrace.exchange.tokens import array_types, has_plain_flows, is_flow, plain
from millrace.graph import location
from millrace.graph.attrs import MISSING
from millrace.graph.graph import Graph
from millrace.graph.opdef import OpDef, lookup
from millrace.graph.operation import Operation, add_consumer
from millrace.graph.tensor import Tensor

# Each takes (nodes, functions by name), may add functions, and returns the nodes to import instead.
_PASSES: tuple[Callable[[list[Any], dict[str, Any]], list[Any]], ...] = (
    read_later,
    inline_calls,
    read_older,
    adopt_control_flow,
)
_SCALAR_MEANT_UNKNOWN_BEFORE = 24  # GraphDef producers before this wrote placeholders of any shape as scalars


class Import:
    """One call of `import_graph_def` at work."""

    def __init__(
        self, graph: Graph, proto: Any, prefix: str, input_map: dict[str, Any], producer_op_list: Any
    ) -> None:
        self.graph = graph
        self.proto = proto
        self.prefix = prefix
        self.input_map = input_map
        self.functions = {f.signature.name: f for f in proto.library.function}
        self.producer_defaults = defaults_of(producer_op_list)
        self.ops: dict[str, Operation] = {}  # by name in the GraphDef, those inside bodies included
        self.names: set[str] = set()  # of the nodes at top level
        self.bodies: dict[str, Body] = {}
        self.closed: dict[str, FunctionGraph] = {}
        self.types: Mapping[str, OpDef] = {}  # in place of those of the same name
        self.widened: dict[str, list[shapes.Dims]] = {}  # by loop, the shapes that hold in each iteration
        self.back_edges: set[tuple[str, str]] = set()  # (Merge, input)

    def run(self) -> None:
        """Adds all nodes."""
        wanted = self.proto.versions.min_consumer
        if wanted > graphdef.PRODUCER:
            raise ValueError(
                f"import_graph_def: GraphDef versions up to {graphdef.PRODUCER} can be read. "
                f"Received: a graph that asks for {wanted}"
            )
        producer = self.proto.versions.producer
        if producer < 0 or wanted < 0:
            raise ValueError(
                "import_graph_def: the versions of a GraphDef are not negative. Received: producer="
                f"{producer}, min_consumer={wanted}"
            )
        nodes = list(self.proto.node)
        for rewrite in _PASSES:
            nodes = rewrite(nodes, self.functions)
        self._check_names(nodes)
        self.names = {node.name for node in nodes}
        self.back_edges = back_edges(nodes)
        if any(is_flow(node.op) for node in nodes) or has_plain_flows(nodes):
            self.types = array_types()
            self.graph.get_scoped("old control flow", list).append(self.prefix)
        placed: list[tuple[Any, Operation]] = []
        with _plain_scopes(self.graph) as controls, _from_here(self.graph, location.capture(0)):
            for node in in_order(nodes, self.sources):
                op = self.ops[node.name] = self.add_top(node)
                placed.append((node, op))
                if controls is not None:
                    op.control_inputs += [c for c in controls(op) if c not in op.control_inputs]
        self._close_loops({node.name: node for node, _ in placed})
        self._check_map()
        for node, op in placed:
            self._place(node, op)

    def element(self, name: str) -> Any:
        """The operation or tensor asked for by its name in the GraphDef."""
        if ":" not in name:
            if name not in self.ops:
                raise ValueError(f"import_graph_def: Requested return node {name!r} not found in graph def")
            return self.ops[name]
        if name in self.input_map:
            return self.input_map[name]
        op, index = split(name)
        if op not in self.ops:
            raise ValueError(f"import_graph_def: Requested return tensor {name!r} not found in graph def")
        return self._output(self.ops[op], op, index, "return_elements")

    # --- checks ---------------------------------------------------------------------------------------------

    def _check_names(self, nodes: list[Any]) -> None:
        seen: set[str] = set()
        for node in nodes:
            if node.name in seen:
                raise ValueError(f"import_graph_def: Node '{node.name}' is not unique")
            seen.add(node.name)
            try:
                self.graph.check_name(node.name)
            except ValueError as error:
                raise self._wrong(node, str(error)) from None

    def _check_map(self) -> None:
        missing = []
        for key in self.input_map:
            name, index = (key[1:], 0) if key.startswith("^") else split(key)
            op = self.ops.get(name)
            known = op is not None and (key.startswith("^") or index < len(op.outputs))
            if not known and (op is not None or name not in self._inputs_from_outside()):
                missing.append(key)
        if missing:
            raise ValueError("import_graph_def: Attempted to map inputs that were not found in graph_def: "
                             f"[{', '.join(missing)}]")  # fmt: skip

    def _inputs_from_outside(self) -> set[str]:
        """Names that nodes take and no node has: the unbound inputs of a part of a graph."""
        taken = {text.removeprefix("^").partition(":")[0] for node in self.proto.node for text in node.input}
        return taken - self.ops.keys()

    def _wrong(self, node: Any, message: str) -> ValueError:
        return ValueError(f"import_graph_def: node '{node.name}' (type {node.op}): {message}")

    # --- one node -------------------------------------------------------------------------------------------

    def sources(self, node: Any) -> list[str]:
        """The names of the nodes that must be there before `node`."""
        if not (self.input_map or self.back_edges or self.functions):
            return [text.removeprefix("^").partition(":")[0] for text in node.input]
        found = []
        for text in node.input:
            if text.startswith("^"):
                if text not in self.input_map:
                    found.append(text[1:])
            elif text not in self.input_map and text + ":0" not in self.input_map:
                source = text.partition(":")[0]
                if (node.name, source) not in self.back_edges:
                    found.append(source)
        for function in self._functions_of(node):
            outer = functiondef.captures(function) + functiondef.references(function)
            found += [n for n in (split(t)[0] for t in outer) if n in self.names]
        return found

    def _functions_of(self, node: Any) -> Iterator[Any]:
        """The functions that `node` uses, directly and through others."""
        pending, seen = [node], set()
        while pending:
            for value in pending.pop().attr.values():
                for used in [value.func] if value.WhichOneof("value") == "func" else value.list.func:
                    function = self.functions.get(used.name)
                    if function is not None and used.name not in seen:
                        seen.add(used.name)
                        pending.extend(function.node_def)
                        yield function

    def _colocated(self, node: Any) -> list[str]:
        if "_class" not in node.attr:
            return []
        groups = [s.decode() for s in node.attr["_class"].list.s]
        return [g.removeprefix("loc:@") for g in groups if g.startswith("loc:@")]

    def add_top(self, node: Any) -> Operation:
        """Adds one node outside of all bodies."""
        if node.op == "SymbolicGradient":
            return self._gradient_of_function(node)
        inputs: list[Tensor] = []
        controls: list[Operation] = []
        for text in node.input:
            if text.startswith("^"):
                source = self.input_map.get(text) or self.ops[text[1:]]
                controls.append(source.op if isinstance(source, Tensor) else source)
                continue
            if controls:
                raise self._wrong(
                    node, f"Control dependencies must come after regular dependencies. Received: {text!r}"
                )
            name, index = split(text) if ":" in text else (text, 0)
            if self.back_edges and (node.name, name) in self.back_edges:
                continue  # until it is there
            replacement = self.input_map.get(f"{name}:{index}") if self.input_map else None
            inputs.append(
                self._output(self.ops[name], name, index, node) if replacement is None else replacement
            )
        for group in self._colocated(node):
            if group not in self.names:
                raise self._wrong(node, f"expects to be colocated with an unknown node. Received: {group!r}")
        return self._add(node, inputs, controls, self._prefixed(node.name))

    def _gradient_of_function(self, node: Any) -> Operation:
        """The gradient of a function's results: its contents once more, and what is drawn from them."""
        data = [text for text in node.input if not text.startswith("^")]
        name = node.attr["f"].func.name
        function = self.functions.get(name)
        if function is None:
            raise self._wrong(node, f"uses a function that the library lacks. Received: {name!r}")
        count = len(function.signature.input_arg)
        call = protos.NodeDef(name=f"{node.name}/forward", op=name, device=node.device)
        for key, value in node.attr["f"].func.attr.items():
            call.attr[key].CopyFrom(value)
        before = [self._identity(f"{node.name}/x_{k}", text) for k, text in enumerate(data[:count])]
        call.input.extend(one.name for one in before)
        inner = [*before, *inline_calls([call], self.functions)]
        self.names.update(one.name for one in inner)
        for one in in_order(inner, lambda n: [s for s in self.sources(n) if s not in self.ops]):
            self.ops[one.name] = self.add_top(one)
        seeds = [self._output(self.ops[n], n, k, node) for n, k in map(split, data[count:])]
        xs = [self.ops[one.name].outputs[0] for one in before]
        ys = self.ops[call.name].outputs
        with self.graph.name_scope(self._prefixed(node.name) + "/"):
            found = late.module("gradients").gradients(ys, xs, seeds, unconnected_gradients="zero")
            apply(lookup("IdentityN"), found, name=self._unique(self._prefixed(node.name)) + "/")
        return self.graph.ops[-1]

    def _identity(self, name: str, source: str) -> Any:
        op, index = split(source)
        made = protos.NodeDef(name=name, op="Identity", input=[source])
        made.attr["T"].type = self.ops[op].outputs[index].dtype.base_dtype.as_datatype_enum
        return made

    def _close_loops(self, nodes: Mapping[str, Any]) -> None:
        """Gives each Merge of a loop the inputs that come from the iteration before."""
        for name in dict.fromkeys(merge for merge, _ in self.back_edges):
            op = self.ops[name]
            node = nodes[name]
            inputs = iter(op.inputs)
            found = []
            for text in node.input:
                source, index = split(text.removeprefix("^"))
                if (name, source) in self.back_edges and not text.startswith("^"):
                    found.append(self._output(self.ops[source], source, index, node))
                    add_consumer(found[-1], op)
                elif not text.startswith("^"):
                    found.append(next(inputs))
            op.inputs = tuple(found)
            op.attrs["N"] = len(found)
            if "_output_shapes" not in node.attr:
                op.outputs[0].dims = None

    def _output(self, op: Operation, name: str, index: int, user: Any) -> Tensor:
        if index >= len(op.outputs):
            rule = f"'{name}' has {len(op.outputs)} outputs. Received: output number {index}"
            raise (
                ValueError(f"import_graph_def: {user}: {rule}")
                if isinstance(user, str)
                else self._wrong(user, rule)
            )
        return op.outputs[index]

    def _add(self, node: Any, inputs: list[Tensor], controls: list[Operation], name: str) -> Operation:
        """Appends one operation.

        Raises:
          UnknownOpError: its type is not declared.
          ValueError: its inputs or attributes do not fit.
        """
        try:
            opdef = self.types.get(node.op) or foreign_types.find(own_type(node))
        except KeyError:
            rule = f"import_graph_def: node '{node.name}' has an operation type that millrace does not know"
            raise UnknownOpError(None, None, f"{rule}. Received: {node.op!r}") from None
        attrs = self._attrs(node, opdef, inputs)
        size = len(self.graph.ops)
        try:
            args = graphdef.grouped(opdef.inputs, inputs, attrs, opdef.name)
            apply(opdef, *args, name=self._unique(name) + "/", **attrs)
        except (TypeError, ValueError) as error:
            raise self._wrong(node, str(error)) from error
        op, *more = self.graph.ops[size:]
        assert all(m.body is not op.body for m in more), (
            "a node is one operation, and what its bodies wait for"
        )
        op.control_inputs = list(dict.fromkeys(controls)) if controls else []
        if opdef.has_function:
            for attr, value in op.attrs.items():
                if isinstance(value, FunctionGraph) and not value.captures:
                    value.close_over(closed_functions.captured_by(op, attr))
        self._known_shapes(node, op)
        return op

    def _attrs(self, node: Any, opdef: OpDef, inputs: list[Tensor]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        dropped = self.producer_defaults.get(node.op, {})
        legacy = flow_types(opdef, inputs)
        attr, kinds = node.attr, opdef.attrs
        for key in sorted(attr):
            value, kind = attr[key], kinds.get(key)
            if kind is None and key in ("_output_shapes", CALLED):
                continue
            if kind is None and not key.startswith("_"):
                if (key == "T" and opdef.name != node.op) or opdef.room == foreign_types.ROOM:
                    continue
                if dropped.get(key) == value or changes_nothing(key, value):
                    continue
                raise self._wrong(node, f"has an attribute that is not declared. Received: {key!r}")
            if key in legacy:
                continue
            try:
                if kind is not None and not kind.of_functions:
                    found[key] = attr_from_proto(value, kind)
                elif kind is not None and kind.closed:
                    found[key] = attr_from_proto(value, kind, lambda f: self._closed(node, f))
                elif kind is not None:
                    found[key] = attr_from_proto(value, kind, lambda f: self._body(node, f, inputs))
                else:
                    found[key] = attr_from_proto(value)
            except TypeError as error:
                raise self._wrong(node, f"attribute '{key}' {error}") from None
        if not opdef.has_body and opdef.name not in TELLS_NO_TYPE:
            for key, kind in kinds.items():  # TensorFlow does not infer types either
                if key not in found and kind.kind == "type" and kind.default is MISSING and key not in legacy:
                    raise self._wrong(node, f"lacks the type attribute '{key}'. Received: {sorted(attr)}")
        if opdef.has_body and "Tout" in kinds and "Tout" not in found:
            bodies = [v for v in found.values() if isinstance(v, Body)]
            if bodies:
                found["Tout"] = tuple(t.dtype.base_dtype for t in found.get("body", bodies[0]).outputs)
        if plain(node.op) == "Merge":
            found["N"] = len(inputs)  # those of a loop get another
        if "_class" in found:
            found["_class"] = tuple(
                "loc:@" + self._prefixed(c.removeprefix("loc:@")) if c.startswith("loc:@") else c
                for c in found["_class"]
            )
        producer = self.proto.versions.producer
        if node.op == "Placeholder" and producer < _SCALAR_MEANT_UNKNOWN_BEFORE and found.get("shape") == ():
            found["shape"] = None
        return found

    def _known_shapes(self, node: Any, op: Operation) -> None:
        if CALLED in node.attr:
            for tensor in op.outputs:
                tensor.dims = None
        if "_output_shapes" not in node.attr:
            return
        for i, (tensor, shape) in enumerate(zip(op.outputs, node.attr["_output_shapes"].list.shape)):
            try:
                tensor.dims = shapes.merge(tensor.dims, shapes.as_dims(shape))
            except ValueError as error:
                raise self._wrong(
                    node, f"its _output_shapes contradict the graph at output {i}: {error}"
                ) from None

    def _prefixed(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _unique(self, name: str) -> str:
        graph = self.graph
        old, graph.scope = graph.scope, ""
        try:
            return graph.unique_name(name)
        finally:
            graph.scope = old

    def _place(self, node: Any, op: Operation) -> None:
        op.device = self.graph.device_name(node.device)
        if self.graph.devices:
            self.graph.place(op)
        for group in self._colocated(node):
            if self.ops[group].device:
                op.device = self.ops[group].device

    # --- functions ------------------------------------------------------------------------------------------

    def _closed(self, node: Any, used: Any) -> FunctionGraph:
        """The function that `node` names, as a graph of its own.

        Several uses share it, unless it captured handles, which may be others.
        """
        known = self.closed.get(used.name)
        if known is not None and not any(t.dtype is dtypes.resource for t in known.captures):
            return known
        function = self.functions.get(used.name)
        if function is None:
            raise self._wrong(node, f"uses a function that the library lacks. Received: {used.name!r}")
        graph = FunctionGraph(used.name.removeprefix("__inference_"), self.graph)
        inside = _FunctionImport(graph, self, function)
        inside.run()
        graph.outputs = [inside.result(arg.name) for arg in function.signature.output_arg]
        self.closed[used.name] = graph
        return graph

    # --- bodies ---------------------------------------------------------------------------------------------

    def _body(self, node: Any, used: Any, inputs: list[Tensor]) -> Body:
        """The body that `node` names; a function written here gives one body however often it is used."""
        function = self.functions.get(used.name)
        if function is None:
            raise self._wrong(node, f"uses a function that the library lacks. Received: {used.name!r}")
        if not functiondef.is_own(function):
            raise self._wrong(node, f"uses a function that is not a body here. Received: {used.name!r}")
        if used.name not in self.bodies:
            self.bodies[used.name] = self._own_body(node.name, function, inputs)
        return self.bodies[used.name]

    def _own_body(self, user: str, function: Any, inputs: list[Tensor]) -> Body:
        """A body from a function in the form of `functiondef`.

        An argument without a shape has that of the operation's input, as far as the body's result keeps it.
        """
        graph = self.graph
        dims = self.widened.setdefault(user, [t.dims for t in inputs])  # the same for condition and body
        size, names = len(graph.ops), len(graph.undo or ())
        made: tuple[dict[str, Any], ...] = self.bodies, self.widened, self.closed
        before = [set(known) for known in made]
        while True:
            body = self._draw_body(function, inputs, dims)
            changes = [
                (i, shapes.most_general(a.dims, b.dims))
                for i, (a, b) in enumerate(zip(body.inputs, body.outputs))
                if i not in function.arg_attr or "_output_shapes" not in function.arg_attr[i].attr
            ]
            wider = [(i, d) for i, d in changes if d != body.inputs[i].dims]
            if not wider or len(body.inputs) != len(body.outputs):
                return body
            for i, d in wider:
                dims[i] = d
            graph.roll_back(size, names)
            for known, old in zip(made, before, strict=True):  # what lies inside is drawn anew, too
                for name in [name for name in known if name not in old]:
                    del known[name]

    def _draw_body(self, function: Any, inputs: list[Tensor], known: list[shapes.Dims]) -> Body:
        body = Body(self.graph, bytes_to_text(function.attr["_tag"].s))
        body.name = self._prefixed(bytes_to_text(function.attr["_scope"].s))
        captured, referred = functiondef.captures(function), functiondef.references(function)
        signature = list(function.signature.input_arg)
        first_captured, first_referred = (
            len(signature) - len(captured) - len(referred),
            len(signature) - len(referred),
        )
        arguments: dict[str, Tensor] = {}
        for i, arg in enumerate(signature):
            if i >= first_referred:
                arguments[arg.name] = self._outer(referred[i - first_referred])
                continue
            attrs = function.arg_attr[i].attr
            original = bytes_to_text(attrs["_op_name"].s)
            name = self._unique(self._prefixed(original)) + "/"
            shown = attrs["_output_shapes"].list.shape if "_output_shapes" in attrs else ()
            if i < first_captured:
                dims = shapes.as_dims(shown[0]) if shown else known[i]
                dtype = dtypes.as_dtype(arg.type) if arg.type else inputs[i].dtype.base_dtype
                tensor = body.add_input(dtype, dims, name)
            else:
                outer = self._outer(captured[i - first_captured])
                tensor = body.bind(outer, shapes.as_dims(shown[0]) if shown else outer.dims, name)
            arguments[arg.name], self.ops[original] = tensor, tensor.op
        self._fill(body, function, arguments)
        if "_tick" in function.attr:
            body.tick = self.ops[bytes_to_text(function.attr["_tick"].s)].outputs[0]
        return body

    def _outer(self, name: str) -> Tensor:
        op, index = split(name)
        replacement = self.input_map.get(f"{op}:{index}")
        if replacement is not None:
            return replacement
        if op not in self.ops:
            raise ValueError(
                f"import_graph_def: a function uses an outer tensor that is missing. Received: {name!r}"
            )
        return self.ops[op].outputs[index]

    def _fill(self, body: Body, function: Any, arguments: dict[str, Tensor]) -> None:
        """Adds a function's nodes to `body`."""
        local: dict[str, Operation] = {}

        def output(text: str) -> Tensor:
            if text in arguments:
                return arguments[text]
            name, _, rest = text.partition(":")
            argument, _, index = rest.partition(":")
            if name not in local:
                rule = f"import_graph_def: function {function.signature.name!r} uses an unknown tensor"
                raise ValueError(f"{rule}. Received: {text!r}")
            op = local[name]
            if not index:
                return op.outputs[int(argument or 0)]
            return op.outputs[functiondef.flat_index(op.opdef, op.attrs, argument, int(index))]

        def sources(node: Any) -> list[str]:
            inputs = [graphdef.node_name(t) for t in node.input]
            return [t for t in inputs if t not in arguments]

        with self.graph.inside(body):
            for node in in_order(list(function.node_def), sources):
                inputs = [output(t) for t in node.input if not t.startswith("^")]
                controls = [local[t[1:]] for t in node.input if t.startswith("^") and t[1:] in local]
                op = self._add(node, inputs, controls, self._prefixed(node.name))
                op.device = self.graph.device_name(node.device)
                local[node.name] = self.ops[node.name] = op
        body.outputs = [output(function.ret[arg.name]) for arg in function.signature.output_arg]


class _FunctionImport(Import):
    """The import of one function of a library into a graph of its own."""

    def __init__(self, graph: FunctionGraph, outer: Import, function: Any) -> None:
        proto = protos.GraphDef(versions=outer.proto.versions)
        proto.node.extend(closed_functions.nodes_of(function, outer.functions))
        super().__init__(graph, proto, "", closed_functions.arguments_of(function, graph), None)
        self.functions = outer.functions
        self.closed = outer.closed
        self.producer_defaults = outer.producer_defaults
        self._function = function
        self._known = {node.name: node for node in function.node_def}

    def run(self) -> None:
        """Adds all nodes."""
        with self.graph.as_default():
            super().run()

    def _check_map(self) -> None:
        """Arguments need not be used."""

    def result(self, name: str) -> Tensor:
        """The tensor that is returned as `name`."""
        text = closed_functions.in_graph(self._function.ret[name], self._known, self.functions)
        argument = self.input_map.get(text if ":" in text else f"{text}:0")
        return self.element(text) if argument is None else argument


@contextmanager
def _plain_scopes(graph: Graph) -> Iterator[Callable[[Operation], list[Operation]] | None]:
    """Keeps scopes off imported operations; yields what the control scopes around the call add to them."""
    names = ("attr_scope", "gradient_overrides", "colocation", "devices", "control")
    old = {name: getattr(graph, name) for name in names}
    levels = [(scope.inputs, frozenset(scope.seen)) for scope in graph.control]
    for name, value in old.items():
        setattr(graph, name, type(value)())

    def controls(op: Operation) -> list[Operation]:
        sources = {t.op for t in op.inputs}
        return [c for inputs, seen in levels if not sources & seen for c in inputs if c not in sources]

    try:
        yield controls if levels else None
    finally:
        for name, value in old.items():
            setattr(graph, name, value)


@contextmanager
def _from_here(graph: Graph, here: location.Frames) -> Iterator[None]:
    """What is added comes from whoever asked for the import: looked up once, not for each node."""
    old = graph.frames
    graph.frames = old or here
    try:
        yield
    finally:
        graph.frames = old
