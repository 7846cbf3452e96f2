"""Layers of Keras against NumPy, in both directions of saving, and what they refuse."""

import numpy as np
import pytest

import millrace as tf

L = tf.keras.layers
K = tf.keras.backend


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _data(*shape):
    return ((np.arange(np.prod(shape)) * 7 % 11 - 5) * 0.2).reshape(shape).astype(np.float32)


def _run(layer, *inputs):
    given = [L.Input(x.shape[1:]) for x in inputs]
    model = tf.keras.Model(given, layer(given[0] if len(given) == 1 else given))
    return model.predict(list(inputs))


def test_an_lstm_computes_its_gates():
    layer = L.LSTM(2, recurrent_activation="sigmoid")
    x = _data(3, 4, 2)
    found = _run(layer, x)
    kernel, recurrent, bias = layer.get_weights()
    h = c = np.zeros((3, 2), np.float32)
    for t in range(4):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    np.testing.assert_allclose(found, h, rtol=1e-4)
    np.testing.assert_allclose(bias, [0, 0, 1, 1, 0, 0, 0, 0])


def test_loops_and_unrolled_steps_agree_with_masks():
    x = _data(2, 4, 3)
    x[0, 2:] = 0
    outputs = []
    for unroll in (False, True):
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            model = tf.keras.Sequential(
                [
                    L.Masking(input_shape=(4, 3)),
                    L.GRU(2, return_sequences=True, unroll=unroll, kernel_initializer="ones"),
                ]
            )
            model.layers[1].set_weights([np.full(w.shape, 0.1) for w in model.layers[1].get_weights()])
            outputs.append(model.predict(x))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5)
    np.testing.assert_allclose(outputs[0][0, 1], outputs[0][0, 3])


@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda: L.Conv2D(2, 3, padding="same", activation="relu"), (4, 4, 1)),
        (lambda: L.DepthwiseConv2D(2), (4, 4, 2)),
        (lambda: L.Bidirectional(L.LSTM(2)), (3, 2)),
        (lambda: L.TimeDistributed(L.Dense(2)), (3, 2)),
        (lambda: L.RNN([L.LSTMCell(2), L.GRUCell(3)]), (3, 2)),
        (lambda: L.BatchNormalization(), (3,)),
        (lambda: L.CuDNNGRU(2), (3, 2)),
        (lambda: L.LayerNormalization(), (3, 2)),
    ],
)
def test_a_layer_made_of_its_configuration_computes_the_same(layer, shape):
    first = layer()
    x = _data(2, *shape)
    expected = _run(first, x)
    second = type(first).from_config(first.get_config())
    _run(second, x)
    second.set_weights(first.get_weights())
    np.testing.assert_allclose(_run(second, x), expected, rtol=1e-5)


def test_merging_layers_broadcast_and_refuse():
    a, b = _data(2, 3, 2), _data(2, 1, 2) + 1
    np.testing.assert_allclose(_run(L.Multiply(), a, b), a * b, rtol=1e-6)
    np.testing.assert_allclose(_run(L.Concatenate(axis=1), a, b), np.concatenate([a, b], 1))
    with pytest.raises(ValueError, match="list of at least 2 inputs"):
        L.Add()([L.Input((2,))])
    with pytest.raises(ValueError, match="matching shapes"):
        L.Concatenate()([L.Input((2, 3)), L.Input((3, 3))])


def test_dropout_drops_while_training_only():
    x = np.ones((1, 1000), np.float32)
    layer = L.Dropout(0.4)
    given = L.Input((1000,))
    run = K.function([given, K.learning_phase()], [layer(given)])
    np.testing.assert_allclose(run([x, 0])[0], x)
    kept = run([x, 1])[0]
    assert 0.5 < (kept > 0).mean() < 0.7
    np.testing.assert_allclose(kept[kept > 0], 1 / 0.6, rtol=1e-5)


def test_layers_say_what_they_take():
    with pytest.raises(ValueError, match="min_ndim=2"):
        L.Dense(2)(tf.ones([2]))
    with pytest.raises(TypeError, match="not understood"):
        L.Dense(2, nonsense=1)
    with pytest.raises(ValueError, match="batch size"):
        L.LSTM(2, stateful=True)(L.Input((3, 2)))
    with pytest.raises(ValueError, match="Unknown layer"):
        L.deserialize({"class_name": "Nonsense", "config": {}})


def _masked(layer):
    inputs = tf.keras.Input((5, 3))
    outputs = layer(tf.keras.layers.Masking()(inputs))
    return tf.keras.Model(inputs, outputs), outputs


def test_both_directions_give_zeros_where_the_mask_does_not_hold():
    model, _ = _masked(tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(2, return_sequences=True)))
    x = np.ones((2, 5, 3), "f")
    x[0, 2:] = 0
    found = model.predict(x)
    assert not found[0, 2:].any()
    assert found[0, :2].all()
    assert found[1].all()


def test_both_directions_keep_no_states_for_a_model():
    inner = tf.keras.layers.LSTM(2, stateful=True)
    layer = tf.keras.layers.Bidirectional(inner, batch_input_shape=(2, 5, 3))
    model = tf.keras.Sequential([layer])
    assert not layer.stateful
    x = np.ones((2, 5, 3), "f")
    np.testing.assert_array_equal(model.predict(x), model.predict(x))


@pytest.mark.parametrize(
    ("inner", "mask", "count"),
    [
        ("Dense(2)", "time_distributed/Reshape_3:0", 36),
        ("Activation('relu')", "time_distributed/Reshape_3:0", 17),
    ],
)
def test_time_steps_pass_the_mask_through_the_layer(inner, mask, count):
    tf.set_random_seed(1)
    layers = tf.keras.layers
    _, outputs = _masked(layers.TimeDistributed(eval(f"layers.{inner}", {"layers": layers})))
    assert (outputs._keras_mask.name, tf.get_seed(None)[1]) == (mask, count)


def test_a_layer_for_each_step_that_takes_no_masks_says_so():
    layers = tf.keras.layers
    inputs = tf.keras.Input((5, 3, 2))
    with pytest.raises(TypeError, match="does not support masking"):
        layers.TimeDistributed(layers.Flatten())(layers.Masking()(inputs))


class Stack(tf.keras.Model):
    """Normalizes, then computes; its layers lie in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.first = tf.keras.layers.Dense(2)
        self.inner = [tf.keras.layers.BatchNormalization(), tf.keras.layers.Dense(2)]
        self.scale = [tf.Variable(2.0, use_resource=True)]

    def call(self, x):
        x = self.first(x)
        for layer in self.inner:
            x = layer(x)
        return x * self.scale[0]


def test_lists_of_layers_name_what_is_trained_first():
    with tf.Graph().as_default():
        model = Stack()
        inputs = tf.keras.Input((3,))
        whole = tf.keras.Model(inputs, model(inputs))
        names = [w.name.split("/")[-1] for w in model.weights]
        assert names[:2] == ["kernel:0", "bias:0"]
        assert names[2:8] == ["gamma:0", "beta:0", "kernel:0", "bias:0", "moving_mean:0", "moving_variance:0"]
        assert whole.get_weights()[-1] == 2.0  # a variable in a list is initialized, too
        assert len(model.trainable_weights) == 7


def test_a_lambda_owns_the_variables_its_function_makes():
    with tf.Graph().as_default():
        layer = tf.keras.layers.Lambda(lambda x: x * tf.Variable(2.0, use_resource=True))
        inputs = tf.keras.Input((3,))
        model = tf.keras.Model(inputs, layer(inputs))
        layer(inputs)
        assert len(layer.trainable_weights) == 1
        model.compile("sgd", "mse")
        model.fit(np.ones((2, 3)), np.zeros((2, 3)), verbose=0)
        assert model.get_weights()[0] < 2.0


def test_a_lambda_of_a_named_function_is_saved_as_code():
    def doubled(x):
        return x * 2.0

    with tf.Graph().as_default():
        config = tf.keras.layers.Lambda(doubled).get_config()
        assert config["function_type"] == "lambda"
        inputs = tf.keras.Input((3,))
        again = tf.keras.layers.Lambda.from_config(config)
        found = tf.keras.Model(inputs, again(inputs)).predict(np.ones((1, 3)))
        assert found.tolist() == [[2.0, 2.0, 2.0]]
        assert tf.keras.layers.Lambda(tf.keras.backend.square).get_config()["function_type"] == "function"


def test_a_layer_without_an_output_shape_says_so():
    with tf.Graph().as_default(), pytest.raises(NotImplementedError, match="compute_output_shape"):
        tf.keras.layers.Layer().compute_output_shape((2, 3))


def test_the_first_of_several_calls_gives_input_and_output():
    with tf.Graph().as_default():
        layer = tf.keras.layers.Dense(2)
        first = tf.keras.Input((3,))
        output = layer(first)
        layer(tf.keras.Input((3,)))
        assert layer.output is output
        assert layer.input is first


@pytest.mark.parametrize(
    ("layer", "kept"),
    [(tf.keras.layers.ReLU, False), (tf.keras.layers.ELU, True), (tf.keras.layers.LeakyReLU, True)],
)
def test_which_activations_pass_masks_on(layer, kept):
    with tf.Graph().as_default():
        masked = tf.keras.layers.Masking()(tf.keras.Input((4, 3)))
        assert (getattr(layer()(masked), "_keras_mask", None) is not None) is kept


GRU_SETTINGS = """
    return_sequences return_state go_backwards stateful unroll time_major units activation
    recurrent_activation use_bias kernel_initializer recurrent_initializer bias_initializer
    kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer kernel_constraint
    recurrent_constraint bias_constraint dropout recurrent_dropout implementation reset_after
"""
LSTM_SETTINGS = GRU_SETTINGS.replace("bias_initializer", "bias_initializer unit_forget_bias").replace(
    "reset_after", ""
)
IMAGES_SETTINGS = LSTM_SETTINGS.replace(
    "units", "filters kernel_size strides padding data_format dilation_rate"
).replace("implementation", "")
CUDNN_SETTINGS = """
    return_sequences return_state go_backwards stateful time_major units kernel_initializer
    recurrent_initializer bias_initializer unit_forget_bias kernel_regularizer recurrent_regularizer
    bias_regularizer activity_regularizer kernel_constraint recurrent_constraint bias_constraint
"""
SEPARABLE_SETTINGS = """
    filters kernel_size strides padding data_format dilation_rate activation use_bias
    kernel_initializer bias_initializer kernel_regularizer bias_regularizer activity_regularizer
    kernel_constraint bias_constraint depth_multiplier depthwise_initializer pointwise_initializer
    depthwise_regularizer pointwise_regularizer depthwise_constraint pointwise_constraint
"""


@pytest.mark.parametrize(
    ("layer", "settings"),
    [
        (lambda: L.GRU(2), GRU_SETTINGS),
        (lambda: L.LSTM(2), LSTM_SETTINGS),
        (lambda: L.ConvLSTM2D(2, 2), IMAGES_SETTINGS),
        (lambda: L.SeparableConv2D(2, 2), SEPARABLE_SETTINGS),
        (lambda: L.CuDNNLSTM(2), CUDNN_SETTINGS),
        (lambda: L.MaxPooling2D(), "pool_size padding strides data_format"),
        (lambda: L.MaxPooling1D(), "strides pool_size padding data_format"),
    ],
)
def test_a_configuration_lists_settings_in_1_15s_order(layer, settings):
    assert list(layer().get_config()) == ["name", "trainable", "dtype", *settings.split()]


def test_a_mask_of_none_is_a_mask_that_was_given():
    x = L.Input((3, 2))
    masked = L.Masking()(x)
    data = np.array([[[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]]])
    pool = L.GlobalAveragePooling1D()
    model = tf.keras.Model(x, [pool(masked), pool(masked, mask=None)])
    kept, all_steps = model.predict(data)
    np.testing.assert_allclose(kept, [[2, 3]])
    np.testing.assert_allclose(all_steps, [[4 / 3, 2]], rtol=1e-6)


def test_the_axis_of_a_normalization_is_a_list_once_it_is_built():
    layer = L.BatchNormalization()
    assert layer.axis == -1 == layer.get_config()["axis"]
    layer(L.Input((3, 2)))
    assert layer.axis == [2]


def test_the_version_of_keras_is_told():
    assert tf.keras.__version__ == "2.2.4-tf"


@pytest.mark.parametrize("steps", [3, None])
def test_a_mean_over_time_leaves_masked_steps_out(steps):
    x = L.Input((steps, 2))
    model = tf.keras.Model(x, L.GlobalAveragePooling1D()(L.Masking()(x)))
    data = np.array([[[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]]])
    np.testing.assert_allclose(model.predict(data), [[2, 3]])
    drawn = {op.type for op in tf.get_default_graph().get_operations() if "pooling" in op.name}
    assert ("Reshape" in drawn) is (steps == 3)
