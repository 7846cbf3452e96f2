"""`MultiDeviceIterator`: the elements of one dataset, dealt out to several devices in turn."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.datasets.elements import attrs_of, int64
from millrace.datasets.functions import element_from
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor


@public("python.data.ops.multi_device_iterator_ops.MultiDeviceIterator")
class MultiDeviceIterator:
    """Deals the elements of a dataset out to devices, in turn.

    Args:
      dataset: the dataset.
      devices: their names; the session moves what each takes.
      max_buffer_size: elements kept for a device that is slower than the others.
      prefetch_buffer_size: accepted; put `prefetch` at the end of the dataset to make elements ahead.
      source_device: accepted.

    Raises:
      ValueError: there are no devices.
    """

    def __init__(
        self,
        dataset: Any,
        devices: Any,
        max_buffer_size: int = 1,
        prefetch_buffer_size: int = 1,
        source_device: str = "/cpu:0",
    ) -> None:
        self._devices = [str(device) for device in devices]
        if not self._devices:
            raise ValueError("MultiDeviceIterator: at least one device is needed. Received: none")
        self._spec = dataset.element_spec
        attrs = attrs_of(self._spec)
        self._resource = raw.MultiDeviceIterator(devices=self._devices, shared_name="", container="", **attrs)
        size = int64(max_buffer_size, "max_buffer_size")
        self._incarnation: Tensor = raw.MultiDeviceIteratorInit(dataset._optioned(), self._resource, size)

    @property
    def initializer(self) -> Operation:
        """The operation that starts it at the beginning of the dataset."""
        return self._incarnation.op

    @property
    def element_spec(self) -> Any:
        """Nested specs of an element."""
        return self._spec

    def get_next(self, device: str | None = None) -> Any:
        """The next element for `device`; without one, a list of elements, one for each device.

        Raises:
          ValueError: the device is not one of those it was made for.
          OutOfRangeError: when run, at the end.
        """
        if device is not None:
            if device not in self._devices:
                raise ValueError(f"get_next: a device of {self._devices} is needed. Received: {device!r}")
            return self._next(self._devices.index(device))
        return [self._next(i) for i in range(len(self._devices))]

    def _next(self, shard: int) -> Any:
        number = convert.to_tensor(shard, dtypes.int32, "shard_num")
        latest = convert.to_tensor(0, dtypes.int64, "incarnation_id")
        attrs = attrs_of(self._spec)
        tensors = raw.MultiDeviceIteratorGetNextFromShard(self._resource, number, latest, **attrs)
        return element_from(self._spec, tensors)
