"""Known architectures: their weights by name, their ends, their files, what is refused."""

import hashlib
import json

import numpy as np
import pytest

import millrace as tf

A = tf.keras.applications

# What TensorFlow 1.15 makes: the number of weights, the number of their elements, and a digest of their names
# and shapes in their order.
_RECORDED = {
    "DenseNet121": (606, 8062504, "f605390f5b401813"),
    "DenseNet169": (846, 14307880, "eec96e51c20573f4"),
    "DenseNet201": (1006, 20242984, "325d8960a0e26f1d"),
    "InceptionResNetV2": (898, 55873736, "be99ed76e0ac2dbf"),
    "InceptionV3": (378, 23851784, "519768afccbb70a8"),
    "MobileNet": (137, 4253864, "2f50242588469b5b"),
    "MobileNetV2": (262, 3538984, "7a35690ade984318"),
    "NASNetLarge": (1546, 88949818, "0c29cd4974503baf"),
    "NASNetMobile": (1126, 5326716, "46ae947fe18c4660"),
    "ResNet101": (626, 44707176, "9deda22a910845b4"),
    "ResNet101V2": (544, 44675560, "40f2e8c5793da443"),
    "ResNet152": (932, 60419944, "b845ced3be4c3e27"),
    "ResNet152V2": (816, 60380648, "bbc4a45168004728"),
    "ResNet50": (320, 25636712, "08a8aed58a6cf0e4"),
    "ResNet50V2": (272, 25613800, "69eeffba361e3fb6"),
    "VGG16": (32, 138357544, "99060d48444c7d3b"),
    "VGG19": (38, 143667240, "e53879f8a5f18b4d"),
    "Xception": (236, 22910480, "da370c8213f73f99"),
}


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with tf.Graph().as_default():
        yield


def _digest(model):
    rows = [f"{w.name} {tuple(w.shape.as_list())}" for w in model.weights]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


_QUICK = {"MobileNet", "MobileNetV2", "ResNet50", "VGG16", "Xception"}  # the others have many operations


@pytest.mark.parametrize(
    "name",
    [n if n in _QUICK else pytest.param(n, marks=pytest.mark.slow) for n in sorted(_RECORDED)],
)
def test_weights_are_those_of_tensorflow(name):
    model = getattr(A, name)(weights=None)
    assert (len(model.weights), model.count_params(), _digest(model)) == _RECORDED[name]


@pytest.mark.parametrize(("name", "end"), [("MobileNet", 1024), ("MobileNetV2", 1280), ("Xception", 2048)])
def test_without_classes_it_ends_in_features(name, end):
    model = getattr(A, name)(weights=None, include_top=False, input_shape=(96, 96, 3), pooling="max")
    assert model.output_shape == (None, end)
    found = model.predict(np.zeros((1, 96, 96, 3), np.float32))
    assert found.shape == (1, end) and np.isfinite(found).all()


def test_weights_come_from_a_path_or_from_the_folder_of_keras(tmp_path):
    asked = {"include_top": False, "input_shape": (32, 32, 3), "alpha": 0.25}
    model = A.MobileNet(weights=None, **asked)
    path = tmp_path / "weights.h5"
    model.save_weights(path)
    for other in (A.MobileNet(weights=str(path), **asked), None):
        if other is None:
            (tmp_path / "models").mkdir()
            path.rename(tmp_path / "models" / "mobilenet_2_5_224_tf_no_top.h5")
            other = A.MobileNet(weights="imagenet", **asked)
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, FileNotFoundError, "downloads no weights"),
        ({"weights": "elsewhere.h5"}, ValueError, "the path of a file that exists"),
        ({"classes": 3}, ValueError, "have 1000 classes"),
        ({"weights": None, "input_shape": (8, 8, 3)}, ValueError, "at least 32x32"),
        ({"weights": None, "input_shape": (64, 64)}, ValueError, "three integers"),
        ({"weights": None, "input_shape": (None, None, 3)}, ValueError, "static `input_shape`"),
        ({"input_shape": (64, 64, 3)}, ValueError, "should be"),
        ({"weights": None, "size": 7}, TypeError, "unexpected keyword"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        A.VGG16(**arguments)


def test_an_input_tensor_is_what_the_model_begins_with():
    given = tf.keras.Input((64, 64, 3), name="given")
    model = A.MobileNet(weights=None, input_tensor=given, include_top=False)
    assert model.inputs == [given] and model.output_shape == (None, 2, 2, 1024)


@pytest.mark.parametrize(
    ("module", "first"),
    [("resnet50", -103.939), ("resnet_v2", 200 / 127.5 - 1), ("densenet", (200 / 255 - 0.485) / 0.229)],
)
def test_images_are_prepared(module, first):
    x = np.zeros((1, 2, 2, 3), np.uint8)
    x[..., 0] = 200
    found = getattr(A, module).preprocess_input(x)
    assert found.dtype == np.float32 and x[0, 0, 0, 0] == 200
    np.testing.assert_allclose(found[0, 0, 0, 0], first, rtol=1e-5)
    swapped = getattr(A, module).preprocess_input(np.moveaxis(x, -1, 1), data_format="channels_first")
    np.testing.assert_array_equal(np.moveaxis(swapped, 1, -1), found)
    with tf.Session() as session:
        symbolic = getattr(A, module).preprocess_input(tf.constant(x.astype(np.float32)))
        np.testing.assert_allclose(session.run(symbolic), found, rtol=1e-5)


def test_answers_in_words(tmp_path):
    preds = np.zeros((1, 1000))
    preds[0, [3, 7]] = 0.25, 0.75
    with pytest.raises(FileNotFoundError, match="imagenet_class_index"):
        A.vgg16.decode_predictions(preds)
    (tmp_path / "models").mkdir()
    names = {str(k): [f"n{k}", f"thing {k}"] for k in range(1000)}
    (tmp_path / "models" / "imagenet_class_index.json").write_text(json.dumps(names))
    assert A.nasnet.decode_predictions(preds, top=2) == [[("n7", "thing 7", 0.75), ("n3", "thing 3", 0.25)]]
    with pytest.raises(ValueError, match="1000"):
        A.vgg16.decode_predictions(preds[:, :9])
