"""Ensembles of trees: growth, pruning, bias, predictions; the numbers are TensorFlow 1.15's."""

import numpy as np
import pytest
from google.protobuf import text_format

import millrace as tf
from millrace.building import raw
from millrace.core import protos

FIRST = (
    "trees { nodes { bucketized_split { feature_id: 3 threshold: 5 left_id: 1 right_id: 2 } "
    "metadata { gain: 2 } } nodes { leaf { scalar: 0.1 } } nodes { leaf { scalar: 0.2 } } } tree_weights: 1 "
    "tree_metadata { num_layers_grown: 1 } growing_metadata { num_trees_attempted: 1 num_layers_attempted: 1 "
    "last_layer_node_start: 1 last_layer_node_end: 3 }"
)
PRUNED = (
    "trees { nodes { bucketized_split { feature_id: 3 threshold: 5 left_id: 1 right_id: 2 } "
    "metadata { gain: 2 } } nodes { leaf { scalar: 0.1 } } nodes { bucketized_split { feature_id: 3 "
    "threshold: 5 left_id: 3 right_id: 4 } metadata { gain: 3 original_leaf { scalar: 0.2 } } } "
    "nodes { leaf { scalar: 0.3 } } nodes { leaf { scalar: 0.4 } } } trees { nodes { leaf { } } } "
    "tree_weights: 1 tree_weights: 1 tree_metadata { num_layers_grown: 2 is_finalized: true "
    "post_pruned_nodes_meta { logit_change: 0 } post_pruned_nodes_meta { new_node_id: 1 logit_change: 0 } "
    "post_pruned_nodes_meta { new_node_id: 2 logit_change: 0 } "
    "post_pruned_nodes_meta { new_node_id: 1 logit_change: -0.050000004 } "
    "post_pruned_nodes_meta { new_node_id: 1 logit_change: -0.15 } "
    "post_pruned_nodes_meta { new_node_id: 3 logit_change: 0 } "
    "post_pruned_nodes_meta { new_node_id: 4 logit_change: 0 } } tree_metadata { } "
    "growing_metadata { num_trees_attempted: 1 num_layers_attempted: 2 last_layer_node_end: 1 }"
)


class Trees:
    """An ensemble in a session."""

    def __init__(self):
        self.session = tf.Session()
        self.handle = raw.BoostedTreesEnsembleResourceHandleOp(shared_name="trees")
        self.run(raw.BoostedTreesCreateEnsemble(self.handle, 0, ""))

    def run(self, fetches):
        return self.session.run(fetches)

    def grow(self, features, nodes, gains, thresholds, left, right, pruning=0):
        self.run(
            raw.BoostedTreesUpdateEnsemble(
                self.handle,
                np.array(features, np.int32),
                [np.array(n, np.int32) for n in nodes],
                [np.array(g, np.float32) for g in gains],
                [np.array(t, np.int32) for t in thresholds],
                [np.array(c, np.float32).reshape(-1, 1) for c in left],
                [np.array(c, np.float32).reshape(-1, 1) for c in right],
                2,
                0.5,
                pruning_mode=pruning,
            )
        )

    def grow_two_layers(self, pruning):
        self.grow([7, 3], [[0], [0]], [[1], [2]], [[4], [5]], [[0.1], [0.2]], [[0.3], [0.4]], pruning)
        first = self.message()
        self.grow(
            [7, 3],
            [[1, 2], [2]],
            [[-1, 2], [3]],
            [[4, 6], [5]],
            [[0.1, 0.12], [0.2]],
            [[0.3, 0.32], [0.4]],
            pruning,
        )
        return first

    def message(self):
        return protos.TreeEnsemble.FromString(self.run(raw.BoostedTreesSerializeEnsemble(self.handle)[1]))

    def states(self):
        return [
            np.asarray(s).tolist() for s in self.run(list(raw.BoostedTreesGetEnsembleStates(self.handle)))
        ]


def parsed(text):
    return text_format.Parse(text, protos.TreeEnsemble())


def test_growth_and_post_pruning():
    trees = Trees()
    assert trees.states() == [0, 0, 0, 0, [0, 1]]
    assert trees.grow_two_layers(2) == parsed(FIRST)
    assert trees.message() == parsed(PRUNED)
    assert trees.states() == [2, 2, 1, 2, [0, 1]]


def test_pre_pruning_leaves_bad_splits_out():
    trees = Trees()
    trees.grow_two_layers(1)
    nodes = trees.message().trees[0].nodes
    assert [node.WhichOneof("node") for node in nodes] == [
        "bucketized_split",
        "leaf",
        "bucketized_split",
        "leaf",
        "leaf",
    ]
    trees.grow([7], [[0]], [[-1]], [[9]], [[-1]], [[2]], 1)
    assert trees.states() == [3, 2, 1, 3, [0, 1]]


def test_predictions_follow_a_pruned_tree():
    trees = Trees()
    feature = [np.array([0, 5, 6], np.int32)] * 8
    before = raw.BoostedTreesTrainingPredict(trees.handle, [0] * 3, [-1] * 3, feature, logits_dimension=1)
    trees.grow_two_layers(0)
    values, tree_ids, nodes = trees.run(list(before))
    np.testing.assert_allclose(values[:, 0], [0.15, 0.25, 0.4], rtol=1e-6)
    assert (tree_ids.tolist(), nodes.tolist()) == ([1, 1, 1], [0, 0, 0])
    other = Trees()
    other.session, other.handle = trees.session, raw.BoostedTreesEnsembleResourceHandleOp(shared_name="b")
    other.run(raw.BoostedTreesCreateEnsemble(other.handle, 0, ""))
    other.grow_two_layers(2)
    after = raw.BoostedTreesTrainingPredict(other.handle, [0] * 3, [3, 4, 6], feature, logits_dimension=1)
    np.testing.assert_allclose(trees.run(after[0])[:, 0], [-0.05, -0.15, 0.0], atol=1e-6)
    logits = trees.run(raw.BoostedTreesPredict(other.handle, feature, logits_dimension=1))
    np.testing.assert_allclose(logits[:, 0], [0.1, 0.1, 0.4], rtol=1e-6)


def test_bias_and_explanations():
    trees = Trees()
    ready = raw.IsBoostedTreesEnsembleInitialized(trees.handle)
    assert trees.run(ready)
    again = []
    for gradient in (0.005, -100.0, -0.5, -1.1, 0.0):
        moved = raw.BoostedTreesCenterBias(trees.handle, [[gradient]], [[1.0]], 0.0, 0.0)
        again.append(bool(trees.run(moved)))
    assert again == [True, True, False, True, False]
    trees.grow([0], [[0]], [[1]], [[1]], [[0.1]], [[0.3]])
    told = raw.BoostedTreesExampleDebugOutputs(trees.handle, [np.array([1, 2], np.int32)], logits_dimension=1)
    first, second = (protos.DebugOutput.FromString(t) for t in trees.run(told))
    assert (list(first.feature_ids), list(second.feature_ids)) == ([0], [0])
    np.testing.assert_allclose(first.logits_path, [101.595, 101.645], rtol=1e-6)
    np.testing.assert_allclose(second.logits_path, [101.595, 101.745], rtol=1e-6)


def test_messages_go_both_ways_and_bad_ones_change_nothing():
    trees = Trees()
    content = parsed(PRUNED).SerializeToString()
    trees.run(raw.BoostedTreesDeserializeEnsemble(trees.handle, 5, content))
    assert trees.message() == parsed(PRUNED)
    assert trees.states()[0] == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unable to parse"):
        trees.run(raw.BoostedTreesDeserializeEnsemble(trees.handle, 9, b"\xff\xffgarbage"))
    assert trees.states()[0] == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="Only leaves"):
        trees.grow([0], [[7]], [[1]], [[1]], [[0.1]], [[0.3]])
    assert trees.message() == parsed(PRUNED)


def test_an_ensemble_must_be_created():
    handle = raw.BoostedTreesEnsembleResourceHandleOp(shared_name="none")
    with tf.Session() as session:
        assert not session.run(raw.IsBoostedTreesEnsembleInitialized(handle))
        with pytest.raises(tf.errors.FailedPreconditionError, match="before it is created"):
            session.run(list(raw.BoostedTreesGetEnsembleStates(handle)))


def test_best_splits():
    sums = np.array([[[1, 2], [-3, 1], [2, 2]]], np.float32)
    wanted = {
        (0, 0, 0, 0): (3.3333335, 1, 0.6666667, -1.0),
        (1, 0, 0, 0): (0.8333334, 1, 0.33333334, -0.5),
        (0, 1, 0.5, 4): (1.8333335, 1, 0.5, -0.6666667),
    }
    with tf.Session() as session:
        for penalties, row in wanted.items():
            found = raw.BoostedTreesCalculateBestGainsPerFeature([0, 1], [sums], *penalties, max_splits=1)
            values = [np.ravel(v).tolist() for part in session.run([list(f) for f in found]) for v in part]
            assert values[0] == [0]
            np.testing.assert_allclose(np.ravel(values[1:]), row, rtol=1e-6)
        found = raw.BoostedTreesCalculateBestGainsPerFeature([0, 1], [sums], 0, 0, 0, 6, max_splits=1)
        assert session.run(found[0][0]).tolist() == []


def test_sums_and_the_bucket_beyond_the_last():
    def sums(nodes, buckets):
        found = raw.BoostedTreesMakeStatsSummary(
            np.array(nodes, np.int32),
            np.full([len(nodes), 1], 7, np.float32),
            np.full([len(nodes), 1], 5, np.float32),
            [np.array(buckets, np.int32)],
            max_splits=3,
            num_buckets=3,
        )
        with tf.Session() as session:
            return session.run(found)

    assert sums([0, 0], [1, 1])[0, 0, 1].tolist() == [14, 10]
    assert np.argwhere(sums([0], [4])).tolist() == [[0, 1, 1, 0], [0, 1, 1, 1]]
    assert not sums([2], [3]).any()
    with pytest.raises(tf.errors.InvalidArgumentError, match="node_ids"):
        sums([3], [0])
