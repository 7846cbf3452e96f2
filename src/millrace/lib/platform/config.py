"""`tf.config`: devices, and settings of the process. What a session does is said by its `ConfigProto`."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.core.public import public
from millrace.session.devices import list_devices

PhysicalDevice = public("python.eager.context.PhysicalDevice")(
    namedtuple("PhysicalDevice", ["name", "device_type"])
)
LogicalDevice = public("python.eager.context.LogicalDevice")(
    namedtuple("LogicalDevice", ["name", "device_type"])
)
_POLICIES = ("silent", "silent_for_int32", "warn", "explicit")
_OPTIONS = frozenset(
    [
        "layout_optimizer",
        "constant_folding",
        "shape_optimization",
        "remapping",
        "arithmetic_optimization",
        "dependency_optimization",
        "loop_optimization",
        "function_optimization",
        "debug_stripper",
        "disable_model_pruning",
        "scoped_allocator_optimization",
        "pin_to_host_optimization",
        "implementation_selector",
        "auto_mixed_precision",
        "disable_meta_optimizer",
        "min_graph_nodes",
    ]
)


@public("config.experimental.VirtualDeviceConfiguration")
class VirtualDeviceConfiguration(namedtuple("VirtualDeviceConfiguration", ["memory_limit"])):
    """A part of a device.

    Args:
      memory_limit: in megabytes; None for what is there.
    """

    __slots__ = ()

    def __new__(cls, memory_limit: Any = None) -> VirtualDeviceConfiguration:
        """A part with a limit."""
        return super().__new__(cls, memory_limit)


class _Settings:
    """What the process has been told; every setting is one of the process, none of a graph."""

    inter_op = 0
    intra_op = 0
    soft_placement = False
    log_placement = False
    jit = False
    policy = "silent"
    synchronous = True
    options: dict[str, bool] = {}
    visible: list[Any] | None = None
    growth: dict[Any, bool] = {}
    virtual: dict[Any, list[Any]] = {}


@public("config.threading.get_inter_op_parallelism_threads")
def get_inter_op_parallelism_threads() -> int:
    """The number of threads between operations; 0 for as many as suit."""
    return _Settings.inter_op


@public("config.threading.set_inter_op_parallelism_threads")
def set_inter_op_parallelism_threads(num_threads: int) -> None:
    """Keeps the number of threads between operations; a session's config says what it uses."""
    _Settings.inter_op = int(num_threads)


@public("config.threading.get_intra_op_parallelism_threads")
def get_intra_op_parallelism_threads() -> int:
    """The number of threads within an operation; 0 for as many as suit."""
    return _Settings.intra_op


@public("config.threading.set_intra_op_parallelism_threads")
def set_intra_op_parallelism_threads(num_threads: int) -> None:
    """Keeps the number of threads within an operation; a session's config says what it uses."""
    _Settings.intra_op = int(num_threads)


@public("config.get_soft_device_placement")
def get_soft_device_placement() -> bool:
    """What `set_soft_device_placement` was given; False at first."""
    return _Settings.soft_placement


@public("config.set_soft_device_placement")
def set_soft_device_placement(enabled: bool) -> None:
    """Keeps whether operations may run elsewhere than they were placed; here they always may."""
    _Settings.soft_placement = bool(enabled)


@public("debugging.get_log_device_placement")
def get_log_device_placement() -> bool:
    """What `set_log_device_placement` was given; False at first."""
    return _Settings.log_placement


@public("debugging.set_log_device_placement")
def set_log_device_placement(enabled: bool) -> None:
    """Keeps whether placements are logged; a session's config says what it logs."""
    _Settings.log_placement = bool(enabled)


@public("config.optimizer.get_jit")
def get_jit() -> bool:
    """What `set_jit` was given; False at first."""
    return _Settings.jit


@public("config.optimizer.set_jit")
def set_jit(enabled: bool) -> None:
    """Keeps whether compilation is wanted; here what is worth it is compiled anyway."""
    _Settings.jit = bool(enabled)


@public("config.optimizer.get_experimental_options")
def get_experimental_options() -> dict[str, bool]:
    """What `set_experimental_options` was given, and the two that are never unset."""
    return {"disable_model_pruning": False, "disable_meta_optimizer": False, **_Settings.options}


@public("config.optimizer.set_experimental_options")
def set_experimental_options(options: dict[str, bool]) -> None:
    """Keeps options of graph optimizers by name; names that TensorFlow does not have are passed over."""
    _Settings.options = {**_Settings.options, **{k: v for k, v in options.items() if k in _OPTIONS}}


@public("config.experimental.get_device_policy")
def get_device_policy() -> str:
    """The policy for tensors on other devices: "silent" at first."""
    return _Settings.policy


@public("config.experimental.set_device_policy")
def set_device_policy(device_policy: str | None) -> None:
    """Keeps a policy: "silent", "silent_for_int32", "warn", "explicit", or None for the first.

    Raises:
      ValueError: it is none of these.
    """
    if device_policy is not None and device_policy not in _POLICIES:
        raise ValueError(f"Not a valid device policy: {device_policy!r}")
    _Settings.policy = device_policy or "silent"


@public("config.experimental.get_synchronous_execution")
def get_synchronous_execution() -> bool:
    """What `set_synchronous_execution` was given; True at first."""
    return _Settings.synchronous


@public("config.experimental.set_synchronous_execution")
def set_synchronous_execution(enable: bool) -> None:
    """Keeps whether eager operations wait; sessions return results in any case."""
    _Settings.synchronous = bool(enable)


@public("config.experimental_run_functions_eagerly")
def experimental_run_functions_eagerly(run_eagerly: bool) -> None:
    """Does nothing in graph mode."""


@public("config.experimental_connect_to_host")
def experimental_connect_to_host(remote_host: Any = None, job_name: str = "worker") -> None:
    """Accepted: what is computed elsewhere is said by a session's target.

    Raises:
      ValueError: no host is given.
    """
    if not remote_host:
        raise ValueError("Must provide at least one remote_host")


@public("config.experimental_connect_to_cluster")
def experimental_connect_to_cluster(
    cluster_spec_or_resolver: Any, job_name: str = "localhost", task_index: int = 0, protocol: Any = None
) -> None:
    """Accepted: what is computed elsewhere is said by a session's target."""


@public("config.experimental_list_devices", "contrib.eager.list_devices")
def experimental_list_devices() -> list[str]:
    """The full names of the devices."""
    return [device.name for device in list_devices()]


def _physical() -> list[Any]:
    kinds = [(d.device_type, d.name.rpartition(":")[2]) for d in list_devices()]
    return [PhysicalDevice(f"/physical_device:{kind}:{number}", kind) for kind, number in kinds]


@public("config.experimental.list_physical_devices")
def list_physical_devices(device_type: str | None = None) -> list[Any]:
    """The machine's devices.

    Args:
      device_type: only those of this type.
    """
    return [d for d in _physical() if device_type in (None, d.device_type)]


@public("config.experimental.list_logical_devices")
def list_logical_devices(device_type: str | None = None) -> list[Any]:
    """The devices that operations can be placed on.

    Args:
      device_type: only those of this type.
    """
    found = [LogicalDevice(d.name, d.device_type) for d in list_devices()]
    return [d for d in found if device_type in (None, d.device_type)]


@public("config.experimental.get_visible_devices")
def get_visible_devices(device_type: str | None = None) -> list[Any]:
    """The devices that `set_visible_devices` left; all at first.

    Args:
      device_type: only those of this type.
    """
    seen = _physical() if _Settings.visible is None else _Settings.visible
    return [d for d in seen if device_type in (None, d.device_type)]


@public("config.experimental.set_visible_devices")
def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Keeps which devices are wanted; a session's config says what it sees.

    Args:
      devices: a device or a list of them.
      device_type: what is said about; all types without it.

    Raises:
      ValueError: a device is not there, or of another type.
    """
    listed = isinstance(devices, list | tuple) and not _is_device(devices)
    wanted: list[Any] = list(devices) if listed else [devices]
    for device in wanted:
        _known(device)
        if device_type is not None and device.device_type != device_type:
            raise ValueError(f"Unrecognized device: {device!r}")
    kept = [d for d in get_visible_devices() if device_type is not None and d.device_type != device_type]
    _Settings.visible = kept + wanted


@public("config.experimental.get_memory_growth")
def get_memory_growth(device: Any) -> bool:
    """What `set_memory_growth` was given for a device; False at first.

    Raises:
      ValueError: the device is not there.
    """
    return _Settings.growth.get(_known(device), False)


@public("config.experimental.set_memory_growth")
def set_memory_growth(device: Any, enable: bool) -> None:
    """Keeps whether the memory of a GPU is taken little by little.

    Raises:
      ValueError: the device is not there, or not a GPU.
    """
    if _known(device).device_type != "GPU":
        raise ValueError("Cannot set memory growth on non-GPU devices")
    _Settings.growth = {**_Settings.growth, device: bool(enable)}


@public("config.experimental.get_virtual_device_configuration")
def get_virtual_device_configuration(device: Any) -> list[Any] | None:
    """What `set_virtual_device_configuration` was given for a device; None at first.

    Raises:
      ValueError: the device is not there.
    """
    return _Settings.virtual.get(_known(device))


@public("config.experimental.set_virtual_device_configuration")
def set_virtual_device_configuration(device: Any, virtual_devices: list[Any]) -> None:
    """Keeps the parts that a device is to have; a session's config says how many it has.

    Raises:
      ValueError: the device is not there, or a CPU's part has a limit.
    """
    if _known(device).device_type == "CPU" and any(v.memory_limit is not None for v in virtual_devices):
        raise ValueError("Setting memory limit on CPU virtual devices is currently not supported")
    _Settings.virtual = {**_Settings.virtual, device: list(virtual_devices)}


def _is_device(value: Any) -> bool:
    return isinstance(value, PhysicalDevice)


def _known(device: Any) -> Any:
    if device not in _physical():
        raise ValueError(f"Unrecognized device: {device!r}")
    return device
