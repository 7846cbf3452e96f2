"""Layers that compute in half precision, scaled losses, and the switch of the graph rewrite."""

from __future__ import annotations

import json

import numpy as np
import pytest

import millrace as tf

K = tf.keras
L = K.layers
mixed = K.mixed_precision.experimental
scales = tf.train.experimental


@pytest.fixture(autouse=True)
def fresh():
    K.backend.clear_session()
    yield
    scales.disable_mixed_precision_graph_rewrite()
    K.backend.clear_session()


@pytest.mark.parametrize(
    ("name", "compute", "kept", "casts"),
    [
        ("float32", "float32", "float32", False),
        ("mixed_bfloat16", "bfloat16", "float32", True),
        ("float16_with_float32_vars", "float16", "float32", True),
        ("infer", None, None, False),
        ("infer_float32_vars", None, "float32", True),
    ],
)
def test_a_policy_names_two_dtypes(name, compute, kept, casts):
    policy = mixed.Policy(name)
    assert (policy.compute_dtype, policy.variable_dtype, policy.should_cast_variables) == (
        compute,
        kept,
        casts,
    )
    assert policy.loss_scale is None


def test_half_precision_has_a_scale_of_its_own():
    policy = mixed.Policy("mixed_float16")
    assert policy.loss_scale.get_config() == {
        "initial_loss_scale": 32768.0,
        "increment_period": 2000,
        "multiplier": 2.0,
    }
    assert mixed.Policy("mixed_float16", loss_scale=128).loss_scale() is not None
    assert (
        repr(mixed.Policy("mixed_float16", 8)) == '<Policy "mixed_float16", loss_scale=FixedLossScale(8.0)>'
    )


@pytest.mark.parametrize(
    "name", ["float16_float32_vars", "float32_with_float16_vars", "abc", "mixed_float32"]
)
def test_other_names_are_no_policies(name):
    with pytest.raises(ValueError, match=name):
        mixed.Policy(name)


def test_a_policy_has_a_string_for_a_name():
    with pytest.raises(TypeError, match="DType.name"):
        mixed.Policy(tf.float16)
    with pytest.raises(TypeError, match="must be a string"):
        mixed.Policy(None)
    with pytest.raises(ValueError, match="loss scale identifier: abc"):
        mixed.Policy("float16", "abc")


def test_the_global_policy_is_to_infer():
    assert mixed.global_policy().name == "infer"
    mixed.set_policy(None)
    mixed.set_policy("infer")
    with pytest.raises(ValueError, match="non-infer policy"):
        mixed.set_policy("float16")
    assert mixed.global_policy().name == "infer"


def test_a_layer_reads_its_variables_in_the_dtype_it_computes_in():
    seen = {}

    class Scaled(L.Layer):
        def build(self, shape):
            self.w = self.add_weight("w", [4], initializer="ones")
            self.plain = self.add_weight("plain", [4], initializer="ones", experimental_autocast=False)
            super().build(shape)

        def call(self, x):
            w = self.w
            seen.update(
                dtype=w.dtype.name,
                repr=repr(w),
                read=w.read_value().dtype.name,
                rows=tf.gather(w, [0]).dtype.name,
                part=w[0].dtype.name,
                plain=self.plain.dtype.name,
            )
            return tf.cast(x, w.dtype) * w

    layer = Scaled(dtype=mixed.Policy("mixed_float16", None))
    out = layer(tf.placeholder(tf.float32, [None, 4]))
    assert seen.pop("repr") == "<AutoCastVariable 'scaled/w:0' shape=(4,) dtype=float16 true_dtype=float32>"
    assert seen.pop("plain") == "float32"
    assert set(seen.values()) == {"float16"}
    assert out.dtype is tf.float16
    assert layer.w.dtype is layer.w.true_dtype is tf.float32
    assert layer.dtype == "float32"
    assert [v.name for v in tf.global_variables()] == ["scaled/w:0", "scaled/plain:0"]
    (gradient,) = tf.gradients(out, layer.w)
    assert gradient.dtype is tf.float32
    layer.set_weights([np.full(4, 2.0), np.zeros(4)])
    assert layer.get_weights()[0].dtype == np.float32
    assert K.backend.get_value(layer.w).tolist() == [2.0] * 4


def test_only_floating_variables_are_cast():
    class Counted(L.Layer):
        def build(self, shape):
            self.add_weight("c", [], dtype="int32", initializer="zeros", trainable=False)

    with pytest.raises(ValueError, match="must be a floating point variable but has type: int32"):
        Counted(dtype=mixed.Policy("mixed_float16", None))(tf.placeholder(tf.float32, [None, 4]))


@pytest.mark.parametrize(
    ("policy", "given", "made", "kept"),
    [
        ("mixed_float16", "float32", "float16", "float32"),
        ("infer_with_float32_vars", "float32", "float32", "float32"),
        ("infer_with_float32_vars", "float16", "float16", "float32"),
        ("float16", "float32", "float16", "float16"),
        ("infer", "float16", "float16", "float16"),
        ("mixed_bfloat16", "float16", "bfloat16", "float32"),
    ],
)
def test_dense_layers_of_a_policy(policy, given, made, kept):
    layer = L.Dense(3, dtype=mixed.Policy(policy, None))
    assert layer(tf.placeholder(given, [None, 4])).dtype.name == made
    assert [w.dtype.name for w in layer.weights] == [kept, kept]
    assert layer.get_config()["dtype"] == kept


def test_normalization_keeps_its_precision():
    layer = L.BatchNormalization(dtype=mixed.Policy("mixed_float16", None))
    assert layer(tf.placeholder(tf.float16, [None, 5, 5, 2])).dtype is tf.float16
    assert {w.dtype.name for w in layer.weights} == {"float32"}


def _data():
    rng = np.random.RandomState(0)
    return rng.randn(8, 4).astype("f"), rng.randn(8, 3).astype("f")


def test_a_mixed_model_trains():
    tf.set_random_seed(3)
    policy = mixed.Policy("mixed_float16", None)
    model = K.Sequential(
        [L.Dense(5, activation="relu", dtype=policy, input_shape=(4,)), L.Dense(3, dtype=policy)]
    )
    model.compile("sgd", "mse")
    x, y = _data()
    losses = model.fit(x, y, epochs=4, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < losses[0]
    assert model.predict(x).dtype == np.float16
    assert {w.dtype.name for w in model.get_weights()} == {"float32"}


def _scaled_model(optimizer):
    tf.set_random_seed(3)
    given = L.Input((4,))
    model = K.Model(given, L.Dense(3)(given))
    made = optimizer()
    model.compile(made, "mse")
    return model, made


def test_a_scaled_step_is_the_step():
    x, y = _data()
    model, _ = _scaled_model(lambda: K.optimizers.SGD(0.1))
    plain = model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"]
    K.backend.clear_session()
    model, made = _scaled_model(lambda: mixed.LossScaleOptimizer(K.optimizers.SGD(0.1), 64))
    scaled = model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(scaled, plain, rtol=1e-6)
    assert K.backend.get_value(made.iterations) == 3


def test_a_dynamic_scale_passes_over_steps_that_are_not_finite():
    x, y = _data()
    model, made = _scaled_model(
        lambda: mixed.LossScaleOptimizer(K.optimizers.Adam(0.1), scales.DynamicLossScale(4, 2, 2.0))
    )
    losses = model.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(losses, [4.101305, 3.210052], rtol=1e-5)
    assert K.backend.get_value(made.loss_scale()) == 8.0
    x[0, 0] = np.inf
    before = model.get_weights()
    model.train_on_batch(x, y)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert K.backend.get_value(made.loss_scale()) == 4.0
    assert K.backend.get_value(made.iterations) == 2


def test_the_optimizer_inside_is_reached():
    made = mixed.LossScaleOptimizer(K.optimizers.SGD(0.5), 64)
    made.lr = 0.25
    assert made.learning_rate is made._optimizer.learning_rate
    assert K.backend.get_value(made.lr) == 0.25
    assert made.get_slot_names() == []
    assert made.get_scaled_loss(tf.constant(3.0, tf.float16)).dtype is tf.float16
    unscaled = made.get_unscaled_gradients([tf.constant(64.0), None])
    assert unscaled[1] is None
    with tf.Session() as sess:
        assert sess.run(made.get_scaled_loss(lambda: tf.constant(3.0))()) == 192.0
        assert sess.run(unscaled[0]) == 1.0
    with pytest.raises(AttributeError, match="absent"):
        _ = made.absent


def test_a_scaling_optimizer_is_saved_and_read():
    made = mixed.LossScaleOptimizer(K.optimizers.Adam(0.5), scales.DynamicLossScale(4, 2, 2.0))
    config = json.loads(json.dumps(made.get_config()))
    again = mixed.LossScaleOptimizer.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert isinstance(again.loss_scale, scales.DynamicLossScale)


@pytest.mark.parametrize("bound", ["clipnorm", "clipvalue"])
def test_bounds_of_gradients_are_refused(bound):
    with pytest.raises(ValueError, match=f"{bound} 1.0"):
        mixed.LossScaleOptimizer(K.optimizers.SGD(**{bound: 1.0}), 128)


def test_other_optimizers_and_no_scale_are_refused():
    with pytest.raises(ValueError, match="OptimizerV2, but got: sgd"):
        mixed.LossScaleOptimizer("sgd", 128)
    with pytest.raises(ValueError, match="loss_scale must be given"):
        mixed.LossScaleOptimizer(K.optimizers.SGD(), None)


def test_the_rewrite_is_an_option_and_a_wrapped_optimizer():
    made = scales.enable_mixed_precision_graph_rewrite(tf.train.AdamOptimizer())
    assert isinstance(made, scales.MixedPrecisionLossScaleOptimizer)
    assert tf.config.optimizer.get_experimental_options()["auto_mixed_precision"]
    assert isinstance(
        scales.enable_mixed_precision_graph_rewrite(K.optimizers.SGD(), 64), mixed.LossScaleOptimizer
    )
    with pytest.raises(ValueError, match="must not already be an instance"):
        scales.enable_mixed_precision_graph_rewrite(made)
    with pytest.raises(ValueError, match="rewrite has already"):
        mixed.set_policy("infer")
    scales.disable_mixed_precision_graph_rewrite()
    assert not tf.config.optimizer.get_experimental_options()["auto_mixed_precision"]
    with pytest.raises(ValueError, match="but got: sgd"):
        scales.enable_mixed_precision_graph_rewrite("sgd")
    with pytest.raises(ValueError, match="identifier: x"):
        scales.enable_mixed_precision_graph_rewrite(tf.train.AdamOptimizer(), "x")
    assert not tf.config.optimizer.get_experimental_options()["auto_mixed_precision"]
