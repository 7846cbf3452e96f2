"""Adversarial networks: models, losses by hand, training steps, and what is refused."""

import pathlib

import numpy as np
import pytest

import millrace as tf

G = tf.contrib.gan
W = G.losses.wargs
_REAL, _FAKE = np.float32([[1.0], [2.0]]), np.float32([[-0.5], [0.3]])


def run(*values):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(list(values))


def sigmoid_entropy(labels, logits):
    return np.mean(np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits))))


def generator(z):
    return tf.layers.dense(z[0] if isinstance(z, list) else z, 3, name="g")


def discriminator(x, _):
    return tf.layers.dense(x, 1, name="d")


def simple(**kwargs):
    return G.gan_model(generator, discriminator, tf.ones([4, 3]), tf.ones([4, 2]), **kwargs)


def test_losses_are_those_of_the_papers():
    real, fake = tf.constant(_REAL), tf.constant(_FAKE)
    got = run(
        W.wasserstein_generator_loss(fake),
        W.wasserstein_discriminator_loss(real, fake, generated_weights=2.0),
        W.minimax_discriminator_loss(real, fake),
        W.modified_generator_loss(fake),
        W.least_squares_generator_loss(fake),
        W.least_squares_discriminator_loss(real, fake, fake_label=-1),
        W.minimax_generator_loss(fake),
    )
    exact = [
        -_FAKE.mean(),
        2 * _FAKE.mean() - _REAL.mean(),
        sigmoid_entropy(0.75 + 0.125, _REAL) + sigmoid_entropy(0, _FAKE),
        sigmoid_entropy(1, _FAKE),
        ((_FAKE - 1) ** 2).mean() / 2,
        ((_REAL - 1) ** 2).mean() / 2 + ((_FAKE + 1) ** 2).mean() / 2,
        -sigmoid_entropy(1, np.ones(1)) - sigmoid_entropy(0, _FAKE),
    ]
    np.testing.assert_allclose(got, exact, rtol=1e-5)
    assert len(tf.losses.get_losses()) == 7


def test_slope_between_real_and_generated_data():
    model = G.gan_model(
        lambda z: z * 2.0, lambda x, _: 3.0 * tf.reduce_sum(x, 1), tf.ones([4, 2]), tf.zeros([4, 2])
    )
    two = G.losses.wasserstein_gradient_penalty(model)
    one = G.losses.wasserstein_gradient_penalty(model, one_sided=True, target=10.0)
    slope = 3 * np.sqrt(2.0)
    np.testing.assert_allclose(run(two, one), [(slope - 1) ** 2, 0.0], rtol=1e-5)


def test_model_shares_the_discriminator():
    model = simple()
    assert [v.op.name for v in model.generator_variables] == ["Generator/g/kernel", "Generator/g/bias"]
    assert [v.op.name for v in model.discriminator_variables] == [
        "Discriminator/d/kernel",
        "Discriminator/d/bias",
    ]
    assert model.discriminator_real_outputs.shape.as_list() == [4, 1]
    with pytest.raises(ValueError, match="Generator output shape"):
        G.gan_model(generator, lambda x, _: tf.reduce_sum(x, 1), tf.ones([4, 5]), tf.ones([4, 2]), "other")


def test_structured_inputs_and_classes():
    D = tf.contrib.distributions
    info = G.infogan_model(
        lambda z: tf.layers.dense(tf.concat(z, 1), 3),
        lambda x, _: (tf.layers.dense(x, 1), [D.Normal(tf.layers.dense(x, 2), 1.0)]),
        tf.ones([4, 3]),
        [tf.ones([4, 2])],
        [tf.ones([4, 2])],
    )
    loss = G.gan_loss(info, mutual_information_penalty_weight=0.5)
    penalty = -tf.reduce_mean(info.predicted_distributions[0].log_prob(tf.ones([4, 2])))
    labels = tf.one_hot([0, 1, 1, 0], 2)
    ac = G.acgan_model(
        generator,
        lambda x, _: (tf.layers.dense(x, 1), tf.layers.dense(x, 2)),
        tf.ones([4, 3]),
        tf.ones([4, 2]),
        labels,
        "g2",
        "d2",
    )
    both = G.gan_loss(ac, aux_cond_generator_weight=2.0, aux_cond_discriminator_weight=1.0)
    classes = tf.losses.softmax_cross_entropy(labels, ac.discriminator_gen_classification_logits)
    got = run(
        loss.generator_loss,
        0.5 * penalty - tf.reduce_mean(info.discriminator_gen_outputs),
        both.generator_loss,
        2 * classes - tf.reduce_mean(ac.discriminator_gen_outputs),
    )
    np.testing.assert_allclose(got[::2], got[1::2], rtol=1e-4)


def test_training_moves_both_and_counts_steps(tmp_path: pathlib.Path):
    tf.set_random_seed(1)
    model = simple()
    loss = G.gan_loss(model, gradient_penalty_weight=10.0)
    ops = G.gan_train_ops(model, loss, tf.train.GradientDescentOptimizer(0.1), tf.train.AdamOptimizer(0.01))
    last = G.gan_train(
        ops,
        str(tmp_path),
        G.get_sequential_train_hooks(G.GANTrainSteps(1, 2)),
        hooks=[tf.train.StopAtStepHook(num_steps=3)],
        save_summaries_steps=None,
    )
    assert last == 3
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path)))
    assert reader.get_tensor("global_step") == 3
    # two discriminator steps in each of three, and Adam's power is raised once before the first
    assert reader.get_tensor("beta1_power") == pytest.approx(0.9**7)


def test_hooks_and_steps():
    ops = G.GANTrainOps(tf.constant(1.0), [tf.constant(2.0), tf.constant(3.0)], tf.no_op())
    joint = G.get_joint_train_hooks(G.GANTrainSteps(3, 1))(ops)
    assert [(len(h._train_ops), h._train_steps) for h in joint] == [(3, 1), (1, 2)]
    single = ops._replace(discriminator_train_op=tf.constant(2.0))
    with tf.Session() as session:
        steps = G.get_sequential_train_steps(G.GANTrainSteps(1, 2))
        assert steps(session, single, None, {"should_stop": tf.constant(True)}) == (3.0, True)


def test_cycles():
    model = G.cyclegan_model(generator, discriminator, tf.ones([4, 3]), tf.zeros([4, 3]))
    loss = G.cyclegan_loss(model, cycle_consistency_loss_weight=2.0)
    back = G.losses.cycle_consistency_loss(model)
    exact = 2.0 * back + G.losses.least_squares_generator_loss(model.model_x2y)
    got = run(loss.loss_x2y.generator_loss, exact)
    assert got[0] == pytest.approx(got[1], rel=1e-5)
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    ops = G.gan_train_ops(model, loss, optimizer, optimizer)
    assert len(ops.generator_train_op) == len(ops.discriminator_train_op) == 2
    names = {v.op.name.split("/")[0] for v in tf.trainable_variables()}
    assert names == {"ModelX2Y", "ModelY2X"}


def test_refusals():
    model = simple()
    with pytest.raises(ValueError, match="must not be negative"):
        G.gan_loss(model, gradient_penalty_weight=-1.0)
    with pytest.raises(ValueError, match="ACGANModel"):
        G.gan_loss(model, aux_cond_generator_weight=1.0)
    with pytest.raises(ValueError, match="CycleGANModel"):
        G.cyclegan_loss(model)
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.no_op("stray"))
    with pytest.raises(ValueError, match="stray"):
        optimizer = tf.train.GradientDescentOptimizer(0.1)
        G.gan_train_ops(model, G.gan_loss(model), optimizer, optimizer)


def test_conditions_pools_and_clipping():
    tf.set_random_seed(2)
    x = tf.ones([2, 3, 2])
    seen = G.features.condition_tensor_from_onehot(x, tf.one_hot([0, 1], 4), 5)
    assert seen.shape.as_list() == [2, 3, 2]
    assert tf.trainable_variables()[0].op.name == "one_hot_embedding/embeddings"
    value = tf.placeholder(tf.float32, [])
    pooled = G.features.tensor_pool(value, pool_size=2, pooling_probability=1.0)
    v = tf.get_variable("v", initializer=[3.0, -3.0])
    optimizer = G.features.clip_variables(tf.train.GradientDescentOptimizer(1.0), [v], 0.5)
    step = optimizer.minimize(tf.reduce_sum(v))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert [session.run(pooled, {value: i}) for i in (1.0, 2.0)] == [1.0, 2.0]
        assert session.run(pooled, {value: 3.0}) in (1.0, 2.0)
        session.run(step)
        np.testing.assert_array_equal(session.run(v), [0.5, -0.5])
    with pytest.raises(ValueError, match="2D"):
        G.features.condition_tensor(tf.ones([2]), tf.ones([2, 1]))
