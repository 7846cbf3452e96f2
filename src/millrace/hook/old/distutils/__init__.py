"""The parts of `distutils`, which Python 3.12 removed, that programs use beyond building packages."""
