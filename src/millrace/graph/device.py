"""Device names: `/job:worker/replica:0/task:1/device:GPU:0`, given in full or in part, merged by scopes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from millrace.core.public import public

_KINDS = ("CPU", "GPU", "TPU")


@public("DeviceSpec")
@dataclass(unsafe_hash=True)
class DeviceSpec:
    """A device, possibly known only in part.

    Attributes:
      job: the job's name.
      replica, task: indices.
      device_type: "CPU", "GPU", ...
      device_index: which of that type.
    """

    job: str | None = None
    replica: int | None = None
    task: int | None = None
    device_type: str | None = None
    device_index: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.device_type, str) and self.device_type.upper() in _KINDS:
            self.device_type = self.device_type.upper()

    @staticmethod
    def from_string(spec: str) -> DeviceSpec:
        """Reads a device name.

        Raises:
          ValueError: `spec` is not of the form `/job:name/task:0/device:GPU:0`.
        """
        found: dict[str, Any] = {}
        for part in filter(None, spec.split("/")):
            fields = part.split(":")
            key = fields[0].lower()
            if key in ("replica", "task") and len(fields) == 2 and fields[1].isdigit():
                found[key] = int(fields[1])
            elif key == "job" and len(fields) == 2 and fields[1]:
                found["job"] = fields[1]
            elif key in ("device", "cpu", "gpu", "tpu") and "device_type" in found:
                raise ValueError(f"A device has one type. Received: {spec!r}")
            elif key == "device" and len(fields) in (2, 3):
                found["device_type"] = fields[1].upper()
                if len(fields) == 3 and fields[2] != "*":
                    found["device_index"] = _index(fields[2], spec)
            elif key in ("cpu", "gpu", "tpu") and len(fields) in (1, 2):
                found["device_type"] = key.upper()
                if len(fields) == 2 and fields[1] != "*":
                    found["device_index"] = _index(fields[1], spec)
            else:
                raise ValueError(
                    f"Unknown attribute {fields[0]!r} in device specification. Received: {spec!r}"
                )
        return DeviceSpec(**found)

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Becomes the device that `spec` names, and returns itself.

        Raises:
          ValueError: as `from_string`.
        """
        for name, value in vars(DeviceSpec.from_string(spec)).items():
            setattr(self, name, value)
        return self

    def merge_from(self, dev: DeviceSpec) -> None:
        """Takes over the parts that `dev` names."""
        for name, value in vars(dev).items():
            if value is not None:
                setattr(self, name, value)

    def to_string(self) -> str:
        """The canonical name."""
        text = "" if self.job is None else f"/job:{self.job}"
        text += "" if self.replica is None else f"/replica:{self.replica}"
        text += "" if self.task is None else f"/task:{self.task}"
        if self.device_type is not None:
            text += f"/device:{self.device_type}:{'*' if self.device_index is None else self.device_index}"
        return text

    def replace(self, **kwargs: Any) -> DeviceSpec:
        """This spec with the parts that are given replaced.

        Raises:
          TypeError: a part has another name.
        """
        return replace(self, **kwargs)

    def make_merged_spec(self, dev: DeviceSpec) -> DeviceSpec:
        """This spec with the parts that `dev` names replaced."""
        return replace(self, **{k: v for k, v in vars(dev).items() if v is not None})


def _index(text: str, spec: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise ValueError(f"a device index is a number. Received: {spec!r}")
    return int(text)


def canonical(device: Any) -> str:
    """The canonical text of a device string, DeviceSpec or None."""
    if device is None or device == "":
        return ""
    spec = device if hasattr(device, "to_string") else DeviceSpec.from_string(device)
    return spec.to_string()


def merge_function(spec: Any) -> Callable[[Any], str]:
    """A device function that fills in what inner scopes left open.

    Raises:
      ValueError: `spec` is not a device name.
    """
    outer = spec if isinstance(spec, DeviceSpec) else DeviceSpec.from_string(canonical(spec))

    def merge(op: Any) -> str:
        current = op.device
        return (
            outer.make_merged_spec(DeviceSpec.from_string(current)).to_string()
            if current
            else outer.to_string()
        )

    return merge
