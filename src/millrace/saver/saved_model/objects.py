"""`tf.saved_model.load_v2`: the objects of a SavedModel, with their variables and functions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import dtypes, shapes
from millrace.core.errors import DataLossError
from millrace.core.public import public
from millrace.exchange.tensor_messages import make_ndarray
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable
from millrace.saver.checkpoint.object_graph import check_references, object_graph
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.loader import read_saved_model
from millrace.saver.saved_model.restored import Library, RestoredConcrete, RestoredFunction
from millrace.saver.saved_model.tables import CONTENTS, RestoredResource
from millrace.saver.saved_model.unbound import load_without_objects
from millrace.saver.tracking import VALUE, is_trackable

_LISTS, _DICTS = "trackable_list_wrapper", "trackable_dict_wrapper"
_TUPLES, _SIGNATURES = "trackable_tuple_wrapper", "signature_map"


class Restored:
    """An object that was saved: its attributes are what it held."""

    def _trackable_children(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if is_trackable(value)]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the object did when it was called.

        Raises:
          TypeError: it was saved without that.
        """
        function = vars(self).get("__call__")
        if function is None:
            raise TypeError("SavedModel: the object was saved without a function to call it")
        return function(*args, **kwargs)


class SignatureMap(Mapping[str, Any]):
    """The signatures of a model, by key; they cannot be changed."""

    def __init__(self) -> None:
        self._signatures: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        return self._signatures[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._signatures)

    def __len__(self) -> int:
        return len(self._signatures)

    def __repr__(self) -> str:
        return f"_SignatureMap({self._signatures})"


class _Loader:
    """One call of `load_v2` at work."""

    def __init__(self, meta: Any, folder: str) -> None:
        self._meta, self._folder = meta, folder
        self._proto = meta.object_graph_def
        check_references(self._proto.nodes, f"the object graph of {folder}")
        self._library = Library(meta.graph_def)
        self._constants = {n.name: n for n in meta.graph_def.node if n.op == "Const"}
        self._concrete: dict[str, RestoredConcrete] = {}
        self._captured: dict[int, Tensor] = {}
        self._path = os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        self._keys = self._checkpoint_keys()
        self._initial = self._initial_values()
        self.nodes = [self._made(number, node) for number, node in enumerate(self._proto.nodes)]
        self._connect()

    # --- what becomes of each node --------------------------------------------------------------------------

    def _made(self, number: int, node: Any) -> Any:
        kind = node.WhichOneof("kind")
        if kind == "variable":
            return self._variable(number, node.variable)
        if kind == "asset":
            return self._asset(node.asset.asset_file_def_index)
        if kind == "constant":
            proto = self._constants[node.constant.operation].attr["value"].tensor
            return convert_to_tensor(make_ndarray(proto), dtypes.as_dtype(proto.dtype))
        if kind == "resource":
            return RestoredResource()
        if kind in ("function", "bare_concrete_function"):
            return None  # made when what they capture is there
        identifier = node.user_object.identifier
        if identifier in (_LISTS, _TUPLES):
            return []
        if identifier == _DICTS:
            return {}
        return SignatureMap() if identifier == _SIGNATURES else Restored()

    def _asset(self, index: int) -> Tensor:
        name = self._meta.asset_file_def[index].filename
        path = convert_to_tensor(os.path.join(self._folder, constants.ASSETS_DIRECTORY, name))
        get_default_graph().add_to_collection(GraphKeys.ASSET_FILEPATHS, path)
        return path

    def _variable(self, number: int, proto: Any) -> Variable:
        dtype, shape = dtypes.as_dtype(proto.dtype), shapes.shape_of(shapes.as_dims(proto.shape))
        first = self._initial.get(number)
        if first is None:
            first = raw.Fill([d or 0 for d in shapes.as_dims(shape) or ()], convert_to_tensor(0, dtype))
        else:
            first.set_shape(shape)
        return Variable(
            first, trainable=proto.trainable, name=proto.name or "Variable", dtype=dtype, use_resource=True,
            validate_shape=shape.is_fully_defined(),
        )  # fmt: skip

    def _initial_values(self) -> dict[int, Tensor]:
        """What the checkpoint has for each variable, by the number of its node."""
        keys = self._keys["variable"]
        if not keys:
            return {}
        wanted = [dtypes.as_dtype(self._proto.nodes[n].variable.dtype) for n in keys]
        with get_default_graph().control_dependencies(None):
            found = raw.RestoreV2(self._path, list(keys.values()), [""] * len(keys), dtypes=wanted)
        return dict(zip(keys, found if isinstance(found, list | tuple) else [found], strict=True))

    def _checkpoint_keys(self) -> dict[str, dict[int, str]]:
        """Under which keys the checkpoint has variables and tables: by kind and number of the node."""
        attributes = {"variable": VALUE, "resource": CONTENTS}
        keys: dict[str, dict[int, str]] = {kind: {} for kind in attributes}
        kinds = [node.WhichOneof("kind") for node in self._proto.nodes]
        saved = object_graph(self._path) if keys.keys() & set(kinds) else None
        if saved is None:
            return keys
        for mine, theirs in _paired(self._proto.nodes, saved.nodes).items():
            for attribute in saved.nodes[theirs].attributes:
                if attribute.name == attributes.get(kinds[mine]):
                    keys[kinds[mine]][mine] = attribute.checkpoint_key
        return keys

    # --- functions, and who refers to whom ------------------------------------------------------------------

    def _handle(self, number: int) -> Tensor:
        """The tensor that a function captures of an object."""
        if number not in self._captured:
            found = self.nodes[number]
            if isinstance(found, Variable):
                found = found._target
            elif isinstance(found, RestoredResource):
                found = found.resource_handle
            if not isinstance(found, Tensor):
                raise ValueError(f"SavedModel: a function captures an object that has no tensor: {found!r}")
            self._captured[number] = found
        return self._captured[number]

    def _concrete_function(self, name: str) -> RestoredConcrete:
        if name not in self._concrete:
            proto = self._proto.concrete_functions[name]
            captured = [self._handle(number) for number in proto.bound_inputs]
            self._concrete[name] = RestoredConcrete(name, proto, self._library, captured)
        return self._concrete[name]

    def _function(self, number: int, node: Any) -> Any:
        if node.WhichOneof("kind") == "function":
            made = [self._concrete_function(name) for name in node.function.concrete_functions]
            return RestoredFunction(self._called[number], node.function.function_spec, made)
        bare = node.bare_concrete_function
        made = self._concrete_function(bare.concrete_function_name)
        made.keywords = list(bare.argument_keywords)
        made.positional = bare.allowed_positional_arguments
        return made

    def _connect(self) -> None:
        """Gives each object what it refers to: makers of resources first, for functions capture these."""
        self._called = {c.node_id: c.local_name for node in self._proto.nodes for c in node.children}
        kinds = [node.WhichOneof("kind") for node in self._proto.nodes]
        functions = [n for n, kind in enumerate(kinds) if kind in ("function", "bare_concrete_function")]
        makers = [n for n in functions if self._called.get(n) == "_create_resource"]
        for number in [*makers, *(n for n in functions if n not in makers)]:
            self.nodes[number] = self._function(number, self._proto.nodes[number])
            if number in makers:
                for owner, node in enumerate(self._proto.nodes):
                    if any(c.node_id == number for c in node.children):
                        vars(self.nodes[owner])["_create_resource"] = self.nodes[number]
        for owner, node in zip(self.nodes, self._proto.nodes, strict=True):
            for child in node.children:
                _attach(owner, child.local_name, self.nodes[child.node_id])
        for number, node in enumerate(self._proto.nodes):
            if node.user_object.identifier == _TUPLES:
                self._as_tuple(number)
        self._fill_tables()

    def _as_tuple(self, number: int) -> None:
        made = tuple(self.nodes[number])
        for owner, node in zip(self.nodes, self._proto.nodes, strict=True):
            for child in node.children:
                if child.node_id == number:
                    _attach(owner, child.local_name, made)

    def _fill_tables(self) -> None:
        for number, found in enumerate(self.nodes):
            if isinstance(found, RestoredResource):
                found.fill(self._path, self._keys["resource"].get(number))


def _attach(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, list):
        if name.isdigit():
            owner.extend([None] * (int(name) + 1 - len(owner)))
            owner[int(name)] = value
    elif isinstance(owner, dict):
        owner[name] = value
    elif isinstance(owner, SignatureMap):
        owner._signatures[name] = value
    elif isinstance(owner, Restored | RestoredResource):
        vars(owner)[name] = value


def _paired(ours: Any, theirs: Any) -> dict[int, int]:
    """Numbers of nodes of one graph of objects to those of another, by the names on the way to them."""
    pairs, pending = {0: 0}, [0]
    while pending:
        number = pending.pop()
        mine, other = ours[number], theirs[pairs[number]]
        named = {child.local_name: child.node_id for child in other.children}
        found = [(c.node_id, named[c.local_name]) for c in mine.children if c.local_name in named]
        for slot in mine.slot_variables:
            original = pairs.get(slot.original_variable_node_id)
            found += [
                (slot.slot_variable_node_id, s.slot_variable_node_id)
                for s in other.slot_variables
                if (s.original_variable_node_id, s.slot_name) == (original, slot.slot_name)
            ]
        for a, b in found:
            if a not in pairs:
                pairs[a] = b
                pending.append(a)
    return pairs


@public("saved_model.load_v2")
def load_v2(export_dir: Any, tags: Iterable[str] | str | None = None) -> Any:
    """Loads a SavedModel as objects: its variables, its functions, and its signatures.

    What is loaded is added to the default graph. The variables are among its global variables; their
    initializers give them the values that were saved, and `tf.tables_initializer` fills the tables.

    Args:
      export_dir: the SavedModel's folder, written by TensorFlow 1, TensorFlow 2 or millrace.
      tags: all tags of the graph; it may be left out where there is one graph.

    Returns:
      An object with what the saved one had as attributes: variables, functions that can be called in the
      default graph, lists, dicts and other objects; and `signatures`, functions by key, which give
      dictionaries of tensors. A model without objects, as `tf.saved_model.simple_save` writes it, has
      `signatures`, `variables`, `graph`, `asset_paths`, `initializer` and `prune`.

    Raises:
      OSError: there is no SavedModel, or it cannot be read.
      ValueError: the one graph has other tags.
      RuntimeError: no graph has exactly these tags.
      DataLossError: what the objects refer to is not there.
    """
    folder = os.fsdecode(export_dir)
    model = read_saved_model(folder)
    wanted = [tags] if isinstance(tags, str) else None if tags is None else list(tags)
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        return load_without_objects(model, wanted, folder)
    meta = model.meta_graphs[0]
    there = sorted(meta.meta_info_def.tags)
    if wanted is not None and set(wanted) != set(there):
        raise ValueError(
            f"The SavedModel at {folder} has one MetaGraph with tags {there}, but got an incompatible "
            f"argument to tf.saved_model.load_v2; it may be left out. Received: tags={wanted}"
        )
    try:
        root = _Loader(meta, folder).nodes[0]
    except LookupError as error:
        raise DataLossError(
            None, None, f"The SavedModel at {folder} is damaged: its objects refer to what it lacks: {error}"
        ) from error
    vars(root)["tensorflow_version"] = meta.meta_info_def.tensorflow_version
    vars(root)["tensorflow_git_version"] = meta.meta_info_def.tensorflow_git_version
    return root
