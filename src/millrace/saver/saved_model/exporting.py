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
from millrace.graph.tensor import Tensor
from millrace.lib.functions.concrete import Argument, ConcreteFunction
from millrace.lib.functions.polymorphic import Function
from millrace.lib.variables.variable import Variable
from millrace.opkit.checkpoint import bundle, files
from millrace.saver.checkpoint.object_graph import GRAPH_KEY
from millrace.saver.meta_graph import export_meta_graph
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.object_nodes import (
    CONCRETE,
    POLYMORPHIC,
    Objects,
    Signatures,
    children,
    is_function,
)
from millrace.saver.saved_model.restored import RestoredConcrete, RestoredFunction
from millrace.saver.saved_model.structures import encode
from millrace.saver.saver import Saver
from millrace.saver.tracking import is_trackable
from millrace.session.session import Session

_FullArgSpec = namedtuple("FullArgSpec", "args varargs varkw defaults kwonlyargs kwonlydefaults annotations")


def _signature_of(function: Any) -> Any:
    """The drawing that a function has as a signature, None without one."""
    if isinstance(function, CONCRETE):
        return function
    if isinstance(function, Function) and function.input_signature is not None:
        return function.get_concrete_function()
    if isinstance(function, RestoredFunction) and function.input_signature is not None:
        return function.concrete_functions[0] if len(function.concrete_functions) == 1 else None
    return None


def _wanted_signatures(obj: Any, signatures: Any) -> dict[str, Any]:
    """The drawings to export, by key.

    Raises:
      ValueError: one is not a function that was drawn once.
    """
    if signatures is None:
        found = [_signature_of(f) for _, f in children(obj) if isinstance(f, POLYMORPHIC)]
        found = [f for f in found if f is not None] or _of_model(obj)
        signatures = found[0] if len(found) == 1 else {}
    if not isinstance(signatures, dict):
        signatures = {constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signatures}
    made = {}
    for key, function in signatures.items():
        concrete = _signature_of(function)
        if concrete is None:
            raise ValueError(
                "Expected a TensorFlow function to generate a signature for; only tf.functions with an input "
                f"signature or concrete functions can be used as a signature. Received: {function!r}"
            )
        made[key] = concrete
    return made


def _of_model(obj: Any) -> list[ConcreteFunction]:
    """What a Keras model does with its inputs, by name; nothing for other objects."""
    names, results = getattr(obj, "input_names", None), getattr(obj, "output_names", None)
    if not names or not results or not callable(obj):
        return []
    inputs = nest.flatten(obj.inputs)
    arguments = [Argument(t.dtype.base_dtype, t.dims, n) for t, n in zip(inputs, names, strict=True)]

    def run(*tensors: Tensor) -> dict[str, Tensor]:
        given = obj(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
        return dict(zip(results, nest.flatten(given), strict=True))

    return [ConcreteFunction(run, "serving_default", arguments, names, may_create=False)]


def _named_outputs(result: Any, name: str) -> dict[str, Tensor]:
    """Results by name.

    Raises:
      ValueError: they nest deeper, or are not tensors.
    """
    if isinstance(result, Tensor):
        return {"output_0": result}
    if isinstance(result, list | tuple):
        result = {f"output_{i}": value for i, value in enumerate(result)}
    if not isinstance(result, dict):
        raise ValueError(
            f"The function {name!r} used to generate a SavedModel signature must give tensors. "
            f"Received: {result!r}"
        )
    for key, value in result.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"The function {name!r} used to generate a SavedModel signature must give one Tensor by "
                f"string key. Received: {value!r} for key {key!r}"
            )
    return result


def _argument_names(concrete: Any) -> list[str]:
    if isinstance(concrete, RestoredConcrete):
        return concrete._names() if concrete.keywords is None else concrete.keywords
    return list(concrete._keywords) or [a.name for a in concrete._arguments]


def _wrapper(concrete: Any) -> ConcreteFunction:
    """A function whose results have names, as signatures have them."""
    names = _argument_names(concrete)
    given = list(concrete.inputs[: len(names)])
    arguments = [Argument(t.dtype.base_dtype, t.dims, n) for t, n in zip(given, names, strict=True)]
    return ConcreteFunction(
        lambda *tensors: _named_outputs(concrete.called(tensors), concrete.name),
        "signature_wrapper", arguments, names, may_create=False,
    )  # fmt: skip


class _Exporter:
    """One call of `save` at work."""

    def __init__(self, obj: Any, signatures: dict[str, Any]) -> None:
        self.wrappers = {key: _wrapper(concrete) for key, concrete in signatures.items()}
        self.objects = Objects(obj, Signatures(dict(self.wrappers)))
        self._functions: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self.graph = Graph()
        self._copies: dict[int, Any] = {}  # what stands in the graph for variables and constants
        with self.graph.as_default():
            named = {key: self._variable(v) for key, v in self.objects.variables.items()}
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
            names, bare = _argument_names(function), made.bare_concrete_function
            bare.concrete_function_name = self._added(function)
            bare.argument_keywords.extend(names)
            bare.allowed_positional_arguments = len(names)
            return
        drawn = function.drawings if isinstance(function, Function) else function.concrete_functions
        if not drawn and isinstance(function, Function) and function.input_signature is not None:
            drawn = [function.get_concrete_function()]
        made.function.SetInParent()
        made.function.concrete_functions.extend(self._added(one) for one in drawn)
        self._describe_parameters(made.function.function_spec, function)

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
            with self.graph.as_default():
                made = convert_to_tensor(tensor.op.attrs["value"], tensor.dtype.base_dtype)
            self._copies[id(tensor)] = made
            number = self.objects.add_constant(tensor, made.op.name)
        if number is None:
            raise AssertionError(
                f"Tried to export a function which references untracked object {tensor!r}. What functions "
                "capture, variables above all, must be attributes of the object that is saved, or of one "
                f"of its attributes. Received: the function {name!r}"
            )
        return number

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
        start = meta.signature_def[constants.INIT_OP_SIGNATURE].outputs[constants.INIT_OP_SIGNATURE]
        start.name = self._start
        start.tensor_shape.unknown_rank = True
        meta.graph_def.library.function.extend(self._functions.values())
        meta.graph_def.versions.min_consumer = max(meta.graph_def.versions.min_consumer, 12)
        meta.object_graph_def.CopyFrom(self.objects.message)
        return meta

    def _call(self, key: str, wrapper: ConcreteFunction) -> tuple[str, Any, Any]:
        """The node that calls a signature's function, and the SignatureDef."""
        signature = protos.SignatureDef(method_name=constants.PREDICT_METHOD_NAME)
        call = protos.NodeDef(op="StatefulPartitionedCall", name=f"{key}_call")
        call.attr["f"].func.name = self._names[id(wrapper)]
        for attr in ("Tin", "Tout"):
            call.attr[attr].list.SetInParent()
        for argument in wrapper._arguments:
            fed = raw.Placeholder(dtype=argument.dtype, shape=argument.dims, name=f"{key}_{argument.name}")
            call.input.append(fed.op.name)
            call.attr["Tin"].list.type.append(argument.dtype.as_datatype_enum)
            _fill_info(signature.inputs[argument.name], fed.name, argument.dtype, argument.dims)
        for tensor in wrapper.captured_inputs:
            node = self.objects.nodes[self._captured(tensor, wrapper.name)]
            call.input.append(self._copies[id(node)].op.name)
            call.attr["Tin"].list.type.append(tensor.dtype.base_dtype.as_datatype_enum)
        flat = nest.flatten(wrapper.structured_outputs)
        for tensor in flat:
            call.attr["Tout"].list.type.append(tensor.dtype.base_dtype.as_datatype_enum)
            call.attr["_output_shapes"].list.shape.append(tensor.get_shape().as_proto())
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
    exporter = _Exporter(obj, _wanted_signatures(obj, signatures))
    variables = exporter.objects.variables
    session = get_default_session()
    if session is None or session.graph is not get_default_graph():
        session = Session(graph=get_default_graph())
    values = session.run(list(variables.values())) if variables else []
    model = protos.SavedModel(saved_model_schema_version=constants.SAVED_MODEL_SCHEMA_VERSION)
    model.meta_graphs.add().CopyFrom(exporter.meta_graph())
    rows: list[Any] = [
        (key, "", v.dtype.base_dtype, value)
        for (key, v), value in zip(variables.items(), values, strict=True)
    ]
    for name in (constants.VARIABLES_DIRECTORY, constants.ASSETS_DIRECTORY):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    described = [(GRAPH_KEY, "", dtypes.string, exporter.objects.tracked.SerializeToString())]
    path = os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
    bundle.write(path, sorted(rows, key=lambda row: row[0]), described)
    data = model.SerializeToString(deterministic=True)
    files.replace(os.path.join(folder, constants.SAVED_MODEL_FILENAME_PB), [data])
