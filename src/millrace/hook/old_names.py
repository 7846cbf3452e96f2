"""The table of old names: what Python 3.7, NumPy 1.18, SciPy 1.1 and Pillow 6 had and today's lack.

A line says where the meaning lives today, so that the old name is the same object wherever that is possible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Shim:
    """An old name.

    Attributes:
      module: the module that had it.
      name: what it was called.
      source: where its meaning lives today, `module:attribute` or `module`; or a function of the module.
      gone: since when it is absent.
    """

    module: str
    name: str
    source: str | Callable[[ModuleType], Any]
    gone: str


def _many(module: str, names: str, source: str, gone: str) -> list[Shim]:
    return [Shim(module, name, source.replace("*", name), gone) for name in names.split()]


def _renamed(module: str, pairs: str, gone: str) -> list[Shim]:
    """`old=new` within the module; a source without a module stands for a builtin."""
    return [
        Shim(module, old, new if ":" in new else f"{module}:{new}", gone)
        for old, _, new in (pair.partition("=") for pair in pairs.split())
    ]


def _argspec(module: ModuleType) -> Any:
    from collections import namedtuple

    ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")

    def getargspec(func: Any) -> Any:
        """Names and default values of a function's positional arguments."""
        full = module.getfullargspec(func)  # annotations are left out: 1.15's functions have none
        if full.kwonlyargs:
            raise ValueError("Function has keyword-only parameters, use getfullargspec()")
        return ArgSpec(full.args, full.varargs, full.varkw, full.defaults)

    return getargspec


def _scalar(module: ModuleType) -> Any:
    def asscalar(a: Any) -> Any:
        """An array of one element as a Python scalar."""
        return a.item()

    return asscalar


def _find_common_type(module: ModuleType) -> Any:
    def find_common_type(array_types: Any, scalar_types: Any) -> Any:
        """The dtype to which arrays and scalars of these types are promoted."""
        types = [*array_types, *scalar_types]
        return module.result_type(*types) if types else None

    return find_common_type


SHIMS: tuple[Shim, ...] = (
    *_many(
        "collections",
        "Awaitable Coroutine AsyncIterable AsyncIterator AsyncGenerator Hashable Iterable Iterator Generator "
        "Reversible Container Collection Callable Set MutableSet Mapping MutableMapping MappingView KeysView "
        "ItemsView ValuesView Sequence MutableSequence ByteString Sized",
        "collections.abc:*",
        "Python 3.10",
    ),
    Shim("inspect", "getargspec", _argspec, "Python 3.11"),
    *_renamed("inspect", "formatargspec=millrace.hook.old_python:formatargspec", "Python 3.11"),
    Shim("platform", "linux_distribution", "millrace.hook.old_python:linux_distribution", "Python 3.8"),
    Shim("platform", "dist", "millrace.hook.old_python:linux_distribution", "Python 3.8"),
    Shim("tarfile", "filemode", "stat:filemode", "Python 3.8"),
    *_renamed("cgi", "parse_qs=urllib.parse:parse_qs parse_qsl=urllib.parse:parse_qsl", "Python 3.8"),
    Shim("time", "clock", "time:perf_counter", "Python 3.8"),
    Shim("fractions", "gcd", "math:gcd", "Python 3.9"),
    Shim("cgi", "escape", "html:escape", "Python 3.8"),
    Shim("base64", "encodestring", "base64:encodebytes", "Python 3.9"),
    Shim("base64", "decodestring", "base64:decodebytes", "Python 3.9"),
    Shim("asyncio", "coroutine", "types:coroutine", "Python 3.11"),
    Shim("xml.etree", "cElementTree", "xml.etree.ElementTree", "Python 3.9"),
    *_renamed(
        "PIL.Image",
        "ANTIALIAS=LANCZOS LINEAR=BILINEAR CUBIC=BICUBIC PILLOW_VERSION=__version__ "
        "isImageType=millrace.hook.old_pillow:is_image",
        "Pillow 10",
    ),
    Shim("PIL", "PILLOW_VERSION", "PIL:__version__", "Pillow 7"),
    *_renamed(
        "matplotlib.cm",
        "get_cmap=millrace.hook.old_plots:get_cmap register_cmap=millrace.hook.old_plots:register_cmap "
        "cmap_d=_colormaps",
        "matplotlib 3.9",
    ),
    Shim("matplotlib.mlab", "normpdf", "millrace.hook.old_plots:normpdf", "matplotlib 3.1"),
    Shim("matplotlib.cbook", "iterable", "numpy:iterable", "matplotlib 3.3"),
    *_many(
        "scipy.signal",
        "barthann bartlett blackman blackmanharris bohman boxcar chebwin cosine exponential flattop gaussian "
        "general_gaussian hamming hann kaiser nuttall parzen triang tukey",
        "scipy.signal.windows:*",
        "SciPy 1.13",
    ),
    Shim("scipy.signal", "hanning", "scipy.signal.windows:hann", "SciPy 1.3"),
    *_renamed(
        "scipy.integrate",
        "cumtrapz=cumulative_trapezoid trapz=trapezoid simps=millrace.hook.old_scipy:simps",
        "SciPy 1.14",
    ),
    *_renamed(
        "scipy.linalg",
        "pinv2=pinv kron=numpy:kron tri=numpy:tri tril=numpy:tril triu=numpy:triu",
        "SciPy 1.9",
    ),
    *_renamed(
        "scipy.stats",
        "binom_test=millrace.hook.old_scipy:binom_test itemfreq=millrace.hook.old_scipy:itemfreq "
        "median_absolute_deviation=millrace.hook.old_scipy:median_absolute_deviation",
        "SciPy 1.12",
    ),
    *_renamed(
        "scipy.special",
        "btdtr=betainc btdtri=betaincinv sph_harm=millrace.hook.old_scipy:sph_harm",
        "SciPy 1.17",
    ),
    *_renamed(
        "scipy.spatial.distance",
        "matching=hamming wminkowski=millrace.hook.old_scipy:wminkowski",
        "SciPy 1.8",
    ),
    *_renamed(
        "scipy.misc",
        " ".join(
            f"{name}=millrace.hook.old_pictures:{name}"
            for name in ("imread", "imsave", "imresize", "imrotate", "toimage", "fromimage", "bytescale")
        )
        + " comb=scipy.special:comb factorial=scipy.special:factorial factorial2=scipy.special:factorial2 "
        "logsumexp=scipy.special:logsumexp derivative=millrace.hook.old_scipy:derivative",
        "SciPy 1.3",
    ),
    *_renamed(
        "numpy",
        "float_=float64 complex_=complex128 cfloat=complex128 singlecomplex=complex64 clongfloat=clongdouble "
        "longfloat=longdouble longcomplex=clongdouble string_=bytes_ unicode_=str_ str0=str_ bytes0=bytes_ "
        "object0=object_ void0=void Inf=inf Infinity=inf infty=inf PINF=inf NaN=nan product=prod "
        "cumproduct=cumprod sometrue=any alltrue=all round_=round in1d=isin row_stack=vstack trapz=trapezoid "
        "float=builtins:float int=builtins:int complex=builtins:complex object=builtins:object "
        "str=builtins:str unicode=builtins:str issubclass_=builtins:issubclass mat=asmatrix "
        "NAN=nan bool8=bool_ int0=intp uint0=uintp byte_bounds=numpy.lib.array_utils:byte_bounds "
        "chararray=numpy.char:chararray "
        "format_parser=numpy.rec:format_parser compare_chararrays=numpy.char:compare_chararrays "
        "loads=pickle:loads disp=builtins:print "
        "fastCopyAndTranspose=millrace.hook.old_numpy:copied_transpose "
        "alen=millrace.hook.old_numpy:alen issctype=millrace.hook.old_numpy:issctype "
        "obj2sctype=millrace.hook.old_numpy:obj2sctype issubsctype=millrace.hook.old_numpy:issubsctype "
        "sctype2char=millrace.hook.old_numpy:sctype2char",
        "NumPy 2.0, or 1.24 for Python's own types",
    ),
    Shim("numpy", "PZERO", lambda np: 0.0, "NumPy 2.0"),
    Shim("numpy", "NZERO", lambda np: -0.0, "NumPy 2.0"),
    Shim("numpy", "sctypes", lambda np: _families(np), "NumPy 2.0"),
    Shim("numpy", "NINF", lambda np: -np.inf, "NumPy 2.0"),
    Shim("numpy", "asscalar", _scalar, "NumPy 1.23"),
    Shim("numpy", "find_common_type", _find_common_type, "NumPy 2.0"),
    Shim("numpy", "msort", lambda np: lambda a: np.sort(a, axis=0), "NumPy 2.0"),
    Shim("numpy", "asfarray", lambda np: lambda a, dtype=np.float64: np.asarray(a, dtype), "NumPy 2.0"),
    Shim("numpy", "safe_eval", "ast:literal_eval", "NumPy 2.0"),
    Shim("numpy", "cast", lambda np: _Casts(np), "NumPy 2.0"),
    Shim("numpy", "typeDict", lambda np: np.sctypeDict, "NumPy 1.24"),
    Shim("numpy", "warnings", "warnings", "NumPy 2.0"),
    Shim("numpy", "math", "math", "NumPy 1.25"),
    Shim("numpy", "VisibleDeprecationWarning", "numpy.exceptions:VisibleDeprecationWarning", "NumPy 2.0"),
    Shim("numpy", "ComplexWarning", "numpy.exceptions:ComplexWarning", "NumPy 2.0"),
    Shim("numpy", "RankWarning", "numpy.exceptions:RankWarning", "NumPy 2.0"),
    Shim("numpy", "AxisError", "numpy.exceptions:AxisError", "NumPy 2.0"),
    Shim("numpy", "TooHardError", "numpy.exceptions:TooHardError", "NumPy 2.0"),
)


class _Casts(dict[Any, Any]):
    """`np.cast[dtype](x)`: x as an array of that dtype."""

    def __init__(self, np: Any) -> None:
        self._np = np

    def __missing__(self, dtype: Any) -> Any:
        return lambda x: self._np.asarray(x).astype(dtype)


def _families(np: Any) -> dict[str, list[Any]]:
    """The scalar types of NumPy by kind."""
    return {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64, np.longdouble],
        "complex": [np.complex64, np.complex128, np.clongdouble],
        "others": [bool, object, bytes, str, np.void],
    }
