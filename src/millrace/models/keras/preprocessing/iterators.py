"""Batches of images, from arrays and from folders."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator as Iterating
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.models.keras.engine.generators import Sequence
from millrace.models.keras.preprocessing.pictures import array_to_img, data_format_of, img_to_array, load_img

ENDINGS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")


@public("keras.preprocessing.image.Iterator")
class Iterator(Sequence):
    """Batches of numbered samples, without end, or by number.

    Args:
      n: how many samples there are.
      batch_size: samples in a batch.
      shuffle: whether they are put in random order before each pass.
      seed: of the order.
    """

    white_list_formats = ENDINGS

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self.lock = threading.Lock()
        self.index_array: Any = None
        self.index_generator = self._flow_index()

    def _set_index_array(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def __getitem__(self, index: int) -> Any:
        if index >= len(self):
            raise ValueError(f"Asked to retrieve element {index}, but the Sequence has length {len(self)}")
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1
        if self.index_array is None:
            self._set_index_array()
        chosen = self.index_array[self.batch_size * index : self.batch_size * (index + 1)]  # pyright: ignore[reportOptionalSubscript]
        return self._get_batches_of_transformed_samples(chosen)

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def on_epoch_end(self) -> None:
        """Puts the samples in a new order."""
        self._set_index_array()

    def reset(self) -> None:
        """Begins with the first batch."""
        self.batch_index = 0

    def _flow_index(self) -> Iterating[Any]:
        self.reset()
        while True:
            if self.seed is not None:
                np.random.seed(self.seed + self.total_batches_seen)
            if self.batch_index == 0:
                self._set_index_array()
            start = (self.batch_index * self.batch_size) % self.n if self.n else 0
            self.batch_index = self.batch_index + 1 if self.n > start + self.batch_size else 0
            self.total_batches_seen += 1
            yield self.index_array[start : start + self.batch_size]

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self) -> Any:
        """The next batch."""
        with self.lock:
            chosen = next(self.index_generator)
        return self._get_batches_of_transformed_samples(chosen)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        """The batch of samples with the given numbers; subclasses say what it is."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to make a batch.")


def _save(iterator: Any, batch: Any, numbers: Any) -> None:
    """Writes the images of a batch where the user wants to see them."""
    if not iterator.save_to_dir:
        return
    for image, number in zip(batch, numbers, strict=True):
        name = f"{iterator.save_prefix}_{number}_{np.random.randint(10**4)}.{iterator.save_format}"
        array_to_img(image, iterator.data_format, scale=True).save(os.path.join(iterator.save_to_dir, name))


@public("keras.preprocessing.image.NumpyArrayIterator")
class NumpyArrayIterator(Iterator):
    """Batches of images in an array; see `ImageDataGenerator.flow`.

    Raises:
      ValueError: lengths or ranks do not suit, or the subset is unknown.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.dtype = dtype or settings.floatx()
        extra: list[Any] = []
        if isinstance(x, tuple | list):
            others = x[1] if isinstance(x[1], list) else [x[1]]
            x, extra = x[0], [np.asarray(e) for e in others]
        for name, other in (("labels", y), ("sample_weight", sample_weight), *[("input", e) for e in extra]):
            if other is not None and len(x) != len(other):
                raise ValueError(
                    f"`x` (images tensor) and `{name}` should have the same length. Found: x.shape = "
                    f"{np.asarray(x).shape}, {name}.shape = {np.asarray(other).shape}"
                )
        if subset is not None:
            if subset not in ("training", "validation"):
                raise ValueError(f'Invalid subset name: {subset}; expected "training" or "validation".')
            split = int(len(x) * image_data_generator._validation_split)
            part = slice(None, split) if subset == "validation" else slice(split, None)
            if y is not None and not np.array_equal(np.unique(y[:split]), np.unique(y[split:])):
                raise ValueError(
                    "Training and validation subsets have different number of classes after the split. If "
                    "your numpy arrays are sorted by the label, you might want to shuffle them."
                )
            x, extra = x[part], [e[part] for e in extra]
            y = None if y is None else y[part]
            sample_weight = None if sample_weight is None else sample_weight[part]
        self.x, self.x_misc = np.asarray(x, dtype=self.dtype), extra
        if self.x.ndim != 4:
            raise ValueError(
                "Input data in `NumpyArrayIterator` should have rank 4. You passed an array with shape "
                f"{self.x.shape}"
            )
        self.y = None if y is None else np.asarray(y)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        self.image_data_generator, self.data_format = image_data_generator, data_format_of(data_format)
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        super().__init__(self.x.shape[0], batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = np.zeros((len(index_array), *self.x.shape[1:]), dtype=self.dtype)
        generator = self.image_data_generator
        for place, number in enumerate(index_array):
            image = self.x[number]
            parameters = generator.get_random_transform(image.shape)
            image = generator.apply_transform(image.astype(self.dtype), parameters)
            batch[place] = generator.standardize(image)
        _save(self, batch, index_array)
        whole: Any = [batch, *[e[index_array] for e in self.x_misc]] if self.x_misc else batch
        if self.y is None:
            return whole
        if self.sample_weight is None:
            return whole, self.y[index_array]
        return whole, self.y[index_array], self.sample_weight[index_array]


class FileIterator(Iterator):
    """Batches of images from files."""

    filepaths: list[str]

    def _take_settings(
        self,
        image_data_generator: Any,
        target_size: Any,
        color_mode: str,
        data_format: str | None,
        saving: tuple[str | None, str, str],
        interpolation: str,
        dtype: Any,
    ) -> None:
        if color_mode not in ("rgb", "rgba", "grayscale"):
            raise ValueError(f'Invalid color mode: {color_mode}; expected "rgb", "rgba", or "grayscale".')
        self.dtype = dtype or settings.floatx()
        self.image_data_generator, self.target_size = image_data_generator, tuple(target_size)
        self.color_mode, self.data_format = color_mode, data_format_of(data_format)
        channels = {"rgb": 3, "rgba": 4, "grayscale": 1}[color_mode]
        first = self.data_format == "channels_first"
        self.image_shape = (channels, *self.target_size) if first else (*self.target_size, channels)
        self.save_to_dir, self.save_prefix, self.save_format = saving
        self.interpolation = interpolation

    def _loaded(self, index_array: Any) -> Any:
        """The images of a batch, changed at random as the generator says."""
        batch = np.zeros((len(index_array), *self.image_shape), dtype=self.dtype)
        generator = self.image_data_generator
        for place, number in enumerate(index_array):
            img = load_img(
                self.filepaths[number],
                color_mode=self.color_mode,
                target_size=self.target_size,
                interpolation=self.interpolation,
            )
            array = img_to_array(img, data_format=self.data_format)
            parameters = generator.get_random_transform(array.shape)
            batch[place] = generator.standardize(generator.apply_transform(array, parameters))
        _save(self, batch, index_array)
        return batch


@public("keras.preprocessing.image.DirectoryIterator")
class DirectoryIterator(FileIterator):
    """Batches of images in the folders of their classes; see `ImageDataGenerator.flow_from_directory`.

    Raises:
      ValueError: a mode or the subset is unknown.
    """

    def __init__(
        self,
        directory: Any,
        image_data_generator: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: Any = None,
    ) -> None:
        if class_mode not in ("categorical", "binary", "sparse", "input", None):
            raise ValueError(
                f'Invalid class_mode: {class_mode}; expected one of "categorical", "binary", "sparse", '
                '"input", or None.'
            )
        self._take_settings(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            (save_to_dir, save_prefix, save_format),
            interpolation,
            dtype,
        )
        self.directory, self.class_mode, self.subset = directory, class_mode, subset
        names = classes or sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        self.num_classes = len(names)
        self.class_indices = {name: number for number, name in enumerate(names)}
        share = share_of(image_data_generator, subset)
        self.filenames: list[str] = []
        numbers: list[int] = []
        for name in names:
            found = _images(os.path.join(directory, name), follow_links)
            found = found[int(share[0] * len(found)) : int(share[1] * len(found))]
            self.filenames.extend(os.path.join(name, f) for f in found)
            numbers.extend([self.class_indices[name]] * len(found))
        self.classes = np.array(numbers, dtype="int32")
        self.samples = len(self.filenames)
        self.filepaths = [os.path.join(directory, f) for f in self.filenames]
        sys.stdout.write(f"Found {self.samples} images belonging to {self.num_classes} classes.\n")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = self._loaded(index_array)
        if self.class_mode == "input":
            return batch, batch.copy()
        if self.class_mode is None:
            return batch
        labels = self.classes[index_array]
        if self.class_mode == "binary":
            return batch, labels.astype(self.dtype)
        if self.class_mode == "sparse":
            return batch, labels.astype(self.dtype)
        return batch, np.eye(self.num_classes, dtype=self.dtype)[labels]


def share_of(generator: Any, subset: str | None) -> tuple[float, float]:
    """The part of each class's images that belongs to a subset."""
    if subset is None:
        return 0.0, 1.0
    if subset == "validation":
        return 0.0, generator._validation_split
    if subset == "training":
        return generator._validation_split, 1.0
    raise ValueError(f'Invalid subset name: {subset}; expected "training" or "validation".')


def _images(folder: str, follow_links: bool) -> list[str]:
    """The images in a folder and those inside it, by name, relative to it."""
    found = []
    for root, _, files in sorted(os.walk(folder, followlinks=follow_links), key=lambda item: item[0]):
        chosen = [name for name in sorted(files) if name.lower().rpartition(".")[2] in ENDINGS]
        found.extend(os.path.relpath(os.path.join(root, name), folder) for name in chosen)
    return found
