"""An estimator's export: a SavedModel with a graph for each mode."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from millrace.core import errors
from millrace.graph.graph import Graph
from millrace.lib.lookup.tables import tables_initializer
from millrace.lib.platform import gfile, log
from millrace.lib.variables import sets
from millrace.models.estimator.export_outputs import ClassificationOutput, RegressionOutput, SupervisedOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.opkit.random.seeds import set_random_seed
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saved_model.builder import SavedModelBuilder
from millrace.saver.saved_model.constants import (
    CLASSIFY_METHOD_NAME,
    DEFAULT_SERVING_SIGNATURE_DEF_KEY,
    PREDICT_METHOD_NAME,
    REGRESS_METHOD_NAME,
)
from millrace.saver.saved_model.signatures import is_valid_signature
from millrace.saver.saver import Saver
from millrace.session.session import Session
from millrace.training.sessions.scaffold import Scaffold

TAGS = {ModeKeys.PREDICT: ["serve"], ModeKeys.TRAIN: ["train"], ModeKeys.EVAL: ["eval"]}
"""The tags of each mode's graph."""
_SHOWN_METHODS = {
    "Classify": CLASSIFY_METHOD_NAME,
    "Regress": REGRESS_METHOD_NAME,
    "Predict": PREDICT_METHOD_NAME,
    "Train": "tensorflow/supervised/training",
    "Eval": "tensorflow/supervised/eval",
}
_METHODS = {ModeKeys.TRAIN: _SHOWN_METHODS["Train"], ModeKeys.EVAL: _SHOWN_METHODS["Eval"]}


def timestamped(base: Any) -> bytes:
    """A folder under `base` that does not exist, named by the time.

    Raises:
      RuntimeError: ten of them exist.
    """
    for _ in range(10):
        path = os.path.join(os.fsencode(base), str(int(time.time())).encode())
        if not os.path.exists(path):
            return path
        time.sleep(1)
        log.warning("Directory %s already exists; retrying", path.decode())
    raise RuntimeError(
        f"Failed to obtain a unique export directory name after 10 attempts. Received: {base!r}"
    )


def export(
    estimator: Any,
    base: Any,
    receiver_fns: dict[str, Callable[[], Any]],
    assets_extra: dict[str, Any] | None = None,
    as_text: bool = False,
    checkpoint_path: Any = None,
    strip_default_attrs: bool = True,
) -> bytes:
    """Writes a SavedModel and returns its folder.

    Raises:
      ValueError: a mode is unknown, or there is no checkpoint.
    """
    for mode in receiver_fns:
        if mode not in TAGS:
            raise ValueError(f"A mode is one of {sorted(TAGS)}. Received: {mode!r}")
    if not receiver_fns:
        raise ValueError("No valid modes for exporting found. Got {}.")
    checkpoint_path = checkpoint_path or _checkpoint_of(estimator)
    folder = timestamped(base)
    temporary = os.path.join(os.path.dirname(folder), b"temp-" + os.path.basename(folder))
    builder, has_variables = SavedModelBuilder(temporary), True
    for mode in (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT):
        if mode in receiver_fns:
            _add(
                estimator,
                builder,
                mode,
                receiver_fns[mode],
                checkpoint_path,
                has_variables,
                strip_default_attrs,
            )
            has_variables = False
    builder.save(as_text)
    for place, source in (assets_extra or {}).items():
        target = os.path.join(temporary, b"assets.extra", os.fsencode(place))
        gfile.makedirs(os.path.dirname(target))
        gfile.copy(source, target)
    os.rename(temporary, folder)
    return folder


def _checkpoint_of(estimator: Any) -> Any:
    """The newest checkpoint of an estimator, or else what it would begin with.

    Raises:
      ValueError: there is none.
    """
    path = latest_checkpoint(estimator.model_dir)
    if not path and estimator._warm_start_settings:
        start = estimator._warm_start_settings.ckpt_to_initialize_from
        path = latest_checkpoint(start) if os.path.isdir(start) else start
    if not path:
        raise ValueError(f"Couldn't find trained model at {estimator.model_dir}.")
    return path


def _add(
    estimator: Any,
    builder: Any,
    mode: str,
    receiver_fn: Callable[[], Any],
    checkpoint_path: Any,
    save_variables: bool,
    strip_default_attrs: bool,
) -> None:
    with Graph().as_default() as graph:
        estimator._create_and_assert_global_step(graph)
        set_random_seed(estimator.config.tf_random_seed)
        receiver = receiver_fn()
        spec = estimator._call_model_fn(
            receiver.features, getattr(receiver, "labels", None), mode, estimator.config
        )
        signatures = _signatures(spec, receiver, mode)
        with Session(config=estimator._session_config) as session:
            _start(session, spec, checkpoint_path, graph)
            arguments = {
                "tags": TAGS[mode],
                "signature_def_map": signatures,
                "assets_collection": graph.get_collection("asset_filepaths"),
                "main_op": spec.scaffold.local_init_op or Scaffold.default_local_init_op(),
                "saver": spec.scaffold.saver or Saver(sharded=True),
                "strip_default_attrs": strip_default_attrs,
            }
            if save_variables:
                builder.add_meta_graph_and_variables(session, **arguments)
            else:
                builder.add_meta_graph(**arguments)


def ready_to_predict(
    estimator: Any, receiver_fn: Callable[[], Any], graph: Graph, config: Any = None
) -> tuple[Session, dict[str, Any]]:
    """A session with an estimator's newest checkpoint, and the signatures of its predictions.

    Args:
      estimator: it must have been trained.
      receiver_fn: gives a ServingInputReceiver.
      graph: where the model is added.
      config: of the session.

    Raises:
      ValueError: there is no checkpoint, or the model gives no signature.
    """
    checkpoint_path = _checkpoint_of(estimator)
    with graph.as_default():
        estimator._create_and_assert_global_step(graph)
        set_random_seed(estimator.config.tf_random_seed)
        receiver = receiver_fn()
        spec = estimator._call_model_fn(receiver.features, None, ModeKeys.PREDICT, estimator.config)
        signatures = _signatures(spec, receiver, ModeKeys.PREDICT)
        session = Session(config=config)
        _start(session, spec, checkpoint_path, graph)
        session.run(tables_initializer())
    return session, signatures


def _start(session: Any, spec: Any, checkpoint_path: Any, graph: Any) -> None:
    if spec.scaffold.local_init_op is not None:
        session.run(spec.scaffold.local_init_op)
    elif graph.get_collection("local_variables"):
        session.run(sets.local_variables_initializer())
    saver = spec.scaffold.saver or Saver(sharded=True)
    try:
        saver.restore(session, checkpoint_path)
    except errors.NotFoundError as error:
        raise ValueError(f"Couldn't load all variables from {checkpoint_path}. Received: {error}") from error


def _signatures(spec: Any, receiver: Any, mode: str) -> dict[str, Any]:
    receivers = receiver.receiver_tensors
    if mode != ModeKeys.PREDICT:
        output = SupervisedOutput(spec.loss, spec.predictions, spec.eval_metric_ops, _METHODS[mode])
        found = {"train" if mode == ModeKeys.TRAIN else "eval": output.as_signature_def(receivers)}
        _tell(found)
        return found
    found, excluded = {}, {}
    alternatives = receiver.receiver_tensors_alternatives or {}
    for prefix, tensors in [
        ("", receivers),
        *((f"{name}:", others) for name, others in alternatives.items()),
    ]:
        _add_valid(found, excluded, spec.export_outputs, tensors, prefix)
    _tell(found, excluded)
    return found


def _tell(found: dict[str, Any], excluded: dict[str, str] | None = None) -> None:
    """Writes into the log which signatures are exported, by their methods."""
    for shown, method in _SHOWN_METHODS.items():
        names = [name for name, signature in found.items() if signature.method_name == method]
        log.info("Signatures INCLUDED in export for %s: %s", shown, names or None)
    if excluded:
        log.info(
            "Signatures EXCLUDED from export because they cannot be be served via TensorFlow Serving APIs:"
        )
        for name, why in excluded.items():
            log.info("'%s' : %s", name, why)
    if not found:
        log.warning("Export includes no signatures!")
    elif DEFAULT_SERVING_SIGNATURE_DEF_KEY not in found:
        log.warning("Export includes no default signature!")


def _add_valid(
    found: dict[str, Any], excluded: dict[str, str], outputs: dict[str, Any], receivers: Any, prefix: str
) -> None:
    """Adds the signatures of outputs for some receivers to `found`; why others cannot be, to `excluded`."""
    for name, output in outputs.items():
        if isinstance(output, ClassificationOutput | RegressionOutput):
            try:
                signature = output.as_signature_def(receivers)
            except ValueError as error:
                excluded[prefix + (name or "None")] = str(error)
                continue
        else:
            signature = output.as_signature_def(receivers)
        if is_valid_signature(signature):
            found[prefix + (name or "None")] = signature
