"""Graphs, sessions and gradients: `import millrace as tf` runs TensorFlow 1 programs.

The public names are those of `millrace.api`, generated from the `@public` lines of the source; each is
imported when it is first used.
"""

import sys

from millrace import api, hook
from millrace.hook import tracebacks

# In front of the other finders, so that `millrace.contrib.layers` is the module
# `millrace.api.contrib.layers` and never a second copy of it.
sys.meta_path.insert(0, hook.PackageFinder("millrace"))
sys.meta_path.append(hook.PrivateFinder)  # pyright: ignore[reportArgumentType]
tracebacks.install()

TYPE_CHECKING = False  # `typing` itself would take a sixth of the time of the import

__all__: list[str] = []
__all__ += api.__all__

if TYPE_CHECKING:
    from millrace.api import *  # noqa: F403
    from millrace.api import __version__ as __version__
else:
    # Type checkers must not see a `__getattr__`: it would turn a misspelt name into Any.
    def __getattr__(name):
        try:
            value = getattr(api, name)
        except AttributeError as error:
            # The same message; suggestions are looked for in this module.
            raise AttributeError(str(error), name=name, obj=sys.modules[__name__]) from None
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *dir(api)})
