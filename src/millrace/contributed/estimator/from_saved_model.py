"""`tf.contrib.estimator.SavedModelEstimator`: an exported model, trained on and evaluated."""

from __future__ import annotations

import os
from typing import Any

from millrace.core.dtypes import as_dtype
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.export_outputs import PredictOutput
from millrace.models.estimator.exporting import TAGS
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.spec import EstimatorSpec
from millrace.models.estimator.warm import WarmStartSettings
from millrace.saver.checkpoint.reader import list_variables
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.assets import asset_feeds
from millrace.saver.saved_model.loader import contains_saved_model, init_op_of, read_saved_model
from millrace.saver.saver import import_meta_graph_with_elements
from millrace.training.sessions.scaffold import Scaffold

_SIGNATURES = {
    ModeKeys.TRAIN: "train",
    ModeKeys.EVAL: "eval",
    ModeKeys.PREDICT: constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY,
}
_OF_THE_EXPORT = (
    constants.MAIN_OP_KEY,
    constants.LEGACY_INIT_OP_KEY,
    constants.ASSETS_KEY,
)


@public("contrib.estimator.SavedModelEstimator")
class SavedModelEstimator(Estimator):
    """An estimator whose model is a SavedModel, with a graph for each mode that it runs in.

    What an input function gives takes the place of the tensors of the graph's signature, by name. Until the
    estimator has a checkpoint of its own, variables begin with the values in the SavedModel.

    Args:
      saved_model_dir: the folder, as `experimental_export_all_saved_models` writes it.
      model_dir: the folder of checkpoints and summaries; default, a new one.

    Raises:
      ValueError: there is no SavedModel.
    """

    def __init__(self, saved_model_dir: Any, model_dir: Any = None) -> None:
        folder = os.fsdecode(saved_model_dir)
        if not contains_saved_model(folder):
            raise ValueError(f"Directory provided has an invalid SavedModel format: {folder}")
        self._saved_model_dir = folder
        self._meta_graphs = {frozenset(m.meta_info_def.tags): m for m in read_saved_model(folder).meta_graphs}
        checkpoint = os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        names = [name for name, _ in list_variables(checkpoint)]
        settings = WarmStartSettings(checkpoint, vars_to_warm_start=names)
        super().__init__(self._model_fn_from_saved_model, model_dir, warm_start_from=settings)

    def _create_and_assert_global_step(self, graph: Any) -> None:
        """The step comes with the SavedModel's graph."""

    def _meta_graph_of(self, mode: str) -> Any:
        meta = self._meta_graphs.get(frozenset(TAGS.get(mode, ())))
        if meta is None or _SIGNATURES[mode] not in meta.signature_def:
            raise RuntimeError(
                f"{mode} mode is not available in the SavedModel. Use saved_model_cli to check that the "
                f"Metagraph for this mode has been exported. Received: {[*map(sorted, self._meta_graphs)]}"
            )
        return meta

    def _model_fn_from_saved_model(self, features: Any, labels: Any, mode: str) -> Any:
        meta = self._meta_graph_of(mode)
        signature = meta.signature_def[_SIGNATURES[mode]]
        outputs = sorted(signature.outputs.items())
        _, tensors = import_meta_graph_with_elements(
            meta,
            input_map=_inputs(signature, features, labels),
            return_elements=[info.name for _, info in outputs],
        )
        named = {name: tensor for (name, _), tensor in zip(outputs, tensors or (), strict=True)}
        _start_with_tables(init_op_of(get_default_graph(), meta, None))
        scaffold = Scaffold(local_init_feed_dict=asset_feeds(meta, self._saved_model_dir, None))
        if mode == ModeKeys.PREDICT:
            served = {constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: PredictOutput(named)}
            return EstimatorSpec(mode, predictions=named, export_outputs=served, scaffold=scaffold)
        return EstimatorSpec(
            mode,
            predictions=_predictions(named),
            loss=named["loss"],
            train_op=_train_op() if mode == ModeKeys.TRAIN else None,
            eval_metric_ops=_metrics(named),
            scaffold=scaffold,
        )


def _start_with_tables(starter: Any) -> None:
    """Makes what initializes the SavedModel part of what initializes tables; another export has its own."""
    graph = get_default_graph()
    for key in _OF_THE_EXPORT:
        graph.clear_collection(key)
    if starter is not None:
        graph.add_to_collection(GraphKeys.TABLE_INITIALIZERS, starter)


def _inputs(signature: Any, features: Any, labels: Any) -> dict[str, Any]:
    """The tensors of a signature's inputs, to those which take their place.

    Raises:
      ValueError: there is none for an input, or one of another dtype or shape.
    """
    given = {**_named(labels, "label"), **_named(features, "feature")}
    found = {}
    for name, info in signature.inputs.items():
        if name not in given:
            raise ValueError(
                f'Key "{name}" not found in features or labels passed in to the model function. All required '
                f"keys: {sorted(signature.inputs)}. Received: {sorted(given)}"
            )
        _check(given[name], info, name)
        found[info.name] = given[name]
    return found


def _named(values: Any, single: str) -> dict[str, Any]:
    if values is None:
        return {}
    return dict(values) if isinstance(values, dict) else {single: values}


def _check(tensor: Any, info: Any, name: str) -> None:
    dtype, shape = as_dtype(info.dtype), TensorShape(info.tensor_shape)
    problems = []
    if tensor.dtype != dtype:
        problems.append(f"Expected dtype: {dtype}, Got: {tensor.dtype}")
    if not shape.is_compatible_with(tensor.shape):
        problems.append(f"Expected shape: {shape}, Got: {tensor.shape}")
    if problems:
        raise ValueError(
            "\n\t".join([f"Tensor shape and/or dtype validation failed for input {name}:", *problems])
        )


def _predictions(outputs: dict[str, Any]) -> Any:
    """What a supervised signature calls "predictions", or several below that name."""
    found = {name.partition("/")[2]: t for name, t in outputs.items() if name.startswith("predictions/")}
    return found or outputs.get("predictions")


def _metrics(outputs: dict[str, Any]) -> dict[str, Any]:
    """Pairs of value and update by the metric's name, "metrics/" included."""
    names = [name.removesuffix("/value") for name in outputs if name.endswith("/value")]
    return {name: (outputs[f"{name}/value"], outputs[f"{name}/update_op"]) for name in names}


def _train_op() -> Any:
    found = get_default_graph().get_collection(GraphKeys.TRAIN_OP)
    if len(found) != 1:
        raise ValueError(f"The SavedModel has one training operation. Received: {found}")
    return found[0]
