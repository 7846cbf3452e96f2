"""`tf.contrib.learn.datasets`: data sets that are computed, and those that lie in local files. Nothing is
downloaded.
"""

from __future__ import annotations

import csv
import functools
import os
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.contributed.examples import mnist
from millrace.contributed.learn.tables import Dataset, Datasets, load_csv_with_header, load_csv_without_header
from millrace.core.errors import NotFoundError
from millrace.core.public import public
from millrace.lib.platform import gfile


def _needed(path: Any, what: str) -> Any:
    if path is None or not gfile.exists(path):
        raise NotFoundError(
            None, None, f"{what}: millrace brings no data and downloads none. Received: {path!r}"
        )
    return path


@public("contrib.learn.datasets.load_iris", "contrib.learn.datasets.base.load_iris")
def load_iris(data_path: Any = None) -> Dataset:
    """Fisher's iris flowers, from a local table.

    Args:
      data_path: a table as `load_csv_with_header` reads it.

    Raises:
      NotFoundError: there is no such file.
    """
    return load_csv_with_header(_needed(data_path, "load_iris"), int, float)


@public("contrib.learn.datasets.load_boston", "contrib.learn.datasets.base.load_boston")
def load_boston(data_path: Any = None) -> Dataset:
    """House prices in Boston, from a local table.

    Args:
      data_path: a table as `load_csv_with_header` reads it.

    Raises:
      NotFoundError: there is no such file.
    """
    return load_csv_with_header(_needed(data_path, "load_boston"), float, float)


@public("contrib.learn.datasets.text_datasets.maybe_download_dbpedia")
def maybe_download_dbpedia(data_dir: Any) -> None:
    """Checks that DBpedia's two tables lie in `dbpedia_csv` of a folder.

    Raises:
      NotFoundError: they do not.
    """
    for part in ("train", "test"):
        _needed(os.path.join(data_dir, "dbpedia_csv", f"{part}.csv"), "maybe_download_dbpedia")


DBPEDIA_URL = public("contrib.learn.datasets.text_datasets.DBPEDIA_URL")(
    "https://github.com/le-scientifique/torchDatasets/raw/master/dbpedia_csv.tar.gz"
)


@public("contrib.learn.datasets.text_datasets.load_dbpedia")
def load_dbpedia(size: str = "small", test_with_fake_data: bool = False) -> Datasets:
    """DBpedia's articles by class, from `dbpedia_data` in the working directory.

    Args:
      size: "small" reads a thousandth, which it writes beside the tables first.
      test_with_fake_data: not for tables that are not there; refused.

    Raises:
      NotFoundError: there are no tables.
    """
    folder = os.path.join("dbpedia_data", "dbpedia_csv")
    if test_with_fake_data:
        raise NotFoundError(None, None, "load_dbpedia: millrace brings no made-up tables. Received: True")
    maybe_download_dbpedia("dbpedia_data")
    paths = [os.path.join(folder, f"{part}.csv") for part in ("train", "test")]
    if size == "small":
        for path in paths:
            shrink_csv(path, 1000)
        paths = [path.replace(".csv", "_small.csv") for path in paths]
    train, test = (load_csv_without_header(path, np.int32, np.str_, target_column=0) for path in paths)
    return Datasets(train=train, validation=None, test=test)


# --- files


@public("contrib.learn.datasets.base.maybe_download")
def maybe_download(filename: str, work_directory: Any, source_url: str) -> str:
    """The path of a file that is there.

    Args:
      filename: its name.
      work_directory: its folder.
      source_url: where it could be had; nothing is downloaded.

    Raises:
      NotFoundError: it is not there.
    """
    del source_url
    return _needed(os.path.join(work_directory, filename), "maybe_download")


@public("contrib.learn.datasets.base.urlretrieve_with_retry")
def urlretrieve_with_retry(*args: Any, **kwargs: Any) -> Any:
    """Nothing is downloaded.

    Raises:
      NotFoundError: always.
    """
    raise NotFoundError(None, None, f"urlretrieve: millrace downloads nothing. Received: {args}, {kwargs}")


@public("contrib.learn.datasets.base.shrink_csv")
def shrink_csv(filename: str, ratio: int) -> None:
    """Writes every `ratio`-th row of a table into another, whose name ends in `_small.csv`.

    Args:
      filename: of the table.
      ratio: which rows.
    """
    with open(filename, newline="") as table, open(filename.replace(".csv", "_small.csv"), "w") as small:
        writer = csv.writer(small, lineterminator="\n")
        for number, row in enumerate(csv.reader(table)):
            if number % ratio == 0:
                writer.writerow(row)


@public("contrib.learn.datasets.base.retry")
def retry(
    initial_delay: float,
    max_delay: float,
    factor: float = 2.0,
    jitter: float = 0.25,
    is_retriable: Callable[[Exception], bool] | None = None,
) -> Callable[..., Any]:
    """A decorator: a function is called again where it fails.

    Args:
      initial_delay: seconds before the second call.
      max_delay: no wait is longer; where it would be, the error is raised.
      factor: each wait is so many times the one before.
      jitter: each wait is longer or shorter by this share at most, by chance.
      is_retriable: whether an error is worth another call; default, each is.

    Raises:
      ValueError: `factor` is below 1, or `jitter` not below 1.
    """
    if factor < 1:
        raise ValueError(f"factor must be >= 1; was {factor:f}")
    if jitter >= 1:
        raise ValueError(f"jitter must be < 1; was {jitter:f}")

    def waits() -> Any:
        wait = initial_delay
        while wait <= max_delay:
            yield wait * random.uniform(1 - jitter, 1 + jitter)
            wait *= factor

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            for wait in waits():
                try:
                    return function(*args, **kwargs)
                except Exception as error:
                    if is_retriable is not None and not is_retriable(error):
                        raise
                    time.sleep(wait)
            return function(*args, **kwargs)

        return called

    return wrap


# --- computed data


def _shuffled(parts: list[tuple[Any, Any]], labels: list[int], noise: float | None) -> Dataset:
    data = np.vstack([np.concatenate(column) for column in zip(*parts, strict=True)]).T
    target = np.concatenate(
        [np.full(len(part[0]), label, np.int32) for part, label in zip(parts, labels, strict=True)]
    )
    order = np.random.permutation(len(data))
    if noise is not None:
        data = data + np.random.normal(scale=noise, size=data.shape)
    return Dataset(data=data[order], target=target[order])


@public("contrib.learn.datasets.synthetic.circles")
def circles(
    n_samples: int = 100,
    noise: float | None = None,
    seed: int | None = None,
    factor: float = 0.8,
    n_classes: int = 2,
    *args: Any,
    **kwargs: Any,
) -> Dataset:
    """Points on circles in one another, a class each.

    Args:
      n_samples: how many points; what does not divide by the classes lies anywhere.
      noise: the deviation of what is added to them.
      seed: of NumPy's generator.
      factor: each circle is so many times as wide as the one around it.
      n_classes: how many circles.
      *args, **kwargs: ignored.
    """
    del args, kwargs
    if seed is not None:
        np.random.seed(seed)
    angles = np.linspace(0, 2 * np.pi, n_samples // n_classes)
    x, y = np.cos(angles), np.sin(angles)
    parts: list[tuple[Any, Any]] = []
    for _ in range(n_classes):
        parts.append((x, y))
        x, y = x * factor, y * factor
    extra = n_samples % n_classes
    parts.append((np.cos(np.random.rand(extra) * 2 * np.pi), np.sin(np.random.rand(extra) * 2 * np.pi)))
    return _shuffled(parts, [*range(n_classes), 0], noise)


_SPIRALS: dict[str, Callable[[Any], Any]] = {
    "archimedes": lambda angle: angle,
    "bernoulli": lambda angle: np.exp(0.1 * angle),
    "fermat": np.sqrt,
}


@public("contrib.learn.datasets.synthetic.spirals")
def spirals(
    n_samples: int = 100,
    noise: float | None = None,
    seed: int | None = None,
    mode: str = "archimedes",
    n_loops: int = 2,
    *args: Any,
    **kwargs: Any,
) -> Dataset:
    """Points on two spirals, a class each.

    Args:
      n_samples: how many points.
      noise: the deviation of what is added to them.
      seed: of NumPy's generator.
      mode: "archimedes", "bernoulli" or "fermat".
      n_loops: how often they go round.
      *args, **kwargs: ignored.

    Raises:
      ValueError: there is no such mode.
    """
    del args, kwargs
    if mode not in _SPIRALS:
        raise ValueError(f"Cannot generate spiral with mode {mode}")
    if seed is not None:
        np.random.seed(seed)
    radius = _SPIRALS[mode]

    def spiral(angles: Any, turned: float) -> tuple[Any, Any]:
        x, y = radius(angles) * np.cos(angles + turned), radius(angles) * np.sin(angles + turned)
        return x / np.max(np.abs(x)), y / np.max(np.abs(y))

    angles = np.linspace(0, 2 * n_loops * np.pi, n_samples // 2)
    parts, labels = [spiral(angles, 0.0), spiral(angles, np.pi)], [0, 1]
    if n_samples % 2:
        parts.append(spiral(np.random.rand(1) * 2 * np.pi, 0.0))
        labels.append(0)
    return _shuffled(parts, labels, noise)


SYNTHETIC = public("contrib.learn.datasets.SYNTHETIC")({"circles": circles, "spirals": spirals})
DATASETS = public("contrib.learn.datasets.DATASETS")(
    {"iris": load_iris, "boston": load_boston, "mnist": mnist.load_mnist, "dbpedia": load_dbpedia}
)


@public("contrib.learn.datasets.make_dataset")
def make_dataset(
    name: str,
    n_samples: int = 100,
    noise: float | None = None,
    seed: int | None = 42,
    *args: Any,
    **kwargs: Any,
) -> Dataset:
    """A computed data set.

    Args:
      name: one of `SYNTHETIC`.
      n_samples, noise, seed: as for the function.
      *args, **kwargs: passed on.

    Raises:
      ValueError: there is no such data set.
    """
    if name not in SYNTHETIC:
        known = ", ".join(sorted(SYNTHETIC))
        raise ValueError(f"There is no synthetic data set of that name. Received: {name!r}; known: {known}")
    return SYNTHETIC[name](n_samples, noise, seed, *args, **kwargs)


@public("contrib.learn.datasets.load_dataset")
def load_dataset(name: str, size: str = "small", test_with_fake_data: bool = False) -> Any:
    """A data set from local files.

    Args:
      name: one of `DATASETS`.
      size, test_with_fake_data: of DBpedia.

    Raises:
      ValueError: there is no such data set.
      NotFoundError: there are no files.
    """
    if name not in DATASETS:
        raise ValueError(f"Name of dataset is not found: {name}")
    return DATASETS[name](size, test_with_fake_data) if name == "dbpedia" else DATASETS[name]()
