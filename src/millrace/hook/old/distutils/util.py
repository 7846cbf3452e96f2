"""Small functions of `distutils.util`."""

import sysconfig


def strtobool(val: str) -> int:
    """1 for y, yes, t, true, on, 1; 0 for n, no, f, false, off, 0.

    Raises:
      ValueError: another word.
    """
    word = val.lower()
    if word in ("y", "yes", "t", "true", "on", "1"):
        return 1
    if word in ("n", "no", "f", "false", "off", "0"):
        return 0
    raise ValueError(f"invalid truth value {val!r}")


def get_platform() -> str:
    """The platform, as "linux-x86_64"."""
    return sysconfig.get_platform()
