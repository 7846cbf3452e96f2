"""What boosted trees tell about themselves: the importance of features, and why a prediction came about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from millrace.core import protos

_BIAS, _CONTRIBUTIONS = "bias", "dfc"
RAW = "_serialized_explanation"


def _sorted(values: dict[str, float], by: Callable[[float], float]) -> OrderedDict[str, float]:
    return OrderedDict(sorted(values.items(), key=lambda item: by(item[1]), reverse=True))


def importances(content: bytes, names: list[str], normalize: bool) -> OrderedDict[str, float]:
    """What the splits by each feature have gained, the most important first.

    Args:
      content: a serialized `TreeEnsemble`.
      names: of the features; equal ones are added up.
      normalize: let the importances sum to 1.

    Raises:
      ValueError: there are no trees, or nothing has been gained where `normalize` divides by it.
    """
    message = protos.TreeEnsemble.FromString(content)
    if not message.trees:
        raise ValueError("Importances need a trained ensemble. Received: one without trees")
    found = dict.fromkeys(names, 0.0)
    for tree, weight in zip(message.trees, message.tree_weights, strict=True):
        for node in tree.nodes:
            kind = node.WhichOneof("node")
            if kind != "leaf":
                found[names[getattr(node, kind).feature_id]] += node.metadata.gain * weight
    if normalize:
        whole = sum(found.values())
        if not whole:
            raise ValueError("Importances cannot be normalized where no split has gained. Received: sum 0")
        found = {name: value / whole for name, value in found.items()}
    return _sorted(found, float)


def explained(
    predictions: Iterator[dict[str, Any]], names: list[str], as_probability: bool
) -> Iterator[dict[str, Any]]:
    """Predictions with a bias and what each feature has contributed.

    Args:
      predictions: with a serialized `DebugOutput` each.
      names: of the features; the contributions of equal ones are added up.
      as_probability: contributions are to the probability, not to the logit.
    """
    for prediction in predictions:
        told = protos.DebugOutput.FromString(prediction.pop(RAW))
        path = np.array(told.logits_path)
        if as_probability:
            path = 1.0 / (1.0 + np.exp(-path))
        found = dict.fromkeys(names, 0.0)
        for feature, change in zip(told.feature_ids, np.diff(path), strict=True):
            found[names[feature]] += float(change)
        yield {**prediction, _BIAS: float(path[0]), _CONTRIBUTIONS: _sorted(found, abs)}
