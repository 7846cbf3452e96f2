"""`tf.resource_loader` and `tf.sysconfig`: files beside a program, and where this package lies."""

from __future__ import annotations

import os

from millrace.core.callers import calling_frame
from millrace.core.public import public
from millrace.graph.location import PACKAGE

_PACKAGE = PACKAGE.rstrip("/")


def _folder_of_caller() -> str:
    return os.path.dirname(os.path.abspath(calling_frame().f_code.co_filename))


@public("resource_loader.load_resource")
def load_resource(path: str) -> bytes:
    """The contents of a file of this package.

    Raises:
      OSError: there is none.
    """
    with open(os.path.join(get_root_dir_with_all_resources(), path), "rb") as file:
        return file.read()


@public("resource_loader.get_data_files_path")
def get_data_files_path() -> str:
    """The folder of the file that calls this."""
    return _folder_of_caller()


@public("resource_loader.get_root_dir_with_all_resources")
def get_root_dir_with_all_resources() -> str:
    """The folder of this package."""
    return _PACKAGE


@public("resource_loader.get_path_to_datafile")
def get_path_to_datafile(path: str) -> str:
    """The absolute path of a file that is named relative to the file that calls this."""
    return os.path.join(_folder_of_caller(), path)


@public("resource_loader.readahead_file_path")
def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """`path`: nothing is read ahead."""
    return path


@public("sysconfig.get_include")
def get_include() -> str:
    """A folder for header files; there are none, since operations are written in Python."""
    return os.path.join(_PACKAGE, "include")


@public("sysconfig.get_lib")
def get_lib() -> str:
    """The folder of this package."""
    return _PACKAGE


@public("sysconfig.get_compile_flags")
def get_compile_flags() -> list[str]:
    """What a compiler needs to find `get_include`."""
    return [f"-I{get_include()}", "-D_GLIBCXX_USE_CXX11_ABI=0"]


@public("sysconfig.get_link_flags")
def get_link_flags() -> list[str]:
    """What a linker needs to find `get_lib`."""
    return [f"-L{get_lib()}"]
