"""What `Session.list_devices` tells."""

from __future__ import annotations

import os
from typing import Any

from millrace.core import protos
from millrace.core.public import public

_HOST = "/job:localhost/replica:0/task:0/device:"
_CPU_BYTES = 256 << 20  # what TensorFlow reports for the CPU, whatever the machine has
_INCARNATION = int.from_bytes(os.urandom(7))


@public("python.client.session._DeviceAttributes")
class DeviceAttributes:
    """One device.

    Attributes:
      name: in full, `/job:localhost/replica:0/task:0/device:CPU:0`.
      device_type: "CPU", "GPU" or "TPU".
      memory_limit_bytes: as far as it is known.
      incarnation: a number that differs between processes.
    """

    def __init__(self, name: str, device_type: str, memory_limit_bytes: int, incarnation: int) -> None:
        self.name = name
        self.device_type = device_type
        self.memory_limit_bytes = memory_limit_bytes
        self.incarnation = incarnation

    def __repr__(self) -> str:
        facts = self.name, self.device_type, self.memory_limit_bytes, self.incarnation
        return f"_DeviceAttributes({', '.join(map(str, facts))})"


def list_devices(cpus: int = 1) -> list[DeviceAttributes]:
    """The CPU, under as many names as were asked for, and the accelerators that JAX finds."""
    found = [DeviceAttributes(f"{_HOST}CPU:{i}", "CPU", _CPU_BYTES, _INCARNATION + i) for i in range(cpus)]
    from millrace.runtime.xla import lowering as xla

    for kind, index, limit in xla.accelerators():
        found.append(DeviceAttributes(f"{_HOST}{kind}:{index}", kind, limit, _INCARNATION + len(found)))
    return found


@public("python.client.device_lib.list_local_devices")
def list_local_devices(session_config: Any = None) -> list[Any]:
    """The same devices as `DeviceAttributes` messages.

    Args:
      session_config: accepted for TensorFlow's form.
    """
    return [
        protos.DeviceAttributes(
            name=device.name.removeprefix("/job:localhost/replica:0/task:0"),
            device_type=device.device_type,
            memory_limit=device.memory_limit_bytes,
            incarnation=device.incarnation,
        )
        for device in list_devices()
    ]
