"""`tf.saved_model.save`: objects, their variables and their functions as a SavedModel."""

from __future__ import annotations

import inspect
import os
from collections import namedtuple
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import dtypes, late, nest, protos, shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph, get_default_session
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.functions.concrete import ConcreteFunction
from millrace.lib.functions.polymorphic import Function
from millrace.lib.lookup.tables import TableSaveable
from millrace.lib.variables.variable import Variable
from millrace.opkit.checkpoint import bundle, files
from millrace.saver.checkpoint.object_graph import GRAPH_KEY
from millrace.saver.meta_graph import export_meta_graph
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.assets import asset_messages, copy_assets
from millrace.saver.saved_model.object_nodes import (
    CONCRETE,
    Objects,
    Signatures,
    is_function,
)
from millrace.saver.saved_model.restored import RestoredConcrete, RestoredFunction
from millrace.saver.saved_model.served import argument_names, wanted_signatures, wrapper_of
from millrace.saver.saved_model.structures import encode
from millrace.saver.saved_model.tables import TableCopy, is_resource
from millrace.saver.saver import Saver
from millrace.saver.tracking import is_trackable
from millrace.session.session import Session

_FullArgSpec = namedtuple("FullArgSpec", "args varargs varkw defaults kwonlyargs kwonlydefaults annotations")


class _Exporter:
    """One call of `save` at work.

    Attributes:
      objects: what is saved.
      contents: keys and values of the tables that a checkpoint has, by their keys there.
      assets: the files to copy, by their names among the assets.
    """

    def __init__(self, obj: Any, signatures: dict[str, Any]) -> None:
        self.wrappers = {key: wrapper_of(concrete) for key, concrete in signatures.items()}
        self.objects = Objects(obj, Signatures(dict(self.wrappers)))
        self._functions: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self.contents = {key: table.export() for key, table in self.objects.tables.items()}
        self._resources = [node for node in self.objects.nodes if is_resource(node)]
        self._assets: list[tuple[Tensor, Tensor]] = []  # and what stands in the graph for each
        self.graph = Graph()
        self._copies: dict[int, Any] = {}  # what stands in the graph for variables and constants
        with self.graph.as_default():
            named: dict[str, Any] = {key: self._variable(v) for key, v in self.objects.variables.items()}
            for table in self._resources:
                self._copies[id(table)] = self.objects.child(table, "_create_resource")()
            for key, table in self.objects.tables.items():
                kinds = [t.dtype.base_dtype for t in self.contents[key]]
                named[key] = TableSaveable(TableCopy(self._copies[id(table)], kinds), key)
            self._saver = Saver(named) if named else None
            self._start = raw.NoOp(name="NoOp").name
        for number in range(len(self.objects.nodes)):
            node = self.objects.nodes[number]
            if is_function(node):
                self._describe(number, node)

    def _variable(self, variable: Variable) -> Any:
        dtype, dims = variable.dtype.base_dtype, shapes.as_dims(variable.get_shape())
        zero = b"" if dtype is dtypes.string else 0
        first = raw.Fill([d or 0 for d in dims or ()], convert_to_tensor(zero, dtype))
        made = Variable(first, trainable=bool(variable.trainable), name=variable.op.name, dtype=dtype,
                        use_resource=True, validate_shape=shapes.fully_defined(dims))  # fmt: skip
        self._copies[id(variable)] = made.handle
        return made

    # --- functions ------------------------------------------------------------------------------------------

    def _describe(self, number: int, function: Any) -> None:
        made = self.objects.message.nodes[number]
        if isinstance(function, CONCRETE):
            names, bare = argument_names(function), made.bare_concrete_function
            bare.concrete_function_name = self._added(function)
            bare.argument_keywords.extend(names)
            bare.allowed_positional_arguments = len(names)
            return
        made.function.SetInParent()
        made.function.concrete_functions.extend(self._added(one) for one in self._drawings(function))
        self._describe_parameters(made.function.function_spec, function)

    def _drawings(self, function: Any) -> list[Any]:
        drawn = function.drawings if isinstance(function, Function) else function.concrete_functions
        if not drawn and isinstance(function, Function) and function.input_signature is not None:
            return [function.get_concrete_function()]
        return list(drawn)

    def _describe_parameters(self, proto: Any, function: Any) -> None:
        if isinstance(function, RestoredFunction):
            defaults = tuple(function._defaults.values()) or None
            spec = _FullArgSpec(
                function._args, None, None, defaults, [], function._keyword_defaults or None, {}
            )
        else:
            found = inspect.getfullargspec(function.python_function)
            bound = int(inspect.ismethod(function.python_function))
            spec = _FullArgSpec(found.args[bound:], *found[1:6], {})
        proto.fullargspec.CopyFrom(encode(spec))
        proto.input_signature.CopyFrom(encode(function.input_signature))

    def _added(self, concrete: Any) -> str:
        """Adds a drawing, and what it uses, to the library; its name there."""
        if id(concrete) in self._names:
            return self._names[id(concrete)]
        if isinstance(concrete, RestoredConcrete):
            library, outputs = concrete._library.of(concrete.name), concrete.structured_outputs
        else:
            library, outputs = concrete._library(), _specs_of(concrete.structured_outputs)
        base = "__inference_" + str(concrete.graph.name).removeprefix("__inference_")
        self._names[id(concrete)] = name = f"{base}_{len(self._functions)}"
        inner = [f.signature.name for f in library.library.function]
        renamed = {old: f"{name}_{k}" if k else name for k, old in enumerate(inner)}
        for function in library.library.function:
            copy = protos.FunctionDef()
            copy.CopyFrom(function)
            _rename(copy, renamed)
            self._functions[copy.signature.name] = copy
        proto = self.objects.message.concrete_functions[name]
        proto.bound_inputs.extend(self._captured(tensor, name) for tensor in concrete.captured_inputs)
        proto.canonicalized_input_signature.CopyFrom(encode(_canonical(concrete.structured_input_signature)))
        proto.output_signature.CopyFrom(encode(outputs))
        return name

    def _captured(self, tensor: Tensor, name: str) -> int:
        """The number of the object that a function captured.

        Raises:
          AssertionError: no object that is saved has it.
        """
        for variable in self.objects.variables.values():
            if tensor.op is variable.op or (variable._is_resource and tensor is variable._target):
                found = self.objects.number(variable)
                assert found is not None
                return found
        number = self.objects.number(tensor)
        if number is None and tensor.op.type == "Const":
            number = self._add_constant(tensor)
        if number is None:
            raise AssertionError(
                f"Tried to export a function which references untracked object {tensor!r}. What functions "
                "capture, variables above all, must be attributes of the object that is saved, or of one "
                f"of its attributes. Received: the function {name!r}"
            )
        return number

    def _add_constant(self, tensor: Tensor) -> int:
        """Adds a constant, or the name of a file, that a function captured; its number."""
        with self.graph.as_default():
            made = convert_to_tensor(tensor.op.attrs["value"], tensor.dtype.base_dtype)
        self._copies[id(tensor)] = made
        files_of_graph = get_default_graph().get_collection(GraphKeys.ASSET_FILEPATHS)
        if not any(tensor is one for one in files_of_graph):
            return self.objects.add_constant(tensor, made.op.name)
        self._assets.append((tensor, made))
        return self.objects.add_asset(tensor, len(self._assets) - 1)

    # --- the graph ------------------------------------------------------------------------------------------

    def meta_graph(self) -> Any:
        """The `MetaGraphDef`: variables, a call for each signature, the library, the objects."""
        with self.graph.as_default():
            calls = [self._call(key, wrapper) for key, wrapper in self.wrappers.items()]
            meta = export_meta_graph() if self._saver is None else self._saver.export_meta_graph()
        meta.meta_info_def.tags.append(constants.SERVING)
        for key, call, signature in calls:
            meta.graph_def.node.append(call)
            meta.signature_def[key].CopyFrom(signature)
        self._add_fillings(meta.graph_def)
        self._add_assets(meta)
        start = meta.signature_def[constants.INIT_OP_SIGNATURE].outputs[constants.INIT_OP_SIGNATURE]
        start.name = self._start
        start.tensor_shape.unknown_rank = True
        meta.graph_def.library.function.extend(self._functions.values())
        meta.graph_def.versions.min_consumer = max(meta.graph_def.versions.min_consumer, 12)
        meta.object_graph_def.CopyFrom(self.objects.message)
        return meta

    def _add_assets(self, meta: Any) -> None:
        messages, self.assets = asset_messages(tensor for tensor, _ in self._assets)
        for message, (_, copy) in zip(messages, self._assets, strict=True):
            message.tensor_info.name = copy.name
        meta.asset_file_def.extend(messages)

    def _add_fillings(self, graph_def: Any) -> None:
        """Calls what fills the tables, before the operation that starts a session is done."""
        start = next(node for node in graph_def.node if node.name == self._start)
        for number, table in enumerate(self._resources):
            function = self.objects.child(table, "_initialize")
            call = self._calling(f"fill_table_{number}", self._drawings(function)[0], [])
            graph_def.node.append(call)
            start.input.append(f"^{call.name}")

    def _calling(self, name: str, concrete: Any, given: list[Tensor]) -> Any:
        """The node that calls a function of the library."""
        call = protos.NodeDef(op="StatefulPartitionedCall", name=name)
        call.attr["f"].func.name = self._names[id(concrete)]
        for attr in ("Tin", "Tout"):
            call.attr[attr].list.SetInParent()
        captured = [self.objects.nodes[self._captured(t, concrete.name)] for t in concrete.captured_inputs]
        for tensor in (*given, *(self._copies[id(node)] for node in captured)):
            call.input.append(tensor.name.removesuffix(":0"))
            call.attr["Tin"].list.type.append(tensor.dtype.base_dtype.as_datatype_enum)
        for result in nest.flatten(concrete.structured_outputs):
            call.attr["Tout"].list.type.append(result.dtype.base_dtype.as_datatype_enum)
            call.attr["_output_shapes"].list.shape.append(result.shape.as_proto())
        return call

    def _call(self, key: str, wrapper: ConcreteFunction) -> tuple[str, Any, Any]:
        """The node that calls a signature's function, and the SignatureDef."""
        signature = protos.SignatureDef(method_name=constants.PREDICT_METHOD_NAME)
        given = []
        for argument in wrapper._arguments:
            fed = raw.Placeholder(dtype=argument.dtype, shape=argument.dims, name=f"{key}_{argument.name}")
            given.append(fed)
            _fill_info(signature.inputs[argument.name], fed.name, argument.dtype, argument.dims)
        call = self._calling(f"{key}_call", wrapper, given)
        flat = nest.flatten(wrapper.structured_outputs)
        for name, tensor in wrapper.structured_outputs.items():
            at = f"{call.name}:{[one is tensor for one in flat].index(True)}"
            _fill_info(signature.outputs[name], at, tensor.dtype.base_dtype, tensor.dims)
        return key, call, signature


def _fill_info(info: Any, name: str, dtype: Any, dims: shapes.Dims) -> None:
    info.name, info.dtype = name, dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(shapes.shape_of(dims).as_proto())


def _canonical(signature: Any) -> Any:
    """Arguments as a file has them."""
    args, kwargs = signature
    return tuple(args), dict(kwargs)


def _specs_of(outputs: Any) -> Any:
    """Results as specs, nested as they are; those of a dictionary know their keys."""
    specs = late.module("specs")
    if isinstance(outputs, dict) and all(isinstance(v, Tensor) for v in outputs.values()):
        return {key: specs.TensorSpec(v.shape, v.dtype.base_dtype, key) for key, v in outputs.items()}
    return nest.map_structure(lambda v: None if v is None else specs.spec_of(v), outputs)


def _rename(function: Any, names: dict[str, str]) -> None:
    """Gives a function, and those that it uses, other names."""
    function.signature.name = names[function.signature.name]
    for node in function.node_def:
        node.op = names.get(node.op, node.op)
        for value in node.attr.values():
            kind = value.WhichOneof("value")
            used = [value.func] if kind == "func" else value.list.func if kind == "list" else ()
            for one in used:
                one.name = names.get(one.name, one.name)


@public("saved_model.save", "saved_model.experimental.save")
def save(obj: Any, export_dir: Any, signatures: Any = None) -> None:
    """Writes an object with its variables and functions as a SavedModel.

    The values of the variables are those of the default session.

    Args:
      obj: a `tf.Module`, a `tf.train.Checkpoint`, a layer or a model. Attributes that are variables,
        functions, lists, dicts and other such objects are written, too; `tf.function`s as they were drawn.
      export_dir: the folder.
      signatures: a `tf.function` with an input signature, a concrete function, or a dict of such by key; the
        one alone is called "serving_default". Default: the object's function with an input signature, where
        it has one.

    Raises:
      ValueError: `obj` is another object, a signature is not such a function, or gives something else than
        tensors by name.
      AssertionError: a function uses a variable that no attribute leads to.
      FailedPreconditionError: a variable has no value.
    """
    if (
        isinstance(obj, Variable | type)
        or not (is_trackable(obj) or hasattr(obj, "__dict__"))
        or callable(getattr(obj, "__get__", None))
    ):
        raise ValueError(f"Expected a Trackable object for export. Received: {obj!r}")
    folder = os.fsdecode(export_dir)
    exporter = _Exporter(obj, wanted_signatures(obj, signatures))
    variables = exporter.objects.variables
    session = get_default_session()
    if session is None or session.graph is not get_default_graph():
        session = Session(graph=get_default_graph())
    held = [(f"{key}-{part}", tensor) for key, both in exporter.contents.items()
            for part, tensor in zip(("keys", "values"), both, strict=True)]  # fmt: skip
    sources = [*variables.items(), *held]
    values = session.run([source for _, source in sources]) if sources else []
    model = protos.SavedModel(saved_model_schema_version=constants.SAVED_MODEL_SCHEMA_VERSION)
    model.meta_graphs.add().CopyFrom(exporter.meta_graph())
    rows: list[Any] = [
        (key, "", source.dtype.base_dtype, value)
        for (key, source), value in zip(sources, values, strict=True)
    ]
    for name in (constants.VARIABLES_DIRECTORY, constants.ASSETS_DIRECTORY):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    copy_assets(exporter.assets, folder)
    described = [(GRAPH_KEY, "", dtypes.string, exporter.objects.tracked.SerializeToString())]
    path = os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
    bundle.write(path, sorted(rows, key=lambda row: row[0]), described)
    data = model.SerializeToString(deterministic=True)
    files.replace(os.path.join(folder, constants.SAVED_MODEL_FILENAME_PB), [data])
