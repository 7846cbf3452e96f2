"""`ImageDataGenerator`: batches of images that are changed at random."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.models.keras.preprocessing.affine import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
)
from millrace.models.keras.preprocessing.frames import DataFrameIterator
from millrace.models.keras.preprocessing.iterators import DirectoryIterator, NumpyArrayIterator
from millrace.models.keras.preprocessing.pictures import data_format_of


@public("keras.preprocessing.image.ImageDataGenerator")
class ImageDataGenerator:
    """Makes batches of images that are changed at random, and put on a scale.

    Args:
      featurewise_center, featurewise_std_normalization: by the mean and deviation that `fit` found.
      samplewise_center, samplewise_std_normalization: by those of each image.
      zca_whitening: whether features are made independent of each other, as `fit` found.
      zca_epsilon: keeps that from dividing by zero.
      rotation_range: most degrees of a turn.
      width_shift_range, height_shift_range: most of a move: a share below 1, pixels, or a list to draw from.
      brightness_range: two factors.
      shear_range: most degrees of a shear.
      zoom_range: two factors, or how far from 1 they are.
      channel_shift_range: most that is added to all channels.
      fill_mode, cval: what is outside of the image.
      horizontal_flip, vertical_flip: whether images are mirrored, half of the time.
      rescale: a factor.
      preprocessing_function: what is done to an image before it is put on a scale.
      data_format: default, Keras's.
      validation_split: the share that `subset="validation"` gives.
      dtype: of the batches.

    Raises:
      ValueError: a setting is not what it should be.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-06,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Any = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        dtype: Any = None,
    ) -> None:
        self.data_format, self.dtype = data_format_of(data_format), dtype or settings.floatx()
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                f"`validation_split` must be strictly between 0 and 1. Received: {validation_split}"
            )
        self._validation_split = validation_split
        self.featurewise_center = featurewise_center or zca_whitening or featurewise_std_normalization
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.featurewise_std_normalization = featurewise_std_normalization and not zca_whitening
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.channel_shift_range, self.fill_mode, self.cval = channel_shift_range, fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.zoom_range = _two(zoom_range)
        if brightness_range is not None and (
            not isinstance(brightness_range, tuple | list) or len(brightness_range) != 2
        ):
            raise ValueError(
                f"`brightness_range` should be a tuple or list of two floats. Received: {brightness_range}"
            )
        self.brightness_range = brightness_range
        self.mean = self.std = self.principal_components = None

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of images in an array.

        Args:
          x: images, rank 4; or a pair of them and other arrays.
          y: labels.
          batch_size: images in a batch.
          shuffle: whether they are put in random order.
          sample_weight: of each image.
          seed: of the order and the changes.
          save_to_dir, save_prefix, save_format: where to write the changed images, to look at.
          subset: "training" or "validation".
        """
        return NumpyArrayIterator(
            x, y, self, batch_size, shuffle, sample_weight, seed, self.data_format, save_to_dir, save_prefix,
            save_format, subset, self.dtype,
        )  # fmt: skip

    def flow_from_directory(
        self,
        directory: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
    ) -> DirectoryIterator:
        """Batches of images in a folder that has one for each class.

        Args:
          directory: the folder.
          target_size: height and width of all images.
          color_mode: "grayscale", "rgb" or "rgba".
          classes: names of the folders, in order; default, all, sorted.
          class_mode: "categorical", "binary", "sparse", "input", or None for no labels.
          batch_size, shuffle, seed, save_to_dir, save_prefix, save_format, subset: as for `flow`.
          follow_links: whether links to folders are followed.
          interpolation: as for `load_img`.
        """
        return DirectoryIterator(
            directory, self, target_size, color_mode, classes, class_mode, batch_size, shuffle, seed,
            self.data_format, save_to_dir, save_prefix, save_format, follow_links, subset, interpolation,
            self.dtype,
        )  # fmt: skip

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Batches of images that a table names.

        Args:
          dataframe: a pandas DataFrame, or anything that gives columns by name.
          directory: the folder of the files; default: their names are whole paths.
          x_col: the column of the names.
          y_col: the column of the labels, or a list of columns.
          weight_col: the column of the samples' weights.
          target_size, color_mode, classes: as for `flow_from_directory`.
          class_mode: "categorical" (labels may be lists), "binary", "sparse", "input", "multi_output" and
            "raw" for labels as they are, or None for no labels.
          batch_size, shuffle, seed, save_to_dir, save_prefix, save_format, subset: as for `flow`.
          interpolation: as for `load_img`.
          validate_filenames: whether names that are not images are left out.
          **kwargs: older arguments: `sort`, `drop_duplicates`, `has_ext`; accepted.
        """
        return DataFrameIterator(
            dataframe, directory, self, x_col, y_col, weight_col, target_size, color_mode, classes,
            class_mode, batch_size, shuffle, seed, self.data_format, save_to_dir, save_prefix, save_format,
            subset, interpolation, self.dtype, validate_filenames,
        )  # fmt: skip

    # --- one scale ------------------------------------------------------------------------------------------

    def standardize(self, x: Any) -> Any:
        """An image, or a batch, on the scale that was asked for; a float array is changed in place."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + 1e-6
        if self.featurewise_center and self._fitted(self.mean, "featurewise_center"):
            x -= self.mean
        if self.featurewise_std_normalization and self._fitted(self.std, "featurewise_std_normalization"):
            x /= self.std + 1e-6  # pyright: ignore[reportOptionalOperand]
        if self.zca_whitening and self._fitted(self.principal_components, "zca_whitening"):
            flat = x.reshape(-1, np.prod(x.shape[-3:]))
            x = (flat @ self.principal_components).reshape(x.shape)
        return x

    def _fitted(self, found: Any, name: str) -> bool:
        if found is None:
            warnings.warn(
                f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any training data. "
                "Fit it first by calling `.fit(numpy_data)`.",
                stacklevel=3,
            )
        return found is not None

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Finds means, deviations and principal components of images.

        Args:
          x: images, rank 4.
          augment: whether they are changed at random first.
          rounds: how often, then.
          seed: of the changes.

        Raises:
          ValueError: the rank is another.
        """
        images = np.array(x, dtype=self.dtype)
        if images.ndim != 4:
            raise ValueError(f"Input to `.fit()` should have rank 4. Got array with shape: {images.shape}")
        if seed is not None:
            np.random.seed(seed)
        if augment:
            images = np.array(
                [self.random_transform(image) for _ in range(rounds) for image in images], dtype=self.dtype
            )
        axes = (0, self.row_axis, self.col_axis)
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = images.shape[self.channel_axis]
        if self.featurewise_center:
            self.mean = np.mean(images, axis=axes).reshape(shape)
            images -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(images, axis=axes).reshape(shape)
            images /= self.std + 1e-6
        if self.zca_whitening:
            flat = images.reshape(images.shape[0], -1)
            vectors, values, _ = np.linalg.svd(flat.T @ flat / flat.shape[0])
            self.principal_components = (vectors * (1.0 / np.sqrt(values + self.zca_epsilon))) @ vectors.T

    # --- changes --------------------------------------------------------------------------------------------

    def get_random_transform(self, img_shape: Any, seed: int | None = None) -> dict[str, Any]:
        """What to do to an image of a shape, drawn at random; `apply_transform` does it."""
        if seed is not None:
            np.random.seed(seed)
        theta = np.random.uniform(-self.rotation_range, self.rotation_range) if self.rotation_range else 0
        tx = _drawn_shift(self.height_shift_range, img_shape[self.row_axis - 1])
        ty = _drawn_shift(self.width_shift_range, img_shape[self.col_axis - 1])
        shear = np.random.uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        low, high = self.zoom_range
        zx, zy = (1, 1) if low == 1 and high == 1 else np.random.uniform(low, high, 2)
        horizontal = (np.random.random() < 0.5) * self.horizontal_flip
        vertical = (np.random.random() < 0.5) * self.vertical_flip
        shift = brightness = None
        if self.channel_shift_range != 0:
            shift = np.random.uniform(-self.channel_shift_range, self.channel_shift_range)
        if self.brightness_range is not None:
            brightness = np.random.uniform(self.brightness_range[0], self.brightness_range[1])
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": horizontal,
            "flip_vertical": vertical,
            "channel_shift_intensity": shift,
            "brightness": brightness,
        }

    def apply_transform(self, x: Any, transform_parameters: dict[str, Any]) -> Any:
        """An image changed as `get_random_transform` says."""
        row, column, channel = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        get = transform_parameters.get
        x = apply_affine_transform(
            x, get("theta", 0), get("tx", 0), get("ty", 0), get("shear", 0), get("zx", 1), get("zy", 1),
            row_axis=row, col_axis=column, channel_axis=channel, fill_mode=self.fill_mode, cval=self.cval,
        )  # fmt: skip
        if get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, get("channel_shift_intensity"), channel)  # pyright: ignore[reportArgumentType]
        if get("flip_horizontal", False):
            x = np.flip(x, column)
        if get("flip_vertical", False):
            x = np.flip(x, row)
        if get("brightness") is not None:
            x = apply_brightness_shift(x, get("brightness"))  # pyright: ignore[reportArgumentType]
        return x

    def random_transform(self, x: Any, seed: int | None = None) -> Any:
        """An image changed at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))


def _two(zoom_range: Any) -> list[float]:
    if np.isscalar(zoom_range):
        return [1 - zoom_range, 1 + zoom_range]  # type: ignore[operator]
    if len(zoom_range) == 2:
        return [zoom_range[0], zoom_range[1]]
    raise ValueError(
        f"`zoom_range` should be a float or a tuple or list of two floats. Received: {zoom_range}"
    )


def _drawn_shift(most: Any, size: int) -> Any:
    if isinstance(most, int | float) and not most:
        return 0
    if isinstance(most, float):
        shift = np.random.uniform(-most, most)
    else:
        shift = np.random.choice(most) * np.random.choice([-1, 1])
    return shift * size if np.max(most) < 1 else shift
