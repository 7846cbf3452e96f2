"""Which layers count as which, and what is a module or can be tracked, as in TensorFlow 1.15."""

import pytest

import millrace as tf

_WINDOWS = [f"{kind}{n}D" for kind in ("Conv", "MaxPooling", "AveragePooling") for n in (1, 2, 3)]
_BOTH = [
    *("Dense", "Dropout", "Flatten", "BatchNormalization", *_WINDOWS),
    *("Conv2DTranspose", "Conv3DTranspose", "SeparableConv1D", "SeparableConv2D"),
]


@pytest.mark.parametrize("name", _BOTH)
def test_layers_without_keras_count_as_those_of_keras(name):
    old, new = getattr(tf.layers, name), getattr(tf.keras.layers, name)
    assert issubclass(old, new) and not issubclass(new, old)


def test_transposed_and_depthwise_convolutions_count_as_convolutions():
    layers = tf.keras.layers
    assert isinstance(layers.Conv2DTranspose(2, 2), layers.Conv2D)
    assert isinstance(layers.DepthwiseConv2D(2), layers.Conv2D)
    assert isinstance(layers.Conv3DTranspose(2, 2), layers.Conv3D)
    assert not isinstance(layers.Conv2D(2, 2), (layers.Conv2DTranspose, layers.Conv1D))
    assert not issubclass(tf.layers.Conv2DTranspose, tf.layers.Conv2D)


def test_a_subclass_of_a_layer_may_be_abstract():
    import abc

    class Doubling(tf.keras.layers.Dense, abc.ABC):
        @abc.abstractmethod
        def twice(self): ...

    with pytest.raises(TypeError, match="abstract"):
        Doubling(2)


def test_what_can_be_tracked():
    base, auto = tf.contrib.checkpoint.CheckpointableBase, tf.contrib.checkpoint.Checkpointable
    with tf.Graph().as_default():
        variable, optimizer = tf.Variable(1.0), tf.train.AdamOptimizer()
        for value in (variable, optimizer, tf.layers.Dense(2), tf.Module(), auto()):
            assert isinstance(value, base)
        for value in (tf.layers.Dense(2), tf.Module(), tf.keras.Sequential(), auto()):
            assert isinstance(value, auto)
        for value in (variable, optimizer, base()):
            assert not isinstance(value, auto)
        assert not isinstance(tf.constant(1.0), base)


def test_linear_operators_are_modules():
    with tf.Graph().as_default():
        parts = [tf.linalg.LinearOperatorIdentity(2), tf.linalg.LinearOperatorIdentity(2)]
        whole = tf.linalg.LinearOperatorComposition(parts)
        assert isinstance(whole, tf.Module)
        assert whole.submodules == tuple(parts)


def test_input_specs_have_configurations():
    spec = tf.layers.InputSpec(tf.float32, shape=[None, 3], axes={-1: 3})
    config = spec.get_config()
    assert config == {
        "dtype": "float32",
        "shape": [None, 3],
        "ndim": 2,
        "max_ndim": None,
        "min_ndim": None,
        "axes": {-1: 3},
    }
    assert tf.layers.InputSpec.from_config(config).get_config() == config
