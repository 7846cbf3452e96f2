"""Images on their way into models."""

import numpy as np
import pytest

import millrace as tf

I = tf.keras.preprocessing.image  # noqa: E741


def _images(*shape):
    return np.abs(((np.arange(np.prod(shape)) * 7 % 11 - 5) * 20.0).reshape(shape)).astype(np.float32)


def test_an_array_is_a_picture_and_back(tmp_path):
    x = _images(4, 5, 3)
    I.save_img(str(tmp_path / "a.png"), x)
    back = I.img_to_array(I.load_img(str(tmp_path / "a.png")))
    np.testing.assert_allclose(back, x * 2.55, atol=1)
    assert I.load_img(str(tmp_path / "a.png"), color_mode="grayscale", target_size=(2, 3)).size == (3, 2)
    for wrong in (dict(color_mode="x"), dict(target_size=(2, 2), interpolation="x")):
        with pytest.raises(ValueError):
            I.load_img(str(tmp_path / "a.png"), **wrong)
    with pytest.raises(ValueError, match="channel number"):
        I.array_to_img(x[:, :, :2])
    with pytest.raises(ValueError, match="rank 3"):
        I.array_to_img(x[0])
    with pytest.raises(ValueError, match="data_format"):
        I.img_to_array(x, data_format="x")


def test_batches_follow_the_seed():
    make = I.ImageDataGenerator(
        rotation_range=20, width_shift_range=0.2, zoom_range=0.2, shear_range=5.0, horizontal_flip=True,
        channel_shift_range=3.0, brightness_range=(0.5, 1.5),
    )  # fmt: skip
    x, y = _images(5, 6, 6, 3), np.arange(5)
    first, second = (make.flow(x, y, batch_size=2, seed=4) for _ in range(2))
    for _ in range(4):
        (a, b), (c, d) = next(first), next(second)
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
    assert len(first) == 3 and first[2][0].shape == (1, 6, 6, 3)
    with pytest.raises(ValueError, match="length 3"):
        first[3]


def test_images_are_put_on_a_scale():
    x = _images(6, 4, 4, 3)
    make = I.ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    with pytest.warns(UserWarning, match="hasn't been fit"):
        make.standardize(x[0].copy())
    make.fit(x)
    found = next(make.flow(x, batch_size=6, shuffle=False))
    np.testing.assert_allclose(found.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(0, 1, 2)), 1, atol=1e-4)
    white = I.ImageDataGenerator(zca_whitening=True)
    white.fit(x, augment=True, rounds=2, seed=1)
    assert white.principal_components.shape == (48, 48)


def test_a_turn_by_a_quarter():
    x = np.arange(9.0).reshape(3, 3, 1)
    turned = I.apply_affine_transform(np.pad(x, ((0, 1), (0, 1), (0, 0))), theta=90, order=0)
    assert turned.shape == (4, 4, 1)
    np.random.seed(0)
    for change in (I.random_rotation, I.random_shear, I.random_channel_shift):
        assert change(_images(3, 4, 4), 10).shape == (3, 4, 4)
    with pytest.raises(ValueError, match="two floats"):
        I.random_zoom(x, (1,))


def test_folders_are_classes(tmp_path, capsys):
    for name in ("dog", "cat"):
        (tmp_path / name).mkdir()
        for k in range(3):
            I.save_img(str(tmp_path / name / f"{k}.png"), _images(4, 4, 3) + k)
        (tmp_path / name / "notes.txt").write_text("no image")
    make = I.ImageDataGenerator(rescale=1 / 255, validation_split=0.34)
    batches = make.flow_from_directory(str(tmp_path), target_size=(2, 2), batch_size=4, shuffle=False)
    assert batches.class_indices == {"cat": 0, "dog": 1} and "Found 6 images" in capsys.readouterr().out
    x, y = next(batches)
    assert x.shape == (4, 2, 2, 3) and y.argmax(1).tolist() == [0, 0, 0, 1]
    part = make.flow_from_directory(str(tmp_path), subset="validation", class_mode="binary")
    assert part.filenames == ["cat/0.png", "dog/0.png"]
    for wrong in (dict(class_mode="x"), dict(color_mode="x"), dict(subset="x")):
        with pytest.raises(ValueError):
            make.flow_from_directory(str(tmp_path), **wrong)


def test_wrong_settings_are_refused():
    for wrong in (
        dict(zoom_range=(1, 2, 3)),
        dict(validation_split=2.0),
        dict(data_format="x"),
        dict(brightness_range=3),
    ):
        with pytest.raises(ValueError):
            I.ImageDataGenerator(**wrong)
    make = I.ImageDataGenerator(validation_split=0.5)
    x = _images(4, 2, 2, 1)
    with pytest.raises(ValueError, match="rank 4"):
        make.flow(x[0])
    with pytest.raises(ValueError, match="same length"):
        make.flow(x, np.arange(3))
    with pytest.raises(ValueError, match="number of classes"):
        make.flow(x, np.array([0, 0, 1, 1]), subset="training")
    assert len(make.flow(x, batch_size=1, subset="validation")) == 2
