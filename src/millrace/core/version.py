"""Which TensorFlow millrace answers for, and which millrace this is."""

from millrace.core.public import public

MILLRACE_VERSION = public("MILLRACE_VERSION")("0.1.0")

# Programs parse `tf.__version__` to choose between spellings of the API: it names the release that we follow.
VERSION = public("__version__", "VERSION", "version.VERSION")("1.15.5")
GIT_VERSION = public("__git_version__", "GIT_VERSION", "version.GIT_VERSION")(f"millrace-{MILLRACE_VERSION}")
COMPILER_VERSION = public("__compiler_version__", "COMPILER_VERSION", "version.COMPILER_VERSION")("python")
GRAPH_DEF_VERSION = public("GRAPH_DEF_VERSION", "version.GRAPH_DEF_VERSION")(134)
GRAPH_DEF_VERSION_MIN_CONSUMER = public(
    "GRAPH_DEF_VERSION_MIN_CONSUMER", "version.GRAPH_DEF_VERSION_MIN_CONSUMER"
)(0)
GRAPH_DEF_VERSION_MIN_PRODUCER = public(
    "GRAPH_DEF_VERSION_MIN_PRODUCER", "version.GRAPH_DEF_VERSION_MIN_PRODUCER"
)(0)
CXX11_ABI_FLAG = public("__cxx11_abi_flag__", "CXX11_ABI_FLAG", "sysconfig.CXX11_ABI_FLAG")(0)
MONOLITHIC_BUILD = public("__monolithic_build__", "MONOLITHIC_BUILD", "sysconfig.MONOLITHIC_BUILD")(0)
