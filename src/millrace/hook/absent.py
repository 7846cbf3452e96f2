"""Errors for names that are not there: what is absent, whether TensorFlow 1.15 has it, what is near."""

from __future__ import annotations

import difflib
import importlib
import sys
from functools import cache

from millrace.hook.instead import reason
from millrace.hook.lists import sections

# Names that TensorFlow 1.0 or a later release before 1.15 replaced.
RENAMED = {
    "mul": "multiply",
    "sub": "subtract",
    "neg": "negative",
    "pack": "stack",
    "unpack": "unstack",
    "select": "where",
    "batch_matmul": "matmul",
    "batch_cholesky": "cholesky",
    "batch_matrix_inverse": "matrix_inverse",
    "batch_matrix_transpose": "matrix_transpose",
    "batch_fft2d": "fft2d",
    "inv": "reciprocal",
    "listdiff": "setdiff1d",
    "complex_abs": "abs",
    "initialize_variables": "variables_initializer",
    "image_summary": "summary.image",
    "scalar_summary": "summary.scalar",
    "histogram_summary": "summary.histogram",
    "audio_summary": "summary.audio",
    "merge_summary": "summary.merge",
    "merge_all_summaries": "summary.merge_all",
    "train.SummaryWriter": "summary.FileWriter",
    "train.summary_iterator_v1": "train.summary_iterator",
    "nn.seq2seq": "contrib.legacy_seq2seq",
    "nn.rnn": "nn.static_rnn",
    "nn.bidirectional_rnn": "nn.static_bidirectional_rnn",
    "nn.state_saving_rnn": "nn.static_state_saving_rnn",
    "contrib.rnn.BasicLSTMCell_v2": "nn.rnn_cell.BasicLSTMCell",
    "contrib.seq2seq.DynamicAttentionWrapper": "contrib.seq2seq.AttentionWrapper",
    "python_io.tf_record_iterator_v2": "python_io.tf_record_iterator",
}
# Names that came with TensorFlow 2: what TensorFlow 1 calls the same.
_NEWER = {
    "function": "a graph is built once and run by tf.Session",
    "random.uniform": "tf.random_uniform",
    "random.normal": "tf.random_normal",
    "random.set_seed": "tf.set_random_seed",
    "summary.create_file_writer": "tf.summary.FileWriter",
    "optimizers": "tf.train",
    "autodiff": "tf.gradients",
    "types": None,
    "dtensor": None,
    "math.reduce_variance": "tf.nn.moments",
    "config.list_physical_devices": "tf.Session().list_devices()",
    "vectorized_map": "tf.map_fn",
}


@cache
def known_names() -> dict[str, str]:
    """The public names of TensorFlow 1.15, relative to `tf`, with their kinds."""
    return _listed("names.txt")


@cache
def later_names() -> dict[str, str]:
    """The public names that came with TensorFlow 2, relative to `tf`: "2.0", or "2" for a later release."""
    return _listed("later.txt")


def _listed(file: str) -> dict[str, str]:
    """Names relative to `tf`, with what their list says of them."""
    found: dict[str, str] = {}
    for title, line in sections(file):
        space, _, said = title.rpartition(" ")
        if space != "raw operations":
            below = f"{space}.".removeprefix("tf.")
            found.update(dict.fromkeys((below + name for name in line.split()), said))
    return found


def _belongs_to_2(full: str) -> str | None:
    """Since when TensorFlow 2 has a name, and what is near it here; None where it is not one of its names."""
    if full not in _NEWER and full not in later_names():
        return None
    since = {"2.0": " (since 2.0)", "2": " (since a release after 2.0)"}.get(later_names().get(full, ""), "")
    instead = _NEWER.get(full)
    if instead:
        return f"it belongs to TensorFlow 2{since}; in TensorFlow 1: {instead}"
    near = _same_leaf(full)
    return f"it belongs to TensorFlow 2{since}" + (f"; near it here: tf.{near}" if near else "")


def _same_leaf(full: str) -> str | None:
    """A name that is here, ends as `full` does and stands in the same namespaces, but for `experimental`."""
    *spaces, leaf = full.split(".")
    asked = set(spaces) - {"experimental"}
    ends = [known for known in known_names() if known.rpartition(".")[2] == leaf]
    near = [k for k in ends if asked and asked == set(k.split(".")[:-1]) - {"experimental", "contrib"}]
    near.sort(key=lambda known: (known.startswith("contrib."), len(known)))
    return next(filter(_is_here, near), None)


def _is_here(name: str) -> bool:
    found = importlib.import_module("millrace.api")
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        return False
    return True


def error(path: str, name: str, stands_for: str | None = None) -> AttributeError:
    """The error for an attribute that a module of the API lacks.

    Args:
      path: the module, relative to `tensorflow`; "" is `tf` itself.
      name: the attribute asked for.
      stands_for: the public name behind a private one, where the table of private paths has it.
    """
    module = f"millrace.{path}".rstrip(".")
    full = f"{path}.{name}".lstrip(".")
    said = f"module {module!r} has no attribute {name!r}"
    public_name = stands_for or full
    if (why := reason(public_name)) is not None:
        said += f": {why}"
    elif public_name in known_names() or stands_for or _is_prefix(full):
        shown = f"tf.{public_name}" if stands_for else "it"
        said += f": TensorFlow 1.15 has {shown}, millrace does not yet"
    elif full in RENAMED:
        said += f": TensorFlow 1.0 renamed it tf.{RENAMED[full]}"
    elif (later := _belongs_to_2(full)) is not None:
        said += f": {later}"
    else:
        near = difflib.get_close_matches(name, _offered(path), 1, 0.75)
        said += f". Did you mean {near[0]!r}?" if near else ""
    return AttributeError(said, name=name, obj=None)


def _is_prefix(full: str) -> bool:
    """True for a namespace of TensorFlow 1.15."""
    return any(known.startswith(full + ".") for known in known_names())


def _offered(path: str) -> list[str]:
    module = sys.modules.get(f"millrace.api.{path}".rstrip("."))
    return [] if module is None else [n for n in dir(module) if not n.startswith("__")]


def module_error(root: str, path: str) -> ModuleNotFoundError:
    """The error for `import <root>.<path>` of a module that is not there."""
    said = f"import hook: millrace offers no module '{root}.{path}'"
    if (why := reason(path)) is not None:
        said += f": {why}"
    elif path in known_names() or _is_prefix(path):
        said += ": TensorFlow 1.15 has it, millrace does not yet"
    elif (later := _belongs_to_2(path)) is not None:
        said += f": {later}"
    else:
        parent, _, leaf = path.rpartition(".")
        try:
            names = dir(importlib.import_module(f"millrace.api.{parent}".rstrip(".")))
        except ImportError:
            names = []
        near = difflib.get_close_matches(leaf, names, 1, 0.75)
        if near and near[0] == leaf:
            said += f": it is an attribute; write `from {f'{root}.{parent}'.rstrip('.')} import {leaf}`"
        elif near:
            said += f". Did you mean '{f'{root}.{parent}'.rstrip('.')}.{near[0]}'?"
    return ModuleNotFoundError(said, name=f"{root}.{path}")
