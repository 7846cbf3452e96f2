"""The operations of `tf.contrib.tensor_forest`. A handle is the tree itself, or what its leaves have seen;
the session keeps either in a cell of its operation.

The classes that programs use are in `millrace.contributed.tensor_forest`.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from millrace.core.errors import FailedPreconditionError, refusal
from millrace.graph.attrs import integer, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.forest.examples import gathered
from millrace.opkit.forest.fertile import FertileStats
from millrace.opkit.forest.settings import settings_of
from millrace.opkit.forest.tree import DecisionTree
from millrace.opkit.random.philox import initial_state
from millrace.opkit.random.stream import WordStream
from millrace.opkit.rules.families import handle
from millrace.opkit.text.pieces import array_of, attr_bytes, objects

_NAMES: dict[str, Any] = {"container": text(""), "shared_name": text("")}

DecisionTreeResourceHandleOp = handle(
    "DecisionTreeResourceHandleOp() -> resource: resource",
    lambda attrs: DecisionTree(),
    "A decision tree.",
    __name__,
    effect=True,
    **_NAMES,
)
FertileStatsResourceHandleOp = handle(
    "FertileStatsResourceHandleOp() -> resource: resource",
    lambda attrs: FertileStats(),
    "What the leaves of a decision tree have seen.",
    __name__,
    effect=True,
    **_NAMES,
)


def _made(found: Any, what: str) -> Any:
    if found.settings is None:
        raise FailedPreconditionError(
            None, None, f"The {what} has not been created. Received: an empty one; run its initializer first"
        )
    return found


def _bytes(value: Any) -> bytes:
    found = array_of(value).item()
    return found if isinstance(found, bytes) else str(found).encode()


def _start(found: Any, config: Any, params: str) -> None:
    from google.protobuf.message import DecodeError  # importing a room does not import protobuf

    settings, message = settings_of(attr_bytes(params)), _bytes(config)
    try:
        found.start(settings, message)
    except DecodeError as error:
        raise refusal(f"Unable to parse the configuration. Received: {len(message)} bytes, {error}") from None


# --- making, saving, restoring -----------------------------------------------------------------------------


@declare(
    "CreateTreeVariable(tree_handle: resource, tree_config: string)", params=text(), effect=True, host=True
)
class CreateTreeVariable:
    """Makes a tree from its message, or one leaf."""

    def shape(tree_handle, tree_config):
        return []

    def kernel(xp, tree_handle, tree_config, *, params):
        if tree_handle.settings is None:
            _start(tree_handle, tree_config, params)

    grad = NOT_DIFFERENTIABLE


@declare("TreeDeserialize(tree_handle: resource, tree_config: string)", params=text(), effect=True, host=True)
class TreeDeserialize:
    """Puts a tree in place of what is there."""

    def shape(tree_handle, tree_config):
        return []

    def kernel(xp, tree_handle, tree_config, *, params):
        _start(tree_handle, tree_config, params)

    grad = NOT_DIFFERENTIABLE


@declare("TreeSerialize(tree_handle: resource) -> tree_config: string", effect=True, host=True)
class TreeSerialize:
    """A tree as a message."""

    def shape(tree_handle):
        return ()

    def kernel(xp, tree_handle):
        return objects([_made(tree_handle, "tree").serialized()], ())

    grad = NOT_DIFFERENTIABLE


@declare("TreeIsInitializedOp(tree_handle: resource) -> is_initialized: bool", effect=True, host=True)
class TreeIsInitializedOp:
    """Whether a tree has been created."""

    def shape(tree_handle):
        return ()

    def kernel(xp, tree_handle):
        return np.bool_(tree_handle.settings is not None)

    grad = NOT_DIFFERENTIABLE


@declare(
    "CreateFertileStatsVariable(stats_handle: resource, stats_config: string)",
    params=text(),
    effect=True,
    host=True,
)
class CreateFertileStatsVariable:
    """Makes statistics from their message, or those of one empty leaf."""

    def shape(stats_handle, stats_config):
        return []

    def kernel(xp, stats_handle, stats_config, *, params):
        if stats_handle.settings is None:
            _start(stats_handle, stats_config, params)

    grad = NOT_DIFFERENTIABLE


@declare(
    "FertileStatsDeserialize(stats_handle: resource, stats_config: string)",
    params=text(),
    effect=True,
    host=True,
)
class FertileStatsDeserialize:
    """Puts statistics in place of what is there."""

    def shape(stats_handle, stats_config):
        return []

    def kernel(xp, stats_handle, stats_config, *, params):
        _start(stats_handle, stats_config, params)

    grad = NOT_DIFFERENTIABLE


@declare(
    "FertileStatsSerialize(stats_handle: resource) -> stats_config: string",
    params=text(),
    effect=True,
    host=True,
)
class FertileStatsSerialize:
    """Statistics as a message."""

    def shape(stats_handle):
        return ()

    def kernel(xp, stats_handle, *, params):
        return objects([_made(stats_handle, "statistics").serialized()], ())

    grad = NOT_DIFFERENTIABLE


@declare(
    "FertileStatsIsInitializedOp(stats_handle: resource) -> is_initialized: bool", effect=True, host=True
)
class FertileStatsIsInitializedOp:
    """Whether statistics have been created."""

    def shape(stats_handle):
        return ()

    def kernel(xp, stats_handle):
        return np.bool_(stats_handle.settings is not None)

    grad = NOT_DIFFERENTIABLE


# --- reading -----------------------------------------------------------------------------------------------


@declare("TreeSize(tree_handle: resource) -> tree_size: int32", effect=True, host=True)
class TreeSize:
    """How many nodes a tree has, leaves included."""

    def shape(tree_handle):
        return ()

    def kernel(xp, tree_handle):
        return np.int32(_made(tree_handle, "tree").size)

    grad = NOT_DIFFERENTIABLE


@declare(
    "FeatureUsageCounts(tree_handle: resource) -> feature_counts: int32",
    params=text(),
    effect=True,
    host=True,
)
class FeatureUsageCounts:
    """How many tests of each feature a tree has."""

    def shape(tree_handle):
        return (None,)

    def kernel(xp, tree_handle, *, params):
        return _made(tree_handle, "tree").usage()

    grad = NOT_DIFFERENTIABLE


def _rows(input_data: Any, sparse_shape: Any) -> int | None:
    return None if input_data is None or len(input_data) != 2 else input_data[0]


@declare(
    "TraverseTreeV4(tree_handle: resource, input_data: float, sparse_input_indices: int64, "
    "sparse_input_values: float, sparse_input_shape: int64) -> leaf_ids: int32",
    input_spec=text(),
    params=text(),
    effect=True,
    host=True,
)
class TraverseTreeV4:
    """The leaf that each example reaches."""

    def shape(tree_handle, input_data, sparse_input_indices, sparse_input_values, sparse_input_shape):
        return (_rows(input_data, sparse_input_shape),)

    def kernel(
        xp,
        tree_handle,
        input_data,
        sparse_input_indices,
        sparse_input_values,
        sparse_input_shape,
        *,
        input_spec,
        params,
    ):
        sparse = sparse_input_indices, sparse_input_values, sparse_input_shape
        return _made(tree_handle, "tree").leaves_of(gathered(input_spec, input_data, *sparse))

    grad = NOT_DIFFERENTIABLE


@declare(
    "TreePredictionsV4(tree_handle: resource, input_data: float, sparse_input_indices: int64, "
    "sparse_input_values: float, sparse_input_shape: int64) -> predictions: float, tree_paths: string",
    input_spec=text(),
    params=text(),
    effect=True,
    host=True,
)
class TreePredictionsV4:
    """Probabilities or means for each example, and the nodes it passes where the settings ask for them."""

    def shape(tree_handle, input_data, sparse_input_indices, sparse_input_values, sparse_input_shape):
        return [(_rows(input_data, sparse_input_shape), None), (_rows(input_data, sparse_input_shape),)]

    def kernel(
        xp,
        tree_handle,
        input_data,
        sparse_input_indices,
        sparse_input_values,
        sparse_input_shape,
        *,
        input_spec,
        params,
    ):
        sparse = sparse_input_indices, sparse_input_values, sparse_input_shape
        tree = _made(tree_handle, "tree")
        examples = gathered(input_spec, input_data, *sparse)
        paths: list[bytes] = []
        if settings_of(attr_bytes(params)).tree_paths:
            paths = [tree.path(examples, row) for row in range(examples.count)]
        return tree.predictions(tree.leaves_of(examples)), objects(paths)

    grad = NOT_DIFFERENTIABLE


# --- training ----------------------------------------------------------------------------------------------


def _weights(input_weights: np.ndarray, count: int) -> np.ndarray:
    if input_weights.size and len(input_weights) != count:
        raise refusal(f"There must be a weight for each of {count} examples. Received: {len(input_weights)}")
    return input_weights if input_weights.size else np.ones(count, np.float32)


def _targets(labels: np.ndarray, settings: Any) -> np.ndarray:
    """Labels as they are counted: classes must be below the number of them."""
    if settings.regression:
        return labels
    flat = labels.reshape(len(labels), -1)[:, 0] if labels.ndim > 1 else labels
    if len(flat) and not (flat.min() >= 0 and flat.max() < settings.outputs):
        raise refusal(
            f"Labels must be classes below {settings.outputs}. "
            f"Received: labels from {flat.min():g} to {flat.max():g}"
        )
    return flat


@declare(
    "UpdateModelV4(tree_handle: resource, leaf_ids: int32, input_labels: float, input_weights: float)",
    params=text(),
    effect=True,
    host=True,
)
class UpdateModelV4:
    """Adds examples to the counts of their leaves."""

    def shape(tree_handle, leaf_ids, input_labels, input_weights):
        return []

    def kernel(xp, tree_handle, leaf_ids, input_labels, input_weights, *, params):
        tree = _made(tree_handle, "tree")
        labels = _targets(input_labels, tree.settings)
        weights = _weights(input_weights, len(leaf_ids))
        if not tree.settings.regression:
            tree.count(leaf_ids, labels.astype(np.int64), weights)

    grad = NOT_DIFFERENTIABLE


def _generator(seed: int) -> WordStream:
    """The same numbers in each run; others each time where the seed is 0."""
    return WordStream(initial_state(seed or secrets.randbits(63), 0))


@declare(
    "ProcessInputV4(tree_handle: resource, stats_handle: resource, input_data: float, "
    "sparse_input_indices: int64, sparse_input_values: float, sparse_input_shape: int64, "
    "input_labels: float, input_weights: float, leaf_ids: int32) -> finished_nodes: int32",
    random_seed=integer(),
    input_spec=text(),
    params=text(),
    effect=True,
    host=True,
)
class ProcessInputV4:
    """Shows examples to their leaves; gives the leaves that may split."""

    def shape(
        tree_handle,
        stats_handle,
        input_data,
        sparse_input_indices,
        sparse_input_values,
        sparse_input_shape,
        input_labels,
        input_weights,
        leaf_ids,
    ):
        return (None,)

    def kernel(
        xp,
        tree_handle,
        stats_handle,
        input_data,
        sparse_input_indices,
        sparse_input_values,
        sparse_input_shape,
        input_labels,
        input_weights,
        leaf_ids,
        *,
        random_seed,
        input_spec,
        params,
    ):
        sparse = sparse_input_indices, sparse_input_values, sparse_input_shape
        stats = _made(stats_handle, "statistics")
        examples = gathered(input_spec, input_data, *sparse)
        targets = _targets(input_labels, stats.settings)
        weights = _weights(input_weights, len(leaf_ids))
        if stats.settings.regression:  # counts examples, whatever they weigh, as in 1.15
            weights = np.ones_like(weights)
        return stats.process(examples, targets, weights, leaf_ids, _generator(random_seed))

    grad = NOT_DIFFERENTIABLE


@declare(
    "GrowTreeV4(tree_handle: resource, stats_handle: resource, finished_nodes: int32)",
    params=text(),
    effect=True,
    host=True,
)
class GrowTreeV4:
    """Splits leaves by their best tests."""

    def shape(tree_handle, stats_handle, finished_nodes):
        return []

    def kernel(xp, tree_handle, stats_handle, finished_nodes, *, params):
        tree, stats = _made(tree_handle, "tree"), _made(stats_handle, "statistics")
        stats.grow(tree, finished_nodes.tolist())

    grad = NOT_DIFFERENTIABLE


@declare("FinalizeTree(tree_handle: resource, stats_handle: resource)", params=text(), effect=True, host=True)
class FinalizeTree:
    """Ends the training of a tree whose leaves hold their counts already."""

    def shape(tree_handle, stats_handle):
        return []

    def kernel(xp, tree_handle, stats_handle, *, params):
        _made(tree_handle, "tree")
        _made(stats_handle, "statistics")

    grad = NOT_DIFFERENTIABLE


# --- input -------------------------------------------------------------------------------------------------

_M64 = (1 << 64) - 1
_MIX = 0xC6A4A7935BD1E995
_SEED = 0xC70F6907


def _hashed(content: bytes) -> int:
    """MurmurHash64A, as the C++ library hashes strings."""
    value = _SEED ^ (len(content) * _MIX & _M64)
    whole = len(content) // 8 * 8
    for at in range(0, whole, 8):
        word = int.from_bytes(content[at : at + 8], "little") * _MIX & _M64
        word = (word ^ word >> 47) * _MIX & _M64
        value = (value ^ word) * _MIX & _M64
    if content[whole:]:
        value = (value ^ int.from_bytes(content[whole:], "little")) * _MIX & _M64
    value = (value ^ value >> 47) * _MIX & _M64
    return value ^ value >> 47


@declare("ReinterpretStringToFloat(input_data: string) -> output_data: float", host=True)
class ReinterpretStringToFloat:
    """A number for each string: equal strings have equal numbers."""

    def shape(input_data):
        return input_data

    def kernel(xp, input_data):
        found = array_of(input_data)
        flat = [float(_hashed(s if isinstance(s, bytes) else str(s).encode())) for s in found.ravel()]
        return np.array(flat, np.float32).reshape(found.shape)

    grad = NOT_DIFFERENTIABLE
