"""Session bundles: what estimators exported before there were SavedModels.

A folder named by the global step holds a checkpoint and a meta graph, whose collections name the signatures
and the operation that begins.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.layers.columns.parsing import parse_feature_columns_from_examples
from millrace.contributed.learn.garbage import Path, get_paths, largest_export_versions
from millrace.core import protos
from millrace.core.dtypes import string
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup.tables import tables_initializer
from millrace.lib.platform import gfile
from millrace.lib.variables.sets import local_variables_initializer
from millrace.opkit.random.seeds import set_random_seed
from millrace.opkit.records.features import FixedLenFeature, VarLenFeature
from millrace.ops.array.constant import placeholder
from millrace.ops.io.parsing import parse_example
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saved_model.assets import asset_messages, copy_assets
from millrace.saver.saver import Saver
from millrace.session.session import Session
from millrace.training.global_step import create_global_step

SignatureFn = Callable[[Any, Any, Any], tuple[Any, dict[str, Any]]]

_SIGNATURES, _INIT_OP, _ASSETS = "serving_signatures", "serving_init_op", "serving_assets"
_SINGLE_FEATURE = "feature"


def _bound(tensor: Any) -> Any:
    return protos.TensorBinding(tensor_name=tensor.name)


def _checked(examples: Any) -> Any:
    if examples is None:
        raise ValueError("examples cannot be None when using this signature fn.")
    return _bound(examples)


def _part(predictions: Any, name: str) -> Any:
    return predictions[name] if isinstance(predictions, dict) else predictions


@public("contrib.learn.utils.export.generic_signature_fn")
def generic_signature_fn(examples: Any, unused_features: Any, predictions: Any) -> tuple[Any, dict[str, Any]]:
    """The examples as "inputs", and predictions by their names, or one as "outputs".

    Args:
      examples: serialized examples.
      unused_features: ignored.
      predictions: a tensor, or tensors by name.

    Returns:
      A `Signature`, and an empty dictionary.

    Raises:
      ValueError: there are no examples.
    """
    del unused_features
    named = predictions if isinstance(predictions, dict) else {"outputs": predictions}
    bindings = {"inputs": _checked(examples), **{name: _bound(tensor) for name, tensor in named.items()}}
    return protos.Signature(generic_signature=protos.GenericSignature(map=bindings)), {}


@public("contrib.learn.utils.export.classification_signature_fn")
def classification_signature_fn(
    examples: Any, unused_features: Any, predictions: Any
) -> tuple[Any, dict[str, Any]]:
    """Examples to classes; arguments, results and errors as for `generic_signature_fn`."""
    del unused_features
    made = protos.ClassificationSignature(
        input=_checked(examples), classes=_bound(_part(predictions, "classes"))
    )
    return protos.Signature(classification_signature=made), {}


@public("contrib.learn.utils.export.classification_signature_fn_with_prob")
def classification_signature_fn_with_prob(
    examples: Any, unused_features: Any, predictions: Any
) -> tuple[Any, dict[str, Any]]:
    """Examples to probabilities of classes; otherwise as `generic_signature_fn`."""
    del unused_features
    binding = _checked(examples)
    scores = _bound(_part(predictions, "probabilities"))
    made = protos.ClassificationSignature(input=binding, scores=scores)
    return protos.Signature(classification_signature=made), {}


@public("contrib.learn.utils.export.logistic_regression_signature_fn")
def logistic_regression_signature_fn(
    examples: Any, unused_features: Any, predictions: Any
) -> tuple[Any, dict[str, Any]]:
    """Examples to the probability of the second class; otherwise as `generic_signature_fn`."""
    binding = _checked(examples)
    del unused_features
    output = _bound(_part(predictions, "probabilities")[:, 1])
    made = protos.RegressionSignature(input=binding, output=output)
    return protos.Signature(regression_signature=made), {}


@public("contrib.learn.utils.export.regression_signature_fn")
def regression_signature_fn(
    examples: Any, unused_features: Any, predictions: Any
) -> tuple[Any, dict[str, Any]]:
    """Examples to the one prediction; otherwise as `generic_signature_fn`."""
    del unused_features
    made = protos.RegressionSignature(input=_checked(examples), output=_bound(predictions))
    return protos.Signature(regression_signature=made), {}


def signature_of(values: Any) -> Any:
    """Specifications by which examples with such tensors can be parsed; one tensor's is called "feature".

    Args:
      values: a tensor, or tensors by name, or None.
    """
    if values is None:
        return None
    named = values if isinstance(values, dict) else {_SINGLE_FEATURE: values}
    return {
        name: VarLenFeature(tensor.dtype.base_dtype)
        if isinstance(tensor, SparseTensor)
        else FixedLenFeature(tensor.shape.as_list()[1:], tensor.dtype.base_dtype)
        for name, tensor in named.items()
    }


def default_input_fn(estimator: Any, examples: Any) -> Any:
    """The features with which an estimator was trained, parsed from examples.

    Raises:
      ValueError: it was not trained in this process.
    """
    found = estimator._trained_with
    if found is None:
        raise ValueError(f"Features information missing, was fit() ever called? Received: {estimator}")
    parsed = parse_example(examples, found[0])
    return parsed[_SINGLE_FEATURE] if [*parsed] == [_SINGLE_FEATURE] else parsed


def parsing_columns(columns: Any) -> Callable[[Any, Any], Any]:
    """An input function of an estimator and examples that parses what feature columns read."""

    def input_fn(estimator: Any, examples: Any) -> Any:
        del estimator
        return parse_feature_columns_from_examples(examples, columns)

    return input_fn


@public("contrib.learn.utils.export.export_estimator", "contrib.learn.utils.export_estimator")
def export_estimator(
    estimator: Any,
    export_dir: Any,
    signature_fn: SignatureFn | None = None,
    input_fn: Callable[[Any, Any], Any] = default_input_fn,
    default_batch_size: int | None = 1,
    exports_to_keep: int | None = None,
) -> None:
    """Writes a session bundle of an estimator's newest checkpoint.

    Args:
      estimator: of `tf.contrib.learn`.
      export_dir: the folder in which a new one, named by the step, is made.
      signature_fn: from examples, features and predictions to a default signature and others by name;
        default, `generic_signature_fn`.
      input_fn: from the estimator and serialized examples to features; default, those of its training.
      default_batch_size: how many examples; None for any number.
      exports_to_keep: how many folders to keep; default, all.

    Raises:
      ValueError: there is no checkpoint, or the estimator was not trained in this process.
      RuntimeError: there is an export of this step already.
    """
    export(estimator, export_dir, signature_fn, input_fn, default_batch_size, exports_to_keep)


def export(
    estimator: Any,
    export_dir: Any,
    signature_fn: SignatureFn | None,
    input_fn: Callable[..., Any],
    default_batch_size: int | None,
    exports_to_keep: int | None,
    input_feature_key: str | None = None,
    use_deprecated_input_fn: bool = True,
    prediction_key: str | None = None,
    checkpoint_path: Any = None,
) -> bytes:
    """Writes a session bundle and returns its folder; see `Estimator.export`."""
    path = checkpoint_path or latest_checkpoint(estimator.model_dir)
    with Graph().as_default() as graph:
        step = create_global_step(graph)
        set_random_seed(estimator.config.tf_random_seed)
        if use_deprecated_input_fn:
            examples: Any = placeholder(string, [default_batch_size], "input_example_tensor")
            features = input_fn(estimator, examples)
        else:
            features, _ = input_fn()
            examples = features.pop(input_feature_key) if input_feature_key is not None else None
        predictions = estimator.model_fn(features, labels_like_those_of(estimator), "infer").predictions
        if prediction_key is not None:
            predictions = predictions[prediction_key]
        default, named = (signature_fn or generic_signature_fn)(examples, features, predictions)
        assets = _collect(graph, protos.Signatures(default_signature=default, named_signatures=named))
        saver = Saver(sharded=True)
        graph.add_to_collection(GraphKeys.SAVERS, saver)
        with Session() as session:
            saver.restore(session, path)
            folder = os.path.join(os.fsencode(export_dir), b"%08d" % session.run(step))
            _write(folder, saver, session, assets)
    if exports_to_keep:
        _keep(export_dir, exports_to_keep)
    return folder


def labels_like_those_of(estimator: Any) -> Any:
    """Placeholders like the labels of a training; None where there was none in this process."""
    found = estimator._trained_with and estimator._trained_with[1]
    if not found:
        return None
    made = {
        name: placeholder(spec.dtype, [None, *getattr(spec, "shape", ())]) for name, spec in found.items()
    }
    return made[_SINGLE_FEATURE] if [*made] == [_SINGLE_FEATURE] else made


def _collect(graph: Graph, signatures: Any) -> dict[str, str]:
    """Puts what a server looks for into the graph's collections.

    Returns:
      The files of the model's assets, and their names in the bundle.
    """
    starter = group(local_variables_initializer(), tables_initializer())
    graph.add_to_collection(_INIT_OP, starter)
    graph.add_to_collection(_SIGNATURES, signatures)
    messages, files = asset_messages(graph.get_collection(GraphKeys.ASSET_FILEPATHS))
    for message in messages:
        binding = protos.TensorBinding(tensor_name=message.tensor_info.name)
        asset = protos.AssetFile(tensor_binding=binding, filename=message.filename)
        graph.add_to_collection(_ASSETS, asset)
    return files


def _write(folder: bytes, saver: Any, session: Any, assets: dict[str, str]) -> None:
    """Writes a checkpoint, a meta graph and files into a new folder."""
    if gfile.exists(folder):
        raise RuntimeError(
            "Overwriting exports can cause corruption and are not allowed. Duplicate export dir: "
            f"{os.fsdecode(folder)}"
        )
    temporary = os.fsdecode(folder) + "-tmp"
    gfile.makedirs(temporary)
    prefix = os.path.join(temporary, "export")
    saver.save(session, prefix, write_meta_graph=False)
    saver.export_meta_graph(f"{prefix}.meta")
    copy_assets(assets, temporary)
    gfile.rename(temporary, os.fsdecode(folder))


def _keep(export_dir: Any, count: int) -> None:
    """Removes all exports but the newest."""

    def numbered(path: Path) -> Path | None:
        name = os.path.basename(os.fsdecode(path.path))
        return path._replace(export_version=int(name)) if name.isdigit() else None

    there = get_paths(export_dir, numbered)
    kept = largest_export_versions(count)(there)
    for path in there:
        if path not in kept:
            gfile.rmtree(path.path)
