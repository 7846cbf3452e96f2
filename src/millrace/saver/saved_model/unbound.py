"""SavedModels without objects as one: signatures that can be called, on variables that are loaded once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import dtypes, nest
from millrace.exchange.graph_util import extract_sub_graph
from millrace.exchange.importer import import_graph_def
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.variables.module import Module
from millrace.opkit.checkpoint.reading import open_checkpoint
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.assets import asset_feeds
from millrace.saver.saved_model.loader import init_op_of, meta_graph_of
from millrace.saver.saver import import_meta_graph


class PrunedFunction:
    """A part of a loaded graph, computed anew from other tensors each time that it is called.

    Args:
      model: the loaded model.
      inputs: names of the tensors that are given, by the names of the arguments.
      outputs: names of the tensors that are wanted, nested.
    """

    def __init__(self, model: UnboundModel, inputs: dict[str, str], outputs: Any) -> None:
        self._model, self._inputs, self._outputs = model, inputs, outputs

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors in the loaded graph for which others are given."""
        return [self._model._tensor(name) for name in self._inputs.values()]

    @property
    def outputs(self) -> list[Tensor]:
        """The results in the loaded graph."""
        return [self._model._tensor(name) for name in nest.flatten(self._outputs)]

    @property
    def structured_outputs(self) -> Any:
        """The results in the loaded graph, nested."""
        return nest.pack_sequence_as(self._outputs, self.outputs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The results for other inputs.

        Raises:
          TypeError: an argument is missing, or is none of the function's.
        """
        names = list(self._inputs)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if len(args) + len(kwargs) != len(names) or sorted(given) != sorted(names):
            raise TypeError(
                f"SavedModel: Expected argument names {sorted(names)} but got values for {sorted(kwargs)}. "
                f"Received: {len(args)} by position"
            )
        mapped = {}
        for name, inside in self._inputs.items():
            wanted = self._model._tensor(inside)
            mapped[inside] = convert_to_tensor(given[name], wanted.dtype.base_dtype)
        found = self._model._computed(mapped, nest.flatten(self._outputs))
        return nest.pack_sequence_as(self._outputs, found)


class UnboundModel(Module):
    """A graph that was saved without objects, with its variables.

    Attributes:
      signatures: functions by key, which take tensors by name and give dictionaries of them.
      variables: those of the graph.
      initializer: the operation that gives all variables what was saved, and fills the tables.
      asset_paths: the files that were saved with it, tensors.
      graph: the graph into which it was loaded.
    """

    def __init__(self, meta: Any, folder: str) -> None:
        super().__init__(name="loaded")
        self.graph = graph = get_default_graph()
        self._meta = meta
        self._scope = graph.unique_name("loaded_model", mark_as_used=False)
        paths = {name: convert_to_tensor(path) for name, path in asset_feeds(meta, folder, None).items()}
        before = set(graph.get_collection(GraphKeys.GLOBAL_VARIABLES))
        import_meta_graph(meta, import_scope=self._scope, input_map=dict(paths))
        self.asset_paths = list(paths.values())
        self._loaded = [v for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES) if v not in before]
        first = [self._restoring(v, folder) for v in self._loaded]
        start = init_op_of(graph, meta, self._scope)
        with graph.control_dependencies([op for op in first if op is not None]):
            self.initializer = raw.NoOp(name=f"{self._scope}_restored") if start is None else start
        if start is not None:
            graph.add_to_collection(GraphKeys.TABLE_INITIALIZERS, start)
        self.signatures = {
            key: PrunedFunction(
                self,
                {name: info.name for name, info in sorted(signature.inputs.items())},
                {name: info.name for name, info in signature.outputs.items()},
            )
            for key, signature in meta.signature_def.items()
            if key != constants.INIT_OP_SIGNATURE
        }
        self.tensorflow_version = meta.meta_info_def.tensorflow_version
        self.tensorflow_git_version = meta.meta_info_def.tensorflow_git_version

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables of the graph."""
        return tuple(self._loaded)

    def _restoring(self, variable: Any, folder: str) -> Any:
        """Makes a variable begin with what was saved; the operation that does so."""
        path = os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        info = variable._get_save_slice_info() if hasattr(variable, "_get_save_slice_info") else None
        key = variable.op.name.removeprefix(f"{self._scope}/") if info is None else info.full_name
        key = key.removeprefix(f"{self._scope}/")
        with contextlib.closing(open_checkpoint(path)) as reader:
            if reader.describe(key) is None:
                return None
        spec = "" if info is None else info.spec
        kind = variable.dtype.base_dtype
        found = raw.RestoreV2(path, [key], [spec], dtypes=[kind])
        value = found[0] if isinstance(found, list | tuple) else found
        write = raw.AssignVariableOp if variable._is_resource else raw.Assign
        made = write(variable._target, value)
        variable._initializer = getattr(made, "op", made)
        return variable._initializer

    def _tensor(self, name: str) -> Tensor:
        return self.graph.get_tensor_by_name(f"{self._scope}/{name}")

    def _computed(self, mapped: dict[str, Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """Outputs computed anew from other inputs; what has state is that of the loaded graph."""
        wanted = [name.partition(":")[0] for name in outputs]
        proto = extract_sub_graph(self._meta.graph_def, wanted)
        taken = {text for node in proto.node for text in node.input if not text.startswith("^")}
        taken = {text if ":" in text else f"{text}:0" for text in taken} | set(outputs)
        given = {name: tensor for name, tensor in mapped.items() if name in taken}
        for node in proto.node:
            op = self.graph.get_operation_by_name(f"{self._scope}/{node.name}")
            first = op.outputs[0] if op.outputs and not op.inputs else None
            if first is None or f"{node.name}:0" not in taken:
                continue
            if first.dtype._is_ref_dtype or first.dtype is dtypes.resource:
                given[f"{node.name}:0"] = first
        name = self.graph.unique_name("StatefulPartitionedCall", mark_as_used=False)
        return import_graph_def(proto, given, list(outputs), name=name) or []

    def prune(self, feeds: Any, fetches: Any, name: str | None = None) -> PrunedFunction:
        """A function from some tensors of the graph to others.

        Args:
          feeds: names of tensors, or tensors of a signature, nested; in this order they are given.
          fetches: those that are wanted, nested.
          name: accepted.
        """
        inputs = [self._named(v) for v in nest.flatten(feeds)]
        outputs = nest.map_structure(self._named, fetches)
        return PrunedFunction(self, {str(i): text for i, text in enumerate(inputs)}, outputs)

    def _named(self, tensor: Any) -> str:
        text = tensor if isinstance(tensor, str) else tensor.name
        return text.removeprefix(f"{self._scope}/")


def load_without_objects(model: Any, tags: Sequence[str] | None, folder: str) -> UnboundModel:
    """A SavedModel that holds graphs alone.

    Raises:
      ValueError: there are several graphs, and no tags.
      RuntimeError: no graph has exactly these tags.
    """
    if tags is None:
        if len(model.meta_graphs) != 1:
            raise ValueError(
                f"Importing a SavedModel with tf.saved_model.load_v2 requires a 'tags=' argument if there is "
                f"more than one MetaGraph. Received: None for {folder}, which has {len(model.meta_graphs)}"
            )
        return UnboundModel(model.meta_graphs[0], folder)
    return UnboundModel(meta_graph_of(model, tags, folder), folder)
