"""`tf.contrib.learn`: what a server feeds, and an older estimator's SavedModel with its signatures."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from millrace.contributed.learn.keys import NotFittedError, PredictionKey, ProblemType
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.lib.platform import gfile
from millrace.models.estimator.exporting import timestamped
from millrace.opkit.random.seeds import set_random_seed
from millrace.ops.array.constant import placeholder
from millrace.ops.io.parsing import parse_example
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saved_model.builder import SavedModelBuilder
from millrace.saver.saved_model.signatures import (
    classification_signature_def,
    predict_signature_def,
    regression_signature_def,
)
from millrace.saver.saver import Saver
from millrace.session.session import Session
from millrace.training.global_step import create_global_step
from millrace.training.sessions.scaffold import Scaffold

DEFAULT_INPUT_ALTERNATIVE_KEY = public(
    "contrib.learn.utils.saved_model_export_utils.DEFAULT_INPUT_ALTERNATIVE_KEY"
)("default_input_alternative")
FEATURES_INPUT_ALTERNATIVE_KEY = public(
    "contrib.learn.utils.saved_model_export_utils.FEATURES_INPUT_ALTERNATIVE_KEY"
)("features_input_alternative")
_DEFAULT_OUTPUT = "default_output_alternative"


@public(
    "contrib.learn.InputFnOps",
    "contrib.learn.utils.InputFnOps",
    "contrib.learn.utils.input_fn_utils.InputFnOps",
)
class InputFnOps(namedtuple("InputFnOps", "features labels default_inputs")):
    """What an input function gives to training, to evaluation and to an export.

    Args:
      features: tensors by name.
      labels: a tensor, tensors by name, or None.
      default_inputs: the tensors by name that a server feeds.
    """

    __slots__ = ()


@public(
    "contrib.learn.build_parsing_serving_input_fn",
    "contrib.learn.utils.build_parsing_serving_input_fn",
    "contrib.learn.utils.input_fn_utils.build_parsing_serving_input_fn",
)
def build_parsing_serving_input_fn(
    feature_spec: dict[str, Any], default_batch_size: int | None = None
) -> Callable[[], InputFnOps]:
    """An input function for servers that feed serialized Examples.

    Args:
      feature_spec: how they are parsed.
      default_batch_size: how many are fed; None for any number.
    """

    def input_fn() -> InputFnOps:
        serialized = placeholder("string", [default_batch_size], name="input_example_tensor")
        return InputFnOps(parse_example(serialized, feature_spec), None, {"examples": serialized})

    return input_fn


@public(
    "contrib.learn.utils.build_default_serving_input_fn",
    "contrib.learn.utils.input_fn_utils.build_default_serving_input_fn",
)
def build_default_serving_input_fn(
    features: dict[str, Any], default_batch_size: int | None = None
) -> Callable[[], InputFnOps]:
    """An input function for servers that feed the features themselves.

    Args:
      features: tensors by name, whose dtypes and shapes the placeholders have.
      default_batch_size: how many examples are fed; None for any number.
    """

    def input_fn() -> InputFnOps:
        made = {
            name: placeholder(
                tensor.dtype, [default_batch_size, *tensor.shape.as_list()[1:]], name=tensor.op.name
            )
            for name, tensor in features.items()
        }
        return InputFnOps(made, None, made)

    return input_fn


@public("contrib.learn.utils.saved_model_export_utils.get_input_alternatives")
def get_input_alternatives(input_ops: Any) -> tuple[dict[str, Any], Any]:
    """What a server may feed, by name, and the features.

    Args:
      input_ops: an `InputFnOps`, or a triple like one.

    Raises:
      ValueError: there are no features.
    """
    features, _, default_inputs = tuple(input_ops)[:3]
    if not features:
        raise ValueError(f"Features must be defined. Received: {features!r}")
    found: dict[str, Any] = {}
    if default_inputs:
        found[DEFAULT_INPUT_ALTERNATIVE_KEY] = default_inputs
    return found, features


@public("contrib.learn.utils.saved_model_export_utils.get_output_alternatives")
def get_output_alternatives(
    model_fn_ops: ModelFnOps, default_output_alternative_key: Any = None
) -> tuple[dict[Any, Any], Any]:
    """What a server may fetch, by name, and which of them it fetches if nothing is said.

    Args:
      model_fn_ops: the model for inference.
      default_output_alternative_key: one of the names; needed where there are several.

    Raises:
      ValueError: there are several and none is named, or there is none of that name.
    """
    found = model_fn_ops.output_alternatives
    if not found and default_output_alternative_key is None:
        predictions = model_fn_ops.predictions
        if not isinstance(predictions, dict):
            predictions = {PredictionKey.GENERIC: predictions}
        return {_DEFAULT_OUTPUT: (ProblemType.UNSPECIFIED, predictions)}, _DEFAULT_OUTPUT
    key, found = default_output_alternative_key, found or {}
    if key is None and len(found) > 1:
        raise ValueError(f"Please specify a default_output_alternative. Available are: {[*found]}")
    if key is None:
        return found, next(iter(found))
    if key not in found:
        raise ValueError(
            f"Requested default_output_alternative: {key}, but available output_alternatives are: {[*found]}"
        )
    return found, key


@public("contrib.learn.utils.saved_model_export_utils.build_standardized_signature_def")
def build_standardized_signature_def(
    input_tensors: dict[str, Any], output_tensors: dict[str, Any], problem_type: int
) -> Any:
    """The SignatureDef of a kind of problem, or a general one where tensors do not suit it.

    Args:
      input_tensors, output_tensors: tensors by name.
      problem_type: a `ProblemType`.
    """
    single = next(iter(input_tensors.values())) if len(input_tensors) == 1 else None
    examples = single if single is not None and single.dtype.base_dtype.name == "string" else None
    if examples is not None:
        if problem_type in (ProblemType.CLASSIFICATION, ProblemType.LOGISTIC_REGRESSION):
            classes = output_tensors.get(PredictionKey.CLASSES)
            scores = output_tensors.get(PredictionKey.PROBABILITIES)
            if scores is None and len(output_tensors) == 1:
                scores = next(iter(output_tensors.values()))
            if classes is not None and classes.dtype.base_dtype.name != "string":
                classes = None
            if classes is not None or scores is not None:
                return classification_signature_def(examples, classes, scores)
        if problem_type == ProblemType.LINEAR_REGRESSION and len(output_tensors) == 1:
            return regression_signature_def(examples, next(iter(output_tensors.values())))
    return predict_signature_def(input_tensors, output_tensors)


@public("contrib.learn.utils.saved_model_export_utils.build_all_signature_defs")
def build_all_signature_defs(
    input_alternatives: dict[str, Any],
    output_alternatives: dict[Any, Any],
    actual_default_output_alternative_key: Any,
) -> dict[str, Any]:
    """A SignatureDef for each pair of inputs and outputs, and "serving_default".

    Args:
      input_alternatives: as `get_input_alternatives` gives them.
      output_alternatives, actual_default_output_alternative_key: as `get_output_alternatives` gives them.
    """
    found = {
        f"{given}:{key or 'None'}": build_standardized_signature_def(inputs, tensors, problem)
        for given, inputs in input_alternatives.items()
        for key, (problem, tensors) in output_alternatives.items()
    }
    problem, tensors = output_alternatives[actual_default_output_alternative_key]
    found["serving_default"] = build_standardized_signature_def(
        input_alternatives[DEFAULT_INPUT_ALTERNATIVE_KEY], tensors, problem
    )
    return found


def export(
    estimator: Any,
    base: Any,
    serving_input_fn: Callable[[], Any],
    default_output: Any,
    assets_extra: dict[str, Any] | None,
    as_text: bool,
    checkpoint_path: Any,
    strip_default_attrs: bool,
) -> bytes:
    """Writes a SavedModel of an older estimator; see `Estimator.export_savedmodel`."""
    if serving_input_fn is None:
        raise ValueError("serving_input_fn must be defined. Received: None")
    path = checkpoint_path or latest_checkpoint(estimator.model_dir)
    if not path:
        raise NotFittedError(f"Couldn't find trained model at {estimator.model_dir}.")
    folder = timestamped(base)
    temporary = os.path.join(os.path.dirname(folder), b"temp-" + os.path.basename(folder))
    builder = SavedModelBuilder(temporary)
    with Graph().as_default() as graph:
        create_global_step(graph)
        set_random_seed(estimator.config.tf_random_seed)
        inputs, features = get_input_alternatives(serving_input_fn())
        ops = estimator.model_fn(features, None, "infer")
        outputs, default = get_output_alternatives(ops, default_output)
        signatures = build_all_signature_defs(inputs, outputs, default)
        with Session() as session:
            start = Scaffold.default_local_init_op()
            session.run(start)
            saver = (ops.scaffold and ops.scaffold.saver) or Saver(sharded=True)
            saver.restore(session, path)
            builder.add_meta_graph_and_variables(
                session,
                ["serve"],
                signature_def_map=signatures,
                assets_collection=graph.get_collection("asset_filepaths"),
                main_op=start,
                saver=saver,
                strip_default_attrs=strip_default_attrs,
            )
    builder.save(as_text)
    for place, source in (assets_extra or {}).items():
        target = os.path.join(temporary, b"assets.extra", os.fsencode(place))
        gfile.makedirs(os.path.dirname(target))
        gfile.copy(source, target)
    os.rename(temporary, folder)
    return folder
