"""`millrace --version`: what is installed, and what it finds to compute on."""

import importlib.metadata
import platform

from millrace import MILLRACE_VERSION


def versions() -> list[str]:
    """Lines with the versions of millrace, Python, NumPy and JAX, and the devices found."""
    lines = [f"millrace {MILLRACE_VERSION}", f"python {platform.python_version()}"]
    for name in ("numpy", "jax", "jaxlib"):
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name}: not installed")
    return [*lines, f"devices: {', '.join(_devices())}"]


def _devices() -> list[str]:
    from millrace.session.devices import list_devices

    try:
        return [device.name.rpartition("device:")[2] for device in list_devices()]
    except Exception as error:  # a version must be told even where no backend starts
        return [f"none ({error})"]
