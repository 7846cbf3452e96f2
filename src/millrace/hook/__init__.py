"""Import hooks: `millrace.nn` for `millrace.api.nn`, and `tensorflow` for the whole public API."""

from millrace.hook.finder import PackageFinder, PrivateFinder, install, uninstall

__all__ = ["PackageFinder", "PrivateFinder", "install", "uninstall"]
