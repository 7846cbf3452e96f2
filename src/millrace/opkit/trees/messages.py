"""Ensembles as `tensorflow.boosted_trees.TreeEnsemble` messages, as checkpoints hold them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import protos
from millrace.core.errors import refusal
from millrace.opkit.trees.ensemble import Ensemble, Leaf, Node, Split, Tree


def write(ensemble: Ensemble) -> bytes:
    """The ensemble as a serialized message."""
    message = protos.TreeEnsemble()
    for tree in ensemble.trees:
        nodes = message.trees.add().nodes
        for node in tree.nodes:
            _write_node(node, nodes.add())
        message.tree_weights.append(tree.weight)
        about = message.tree_metadata.add(num_layers_grown=tree.layers, is_finalized=tree.is_finished)
        for number, change in tree.pruned:
            about.post_pruned_nodes_meta.add(new_node_id=number, logit_change=change.tolist())
    if ensemble.is_grown:
        growth = message.growing_metadata
        growth.num_trees_attempted = ensemble.trees_tried
        growth.num_layers_attempted = ensemble.layers_tried
        growth.last_layer_node_start, growth.last_layer_node_end = ensemble.last_layer
    return message.SerializeToString(deterministic=True)


def _write_leaf(leaf: Leaf, message: Any) -> None:
    if len(leaf) == 1:
        message.scalar = leaf[0]
        message.SetInParent()
    else:
        message.vector.value.extend(leaf.tolist())


def _write_node(node: Node, message: Any) -> None:
    split = node.split
    if split is None:
        _write_leaf(node.leaf if node.leaf is not None else np.zeros(1, np.float32), message.leaf)
        return
    if split.is_equality:
        asked = message.categorical_split
        asked.value = split.threshold
    else:
        asked = message.bucketized_split
        asked.threshold = split.threshold
        asked.default_direction = int(split.missing_goes_right)
    asked.feature_id, asked.dimension_id = split.feature, split.dimension
    asked.left_id, asked.right_id = split.left, split.right
    message.metadata.gain = node.gain or 0.0
    if node.original is not None:
        _write_leaf(node.original, message.metadata.original_leaf)


def read(content: bytes, ensemble: Ensemble) -> None:
    """Replaces what an ensemble holds.

    Raises:
      InvalidArgumentError: the bytes are not a message, or it tells of other splits than those that can be
        run; the ensemble stays as it was.
    """
    from google.protobuf.message import DecodeError

    try:
        message = protos.TreeEnsemble.FromString(content)
    except DecodeError:
        raise refusal(f"Unable to parse tree ensemble proto. Received: {len(content)} bytes") from None
    trees = []
    for place, grown in enumerate(message.trees):
        weight = message.tree_weights[place] if place < len(message.tree_weights) else 1.0
        tree = Tree([_node_of(node) for node in grown.nodes], weight)
        if place < len(message.tree_metadata):
            about = message.tree_metadata[place]
            tree.layers, tree.is_finished = about.num_layers_grown, about.is_finalized
            tree.pruned = [
                (m.new_node_id, np.array(m.logit_change, np.float32)) for m in about.post_pruned_nodes_meta
            ]
        trees.append(tree)
    ensemble.clear()
    ensemble.trees = trees
    ensemble.is_grown = message.HasField("growing_metadata")
    growth = message.growing_metadata
    ensemble.trees_tried, ensemble.layers_tried = growth.num_trees_attempted, growth.num_layers_attempted
    ensemble.last_layer = growth.last_layer_node_start, growth.last_layer_node_end


def _leaf_of(message: Any) -> Leaf:
    if message.WhichOneof("leaf") == "sparse_vector":
        sparse = message.sparse_vector
        leaf = np.zeros(max(sparse.index, default=0) + 1, np.float32)
        leaf[list(sparse.index)] = sparse.value
        return leaf
    if message.vector.value:
        return np.array(message.vector.value, np.float32)
    return np.array([message.scalar], np.float32)


def _node_of(message: Any) -> Node:
    kind = message.WhichOneof("node")
    if kind in (None, "leaf"):
        return Node(leaf=_leaf_of(message.leaf))
    if kind == "dense_split":
        raise refusal("Splits by features that are not bucketized cannot be run. Received: a dense_split")
    asked = getattr(message, kind)
    is_equality = kind == "categorical_split"
    split = Split(
        asked.feature_id,
        asked.value if is_equality else asked.threshold,
        asked.left_id,
        asked.right_id,
        asked.dimension_id,
        is_equality,
        not is_equality and bool(asked.default_direction),
    )
    about = message.metadata
    original = _leaf_of(about.original_leaf) if about.HasField("original_leaf") else None
    return Node(split=split, gain=about.gain, original=original)
