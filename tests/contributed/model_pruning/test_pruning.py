"""Pruning, with the numbers of TensorFlow 1.15."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

M = tf.contrib.model_pruning

# Step -> sparsity, threshold and scheduled sparsity, as TensorFlow 1.15.5 gives them.
RECORDED = {
    0: (0.0, 0.0, 0.0),
    1: (0.16667, 0.18718, 0.1626),
    2: (0.3, 0.40016, 0.2928),
    4: (0.46667, 0.76104, 0.4704),
    7: (0.6, 0.97728, 0.5838),
    11: (0.6, 0.97728, 0.6),
}


def test_numbers_and_names_of_1_15():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        M.masked_fully_connected(tf.ones([2, 6]), 5, scope="fc")
        names = [v.op.name for v in tf.global_variables()]
        assert names == ["global_step", "fc/weights", "fc/mask", "fc/threshold", "fc/biases"]
        assert [v.op.name for v in tf.trainable_variables()] == ["fc/weights", "fc/biases"]
        assert M.get_masked_weights()[0].op.name == "fc/weights/masked_weight"
        spec = M.get_pruning_hparams().parse(
            "end_pruning_step=10,target_sparsity=0.6,pruning_frequency=1,sparsity_function_end_step=10"
        )
        pruning = M.Pruning(spec, global_step=step)
        update, sparsity = pruning.conditional_mask_update_op(), M.get_weight_sparsity()[0]
        session.run(tf.global_variables_initializer())
        session.run(tf.assign(M.get_weights()[0], np.random.RandomState(0).randn(6, 5)))
        following = tf.assign_add(step, 1)
        for number in range(12):
            session.run(update)
            found = session.run([sparsity, M.get_thresholds()[0], pruning._sparsity])
            if number in RECORDED:
                np.testing.assert_allclose(found, RECORDED[number], atol=2e-5)
            session.run(following)
        np.testing.assert_array_equal(session.run(M.get_masks()[0]).sum(1), [4, 1, 1, 1, 2, 3])
        pruning.add_pruning_summaries()
        assert [t.op.name for t in tf.get_collection(tf.GraphKeys.SUMMARIES)] == [
            "model_pruning_summaries/sparsity",
            "model_pruning_summaries/last_mask_update_step",
            "model_pruning_summaries/fc/mask/sparsity",
            "model_pruning_summaries/fc/threshold/threshold",
        ]
        assert "target_sparsity" in pruning.print_hparams()


def test_layers_and_cells():
    with tf.Graph().as_default(), tf.Session() as session:
        net = M.masked_conv2d(tf.ones([1, 8, 8, 3]), 4, 3, scope="cv")
        assert [v.op.name for v in tf.global_variables()] == [
            "cv/mask",
            "cv/weights",
            "cv/threshold",
            "cv/biases",
        ]
        assert net.shape.as_list() == [1, 8, 8, 4]
        flat = M.masked_fully_connected(net, 2, normalizer_fn=tf.contrib.layers.batch_norm)
        assert flat.shape.as_list() == [1, 8, 8, 2]
        for cell in (M.MaskedBasicLSTMCell(3), M.MaskedLSTMCell(3, use_peepholes=True)):
            outputs, _ = tf.nn.static_rnn(
                cell, [tf.ones([1, 2])], dtype=tf.float32, scope=type(cell).__name__
            )
            session.run(tf.global_variables_initializer())
            assert session.run(outputs[0]).shape == (1, 3)
        assert len(M.get_masks()) == 4
        weights = tf.get_variable("w", [2, 2])
        assert M.apply_mask(weights, "here").shape.as_list() == [2, 2]
        assert M.get_masks()[-1].op.name == "here/mask"


def test_blocks_and_layers_of_their_own():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        M.masked_fully_connected(tf.ones([2, 4]), 4, scope="a")
        spec = M.get_pruning_hparams().parse("block_height=2,block_width=2,weight_sparsity_map=[a:0.75]")
        update = M.Pruning(spec, step, sparsity=0.5).mask_update_op()
        session.run(tf.global_variables_initializer())
        session.run(update)
        mask = session.run(M.get_masks()[0])
    assert mask.sum() == 4
    blocks = mask.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4).sum(1)
    assert sorted(blocks.tolist()) == [0, 0, 0, 4]


def test_frozen_and_stripped(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        tf.identity(M.masked_fully_connected(x, 2, scope="fc"), name="out")
        session.run(tf.global_variables_initializer())
        session.run(tf.assign(M.get_masks()[0], [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]))
        expected = session.run("out:0", {x: [[1.0, 2.0, 3.0]]})
        tf.train.Saver().save(session, str(tmp_path / "model"))
    frozen = M.graph_def_from_checkpoint(str(tmp_path), ["out"])
    stripped = M.strip_pruning_vars_fn(frozen, ["out"])
    assert not [node.name for node in stripped.node if "mask" in node.name.replace("masked", "")]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(stripped, name="")
        np.testing.assert_array_equal(session.run("out:0", {"x:0": [[1.0, 2.0, 3.0]]}), expected)
    with pytest.raises(ValueError, match="checkpoint"):
        M.graph_def_from_checkpoint(str(tmp_path / "none"), ["out"])


def test_training_with_pruning():
    with tf.Graph().as_default():
        loss = tf.reduce_sum(M.masked_fully_connected(tf.ones([1, 4]), 4, activation_fn=None) ** 2)
        tf.losses.add_loss(loss)
        train_op = tf.contrib.slim.learning.create_train_op(loss, tf.train.GradientDescentOptimizer(0.01))
        spec = M.get_pruning_hparams().parse("pruning_frequency=1,initial_sparsity=0.5")
        update = M.Pruning(spec).conditional_mask_update_op()
        assert M.train(train_op, None, update, number_of_steps=3) >= 0


@pytest.mark.parametrize(
    "text", ["begin_pruning_step=-1", "end_pruning_step=0", "threshold_decay=1.0", "target_sparsity=1.0"]
)
def test_parameters_that_cannot_be(text):
    with tf.Graph().as_default():
        tf.train.create_global_step()
        with pytest.raises(ValueError, match=r"llegal|begin|range"):
            M.Pruning(M.get_pruning_hparams().parse(text))


def test_an_unknown_pooling_of_blocks_is_refused():
    with tf.Graph().as_default():
        tf.train.create_global_step()
        M.apply_mask(tf.get_variable("w", [4, 4]))
        spec = M.get_pruning_hparams().parse("block_height=2,block_pooling_function=SUM")
        with pytest.raises(ValueError, match="block_pooling_function"):
            M.Pruning(spec).conditional_mask_update_op()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("weight_sparsity_map=[0.3]", "colon"),
        ("block_dims_map=[w:2]", "Expected 2 values for block dim for w"),
    ],
)
def test_maps_of_layers_that_say_too_little(text, said):
    with tf.Graph().as_default():
        tf.train.create_global_step()
        M.apply_mask(tf.get_variable("w", [4, 4]))
        with pytest.raises(ValueError, match=said):
            M.Pruning(M.get_pruning_hparams().parse(text)).mask_update_op()


def test_masks_are_variables_of_the_model_and_updates_bear_names_of_1_15():
    with tf.Graph().as_default() as graph:
        step = tf.train.create_global_step()
        M.masked_conv2d(tf.ones([1, 4, 4, 2]), 3, 1, scope="c")
        found = [v.op.name for v in tf.get_collection(tf.GraphKeys.MODEL_VARIABLES)]
        assert found == ["c/mask", "c/weights", "c/threshold", "c/biases"]
        M.Pruning(M.get_pruning_hparams(), step).mask_update_op()
        assert [op.name for op in graph.get_operations()][-7:] == [
            *(f"model_pruning_2/c/weights_pruning_ops/{op}" for op in ("AddN", "GreaterEqual", "Cast_2")),
            *(
                f"model_pruning_2/{name}_assign"
                for name in ("c/threshold", "c/mask", "last_mask_update_step")
            ),
            "model_pruning_2/mask_update",
        ]


def test_regularizers_stand_under_the_names_of_the_layers():
    l2 = tf.contrib.layers.l2_regularizer(0.1)
    with tf.Graph().as_default():
        x = tf.zeros([1, 3, 3, 2])
        tf.contrib.model_pruning.masked_conv2d(x, 2, 3, weights_regularizer=l2, biases_regularizer=l2)
        tf.contrib.model_pruning.masked_fully_connected(tf.zeros([1, 3]), 2, weights_regularizer=l2)
        losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
        own = ["Conv/kernel", "Conv/bias", "fully_connected/kernel"]
        assert [loss.op.name for loss in losses] == [f"{name}/Regularizer/l2_regularizer" for name in own]
