"""Splits of a layer's examples beside those of sums, and predictions by weighted trees."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw

RANDOM = np.random.RandomState(1)
NODES = np.repeat(np.array([2, 5], np.int32), 10)
FEATURE = RANDOM.randint(-1, 4, (20, 3)).astype(np.int32)
PENALTIES = (0.0, 0.1, 0.01, 0.0)


def run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


@pytest.mark.parametrize("equality", [False, True])
@pytest.mark.parametrize(("logits", "columns"), [(1, 1), (2, 2), (2, 4)])
def test_the_best_splits_are_those_of_sums(logits, columns, equality):
    gradients = RANDOM.randn(20, logits).astype(np.float32)
    hessians = RANDOM.rand(20, columns).astype(np.float32) + 0.1
    if columns > logits:  # a matrix that has an inverse
        hessians = hessians[:, [0, 1, 1, 3]] * np.float32([1, 0.2, 0.2, 1]) + np.float32([1, 0, 0, 1])
    mine = raw.BoostedTreesSplitExamples(
        NODES, gradients, hessians, FEATURE, [True] * 3, *PENALTIES, equality=equality
    )
    sums = raw.BoostedTreesAggregateStats(NODES, gradients, hessians, FEATURE, max_splits=6, num_buckets=4)
    theirs = raw.BoostedTreesCalculateBestFeatureSplit(
        [0, 6], sums, *PENALTIES, logits_dimension=logits, split_type="equality" if equality else "inequality"
    )
    for name, value, expected in zip(mine._fields, *run([list(mine), list(theirs)]), strict=True):
        expected = expected[[2, 5]]
        if value.dtype == np.float32:
            np.testing.assert_allclose(value, expected, rtol=2e-3, atol=1e-4, err_msg=name)
        else:
            assert value.tolist() == expected.tolist(), name


def test_a_node_of_few_examples_is_split_as_one_of_many():
    gradients, hessians = RANDOM.randn(6, 1).astype(np.float32), np.ones((6, 1), np.float32)
    feature = np.array([[9, 90], [3, 30], [-1, -1], [3, 30], [7, 70], [0, 0]], np.int32)
    found = [
        run(raw.BoostedTreesSplitExamples([1] * 6, gradients, hessians, column[:, None], [True], *PENALTIES))
        for column in (feature[:, 0] // 2, feature[:, 1])  # fewer and more buckets than examples
    ]
    few, many = found
    assert few[3] * 20 <= many[3] < few[3] * 20 + 20
    for place in (1, 4, 5):
        np.testing.assert_allclose(few[place], many[place], rtol=1e-5)
    assert few[6].tolist() == many[6].tolist()


def test_features_that_may_not_be_asked_and_rows_that_do_not_match():
    one = np.ones((20, 1), np.float32)
    found = run(raw.BoostedTreesSplitExamples(NODES, one, one, FEATURE, [False, True, False], *PENALTIES))
    assert found[2].tolist() == [1, 1]
    assert not len(run(raw.BoostedTreesSplitExamples(NODES, one, one, FEATURE, [False] * 3, *PENALTIES))[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="a row for each example"):
        run(raw.BoostedTreesSplitExamples(NODES[1:], one, one, FEATURE, [True] * 3, *PENALTIES))


def test_trees_count_as_their_weights_say():
    from millrace.core import protos

    message = protos.TreeEnsemble(tree_weights=[1, 1])
    for leaves in ([1.0, 2.0], [10.0, 20.0]):
        nodes = message.trees.add().nodes
        nodes.add().bucketized_split.CopyFrom(protos.BucketizedSplit(threshold=1, left_id=1, right_id=2))
        for leaf in leaves:
            nodes.add().leaf.scalar = leaf
        message.tree_metadata.add()
    handle = raw.BoostedTreesEnsembleResourceHandleOp()
    create = raw.BoostedTreesCreateEnsemble(handle, 0, message.SerializeToString())
    features, none = np.array([[0], [3]], np.int32), np.zeros((2, 0), np.int32)
    with tf.Session() as session:
        session.run(create)
        for weights, expected in (([1, 0.5], [[6], [12]]), ([2], [[2], [4]]), ([], [[0], [0]])):
            found = raw.BoostedTreesWeightedPredict(
                handle, np.array(weights, np.float32), features, none, logits_dimension=1
            )
            logits, leaves = session.run(found)
            assert logits.tolist() == expected
            assert leaves.tolist() == [[1, 1], [2, 2]]
