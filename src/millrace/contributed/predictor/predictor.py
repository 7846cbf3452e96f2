"""`tf.contrib.predictor`: a loaded model as a function from arrays to arrays."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.loader import load
from millrace.saver.saved_model.signatures import get_tensor_from_tensor_info
from millrace.session.session import Session


@public("contrib.predictor.predictor.Predictor")
class Predictor:
    """A model in a session of its own; calling it runs the model.

    Attributes:
      graph: the model's graph.
      session: the session.
      feed_tensors: names to the tensors that are fed.
      fetch_tensors: names to the tensors that are fetched.
    """

    def __init__(
        self, graph: Graph, session: Any, feed_tensors: dict[str, Any], fetch_tensors: dict[str, Any]
    ) -> None:
        self._graph = graph
        self._session = session
        self._feed_tensors = feed_tensors
        self._fetch_tensors = fetch_tensors

    @property
    def graph(self) -> Graph:
        """The model's graph."""
        return self._graph

    @property
    def session(self) -> Any:
        """The session that holds the model's variables."""
        return self._session

    @property
    def feed_tensors(self) -> dict[str, Any]:
        """Names to the tensors that are fed."""
        return self._feed_tensors

    @property
    def fetch_tensors(self) -> dict[str, Any]:
        """Names to the tensors that are fetched."""
        return self._fetch_tensors

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__} with feed tensors {self._feed_tensors} "
            f"and fetch_tensors {self._fetch_tensors}"
        )

    def __call__(self, input_dict: dict[str, Any]) -> dict[str, Any]:
        """Runs the model.

        Args:
          input_dict: names to arrays; what is left out must have a default in the graph.

        Returns:
          Names to arrays.

        Raises:
          ValueError: a name is not one of those that are fed.
        """
        unexpected = set(input_dict) - set(self._feed_tensors)
        if unexpected:
            raise ValueError(
                f"Got unexpected keys in input_dict: {unexpected}\nexpected: {set(self._feed_tensors)}"
            )
        feeds = {self._feed_tensors[name]: value for name, value in input_dict.items()}
        return self._session.run(fetches=self._fetch_tensors, feed_dict=feeds)


@public("contrib.predictor.from_saved_model")
def from_saved_model(
    export_dir: Any,
    signature_def_key: str | None = None,
    signature_def: Any = None,
    input_names: dict[str, str] | None = None,
    output_names: dict[str, str] | None = None,
    tags: str | None = None,
    graph: Graph | None = None,
    config: Any = None,
) -> Predictor:
    """A function of arrays from a SavedModel.

    Args:
      export_dir: the SavedModel's folder.
      signature_def_key: which of its signatures; default "serving_default".
      signature_def: a signature to be used instead.
      input_names: names to names of tensors, instead of a signature; `output_names` must be there too.
      output_names: names to names of tensors.
      tags: the tags of the graph, with commas between them; default "serve".
      graph: where the model is added; default, a new graph.
      config: for the session.

    Raises:
      ValueError: there is no such signature, or more than one way to tell the tensors is given.
      RuntimeError: no graph has these tags.
    """
    _check_choice(signature_def_key, signature_def, input_names, output_names)
    graph = Graph() if graph is None else graph
    wanted = [tag.strip() for tag in (tags or constants.SERVING).split(",")]
    with graph.as_default():
        session = Session(config=config)
        meta = load(session, wanted, export_dir)
    if input_names is not None and output_names is not None:
        feeds = {name: graph.get_tensor_by_name(tensor) for name, tensor in input_names.items()}
        fetches = {name: graph.get_tensor_by_name(tensor) for name, tensor in output_names.items()}
    else:
        signature = _signature(meta, signature_def_key) if signature_def is None else signature_def
        feeds = {n: get_tensor_from_tensor_info(info, graph) for n, info in signature.inputs.items()}
        fetches = {n: get_tensor_from_tensor_info(info, graph) for n, info in signature.outputs.items()}
    return Predictor(graph, session, feeds, fetches)


def _check_choice(key: Any, signature: Any, inputs: Any, outputs: Any) -> None:
    if (inputs is None) != (outputs is None):
        raise ValueError(
            "input_names and output_names must both be specified or both be unspecified. "
            f"Received: {inputs!r} and {outputs!r}"
        )
    if sum(choice is not None for choice in (key, signature, inputs)) > 1:
        raise ValueError(
            "You must specify at most one of signature_def_key OR signature_def OR (input_names AND "
            f"output_names). Received: {key!r}, {signature!r}, {inputs!r}"
        )


def _signature(meta: Any, key: str | None) -> Any:
    wanted = constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY if key is None else key
    if wanted not in meta.signature_def:
        raise ValueError(
            f"Got signature_def_key {wanted!r}. Available signatures are {sorted(meta.signature_def)}."
        )
    return meta.signature_def[wanted]
