"""`tf.contrib.slim`: data sets and what provides their items."""

from __future__ import annotations

from typing import Any

from millrace.contributed.slim.reading import parallel_read
from millrace.core.public import public


@public("contrib.slim.dataset.Dataset")
class Dataset:
    """Where data lie and how they are read.

    Args:
      data_sources: paths or patterns.
      reader: a class of readers, `tf.TFRecordReader`.
      decoder: a `DataDecoder`.
      num_samples: how many examples there are.
      items_to_descriptions: what each item is.
      **kwargs: become attributes.
    """

    def __init__(
        self,
        data_sources: Any,
        reader: Any,
        decoder: Any,
        num_samples: int | None,
        items_to_descriptions: dict[str, str] | None,
        **kwargs: Any,
    ) -> None:
        self.data_sources, self.reader, self.decoder = data_sources, reader, decoder
        self.num_samples, self.items_to_descriptions = num_samples, items_to_descriptions
        for name, value in kwargs.items():
            setattr(self, name, value)


@public("contrib.slim.data_provider.DataProvider")
class DataProvider:
    """Tensors by the names of items.

    Args:
      items_to_tensors: the tensors.
      num_samples: how many examples there are.
    """

    def __init__(self, items_to_tensors: dict[str, Any], num_samples: int | None) -> None:
        self._items_to_tensors, self._num_samples = items_to_tensors, num_samples

    def get(self, items: Any) -> list[Any]:
        """The tensors of some items.

        Raises:
          ValueError: an item is not there.
        """
        self._validate_items(items)
        return [self._items_to_tensors[item] for item in items]

    def list_items(self) -> Any:
        """The names of all items."""
        return self._items_to_tensors.keys()

    def num_samples(self) -> int | None:
        """How many examples there are."""
        return self._num_samples

    def _validate_items(self, items: Any) -> None:
        if not isinstance(items, list | tuple):
            raise ValueError(f"items must be a list or tuple. Received: {items!r}")
        for item in items:
            if item not in self._items_to_tensors:
                raise ValueError(f"Item [{item}] does not exist in any of the data sources.")


@public("contrib.slim.dataset_data_provider.DatasetDataProvider")
class DatasetDataProvider(DataProvider):
    """The items of a data set, one example at a time.

    Args:
      dataset: a `Dataset`.
      num_readers: how many readers read its files.
      reader_kwargs: arguments of its reader.
      shuffle: whether files and examples are shuffled.
      num_epochs: how often every file is read; None: for ever.
      common_queue_capacity, common_queue_min: of the queue in between.
      record_key: the name of the item that holds an example's key.
      seed: of the shuffling.
      scope: default "parallel_read".

    Raises:
      ValueError: the data set has an item of that name.
    """

    def __init__(
        self,
        dataset: Any,
        num_readers: int = 1,
        reader_kwargs: Any = None,
        shuffle: bool = True,
        num_epochs: int | None = None,
        common_queue_capacity: int = 256,
        common_queue_min: int = 128,
        record_key: str = "record_key",
        seed: int | None = None,
        scope: str | None = None,
    ) -> None:
        key, data = parallel_read(
            dataset.data_sources,
            reader_class=dataset.reader,
            num_epochs=num_epochs,
            num_readers=num_readers,
            reader_kwargs=reader_kwargs,
            shuffle=shuffle,
            capacity=common_queue_capacity,
            min_after_dequeue=common_queue_min,
            seed=seed,
            scope=scope,
        )
        items = dataset.decoder.list_items()
        tensors = dict(zip(items, dataset.decoder.decode(data, items), strict=True))
        if record_key in tensors:
            raise ValueError(
                f"The item name used for `record_key` cannot also be used for a dataset item: {record_key}"
            )
        tensors[record_key] = key
        super().__init__(tensors, dataset.num_samples)
