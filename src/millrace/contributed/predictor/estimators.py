"""Predictors of estimators, without an export in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.learn.estimator import BaseEstimator
from millrace.contributed.learn.serving import (
    DEFAULT_INPUT_ALTERNATIVE_KEY,
    get_input_alternatives,
    get_output_alternatives,
)
from millrace.contributed.predictor.predictor import Predictor
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.exporting import ready_to_predict
from millrace.opkit.random.seeds import set_random_seed
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.signatures import get_tensor_from_tensor_info
from millrace.training.global_step import create_global_step
from millrace.training.sessions.monitored import MonitoredSession
from millrace.training.sessions.scaffold import ChiefSessionCreator


@public("contrib.predictor.from_estimator")
def from_estimator(
    estimator: Any,
    serving_input_receiver_fn: Callable[[], Any],
    output_key: str | None = None,
    graph: Graph | None = None,
    config: Any = None,
) -> Predictor:
    """A function of arrays from a trained estimator.

    Args:
      estimator: a `tf.estimator.Estimator` with a checkpoint.
      serving_input_receiver_fn: gives a `ServingInputReceiver`, whose tensors have the names of the inputs.
      output_key: which of the model's export outputs; default "serving_default".
      graph: where the model is added; default, a new graph.
      config: for the session.

    Raises:
      TypeError: `estimator` is not one.
      ValueError: there is no such output, or the estimator has not been trained.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(
            f"Expected estimator to be of type tf.estimator.Estimator. Received: {type(estimator).__name__}"
        )
    graph = Graph() if graph is None else graph
    session, signatures = ready_to_predict(estimator, serving_input_receiver_fn, graph, config)
    key = output_key or constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
    if key not in signatures:
        raise ValueError(f"output_key must be one of {sorted(signatures)}. Received: {output_key!r}")
    feeds, fetches = (
        {name: get_tensor_from_tensor_info(info, graph) for name, info in side.items()}
        for side in (signatures[key].inputs, signatures[key].outputs)
    )
    return Predictor(graph, session, feeds, fetches)


@public("contrib.predictor.from_contrib_estimator")
def from_contrib_estimator(
    estimator: Any,
    prediction_input_fn: Callable[[], Any],
    input_alternative_key: str | None = None,
    output_alternative_key: str | None = None,
    graph: Graph | None = None,
    config: Any = None,
) -> Predictor:
    """A function of arrays from an older estimator, with its newest checkpoint or, without one, as it begins.

    Args:
      estimator: a `tf.contrib.learn.Estimator`.
      prediction_input_fn: gives an `InputFnOps`, whose default inputs have the names of the inputs.
      input_alternative_key: which inputs are fed; default, the default ones.
      output_alternative_key: which of the model's outputs; needed where there are several.
      graph: where the model is added; default, a new graph.
      config: for the session.

    Raises:
      TypeError: `estimator` is not one.
      KeyError: there are no such inputs.
      ValueError: there is no such output.
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(
            "Expected estimator to be of type tf.contrib.learn.Estimator; from_estimator takes others. "
            f"Received: {type(estimator).__name__}"
        )
    graph = Graph() if graph is None else graph
    model_fn: Any = getattr(estimator, "model_fn")  # noqa: B009 - of every class that there is
    with graph.as_default():
        create_global_step(graph)
        set_random_seed(estimator.config.tf_random_seed)
        inputs, features = get_input_alternatives(prediction_input_fn())
        given = input_alternative_key or DEFAULT_INPUT_ALTERNATIVE_KEY
        if given not in inputs:
            raise KeyError(f"input_alternative_key must be one of {sorted(inputs)}. Received: {given!r}")
        ops = model_fn(features, None, "infer")
        outputs, key = get_output_alternatives(ops, output_alternative_key)
        path = latest_checkpoint(estimator.model_dir)
        session = MonitoredSession(ChiefSessionCreator(config=config, checkpoint_filename_with_path=path))
    return Predictor(graph, session, dict(inputs[given]), dict(outputs[key][1]))
