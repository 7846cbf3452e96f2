"""Predictors of trained estimators, without an export in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.predictor.predictor import Predictor
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.exporting import ready_to_predict
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.signatures import get_tensor_from_tensor_info


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
