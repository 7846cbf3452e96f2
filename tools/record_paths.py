"""Records TensorFlow 1.15's private modules: which public object each of their names stands for.

    python tools/record_paths.py paths.tsv generated_ops.txt second_version.txt modules.txt contents.txt homes

What it writes is `src/millrace/hook/paths.tsv`, `generated_ops.txt`, `second_version.txt`,
`modules.txt`, `contents.txt` and `homes.txt`, from which those names stay out that are not found there in
millrace (`tests/hook/test_homes.py` tells). A name is kept where its object is
public under some name; in contrib also the private module has to be its home, take it from a module of
generated operations, or be one of the modules that gather names. Needs TensorFlow 1.15 and Python 3.7.
"""

import importlib
import inspect
import os
import sys
import textwrap
import types
import warnings

NAMES = os.path.join(os.path.dirname(__file__), "..", "src", "millrace", "hook", "names.txt")
GATHERING = set(
    "standard_ops training nn nn_ops io_ops gradients gradients_impl variables summary rnn_cell errors "
    "layers framework_lib client_lib training_lib array_ops math_ops control_flow_ops state_ops".split()
)
LEFT_OUT = (
    "contrib.lite",
    "python.pywrap_tensorflow_internal",
)
OLD = {"device_name": "device_name_or_function", "input": "tensor"}
ALIKE = {  # classes of version 2 that version 1's stand for
    "Variable": "Variable",
    "VariableAggregation": "VariableAggregation",
    "DeviceSpec": "DeviceSpec",
    "name_scope": "name_scope",
    "random.set_seed": "set_random_seed",
    "lookup.StaticHashTable": "lookup.StaticHashTable",
    "lookup.StaticVocabularyTable": "lookup.StaticVocabularyTable",
    "constant_initializer": "constant_initializer",
    "ones_initializer": "ones_initializer",
    "zeros_initializer": "zeros_initializer",
    "random_normal_initializer": "random_normal_initializer",
    "random_uniform_initializer": "random_uniform_initializer",
    "initializers.Constant": "constant_initializer",
    "initializers.GlorotNormal": "glorot_normal_initializer",
    "initializers.GlorotUniform": "glorot_uniform_initializer",
    "initializers.Identity": "initializers.identity",
    "initializers.Ones": "ones_initializer",
    "initializers.Orthogonal": "orthogonal_initializer",
    "initializers.RandomNormal": "random_normal_initializer",
    "initializers.RandomUniform": "random_uniform_initializer",
    "initializers.TruncatedNormal": "truncated_normal_initializer",
    "initializers.VarianceScaling": "variance_scaling_initializer",
    "initializers.Zeros": "zeros_initializer",
    **{
        name: name
        for name in (
            "data.Dataset data.FixedLengthRecordDataset data.TFRecordDataset data.TextLineDataset "
            "data.experimental.CsvDataset data.experimental.RandomDataset data.experimental.SqlDataset "
            "data.experimental.StatsAggregator distribute.MirroredStrategy distribute.OneDeviceStrategy "
            "distribute.Strategy distribute.StrategyExtended keras.callbacks.TensorBoard train.Checkpoint"
        ).split()
    },
    "nn.RNNCellDeviceWrapper": "nn.rnn_cell.DeviceWrapper",
    "nn.RNNCellDropoutWrapper": "nn.rnn_cell.DropoutWrapper",
    "nn.RNNCellResidualWrapper": "nn.rnn_cell.ResidualWrapper",
}
HEADER = """# TensorFlow 1.15.5's private modules: module, public namespace ("" is tf itself), names.
# `a=b`: the module calls it a, the namespace b. Recorded by tools/record_paths.py; millrace.hook reads them.
"""
SECOND = """# Functions of tf.compat.v2 in 1.15.5 that version 1's can do: name, version 1's name, arguments.
# `new=old`: a renamed argument; `:value`: its default; `!name=value`: what version 2 always has.
# Recorded by tools/record_paths.py.
"""
MODULES = (
    "# The modules of TensorFlow 1.15.5 below python: package, then its modules. "
    "Recorded by tools/record_paths.py.\n"
)
CONTENTS = """# What private modules of TensorFlow 1.15.5 hold besides functions and classes: [module]; its
# constants; behind ">" the modules that it imports, which `from ... import *` hands on (alias=module;
# "!" before one that is not TensorFlow's). Facts, recorded by tools/record_paths.py.
"""
HOLDERS = (  # whose modules are taken whole, or whose constants programs read
    "python.ops python.framework python.training python.layers python.lib.io python.saved_model "
    "python.platform "
    "contrib.rnn.python contrib.seq2seq.python contrib.layers.python contrib.legacy_seq2seq.python "
    "contrib.framework.python contrib.crf.python contrib.training.python"
).split()
HOMES = """# The modules of TensorFlow 1.15.5's public classes and functions: [module]; names relative to tf.
# Recorded by tools/record_paths.py.
"""
GENERATED = """# TensorFlow 1.15.5's modules of generated operations: [module]; function, type, arguments.
# The arguments come in this order, then `name`. Facts, recorded by tools/record_paths.py.
"""


def public_names():
    """The names of 1.15's public API, relative to `tf`."""
    names, space = set(), ""
    for line in open(NAMES):
        if line.startswith("["):
            space = line.strip().strip("[]").rpartition(" ")[0] + "."
        elif not line.startswith("#"):
            names.update((space + word)[3:] for word in line.split())
    return names


def public_objects(root, skip):
    """Identity of an object to its public names, by walking the API."""
    found, seen = {}, set()
    spaces = {name.rpartition(".")[0] for name in public_names()}

    def walk(module, path):
        if id(module) in seen or path.count(".") > 5:
            return
        seen.add(id(module))
        for name in sorted(n for n in dir(module) if not n.startswith("_")):
            try:
                value = getattr(module, name)
            except Exception:
                continue
            inner = (path + "." + name).lstrip(".")
            if isinstance(value, types.ModuleType):
                home = value.__name__
                inside = path.startswith("contrib") and ".python." in home and "_api" not in home
                inside = inside and inner not in spaces  # `contrib.learn.monitors` is such a module itself
                if home.startswith("tensorflow") and not inside and (path or name not in skip):
                    walk(value, inner)
            elif not isinstance(value, (int, float, str, bytes, bool, type(None))):
                found.setdefault(id(value), []).append(inner)

    walk(root, "")
    for name in sorted(public_names()):  # a module that was reached by another name first
        value = _at(root, name)
        plain = isinstance(value, (int, float, str, bytes, bool, type(None), types.ModuleType))
        if not plain and name not in found.setdefault(id(value), []):
            found[id(value)].append(name)
    return found


def _at(root, name):
    """What a dotted name stands for; None where there is nothing."""
    for part in name.split("."):
        try:
            root = getattr(root, part)
        except Exception:
            return None
    return root


def all_modules():
    """Every module of TensorFlow that can be imported, by its name below `tensorflow`."""
    base = os.path.dirname(importlib.import_module("tensorflow_core").__file__)  # pyright: ignore
    for folder, _, files in sorted(os.walk(base)):
        space = os.path.relpath(folder, base).replace(os.sep, ".")
        if space.split(".")[0] not in ("python", "contrib", "core", "examples"):
            continue
        for file in sorted(files):
            name = (space + "." + file[:-3]).replace(".__init__", "")
            if file.endswith(".py") and "_test" not in file and not name.startswith(LEFT_OUT):
                try:
                    yield name, importlib.import_module("tensorflow." + name)
                except Exception:
                    continue


def shortest(names):
    """The name to record of an object that has several."""
    return min(
        names, key=lambda n: (n.startswith("contrib."), n.startswith("compat."), n.count("."), len(n), n)
    )


def main(paths, generated, second, inner, contents, homes):
    """Writes the tables."""
    tf = importlib.import_module("tensorflow")
    newer = importlib.import_module("tensorflow.compat.v2")
    importlib.import_module("tensorflow.contrib")
    registry = importlib.import_module("tensorflow.python.framework.op_def_registry")

    warnings.filterwarnings("ignore")
    objects = public_objects(tf, ("compat", "python", "core", "tools", "examples"))
    for key, names in public_objects(newer, ()).items():
        objects.setdefault(key, ["compat.v2." + n for n in names])
    known = public_names()
    modules = list(all_modules())
    packages = {name.rpartition(".")[0] for name, _ in modules}
    types_ = set(registry.get_registered_ops())
    with open(paths, "w") as table, open(generated, "w") as functions:
        table.write(HEADER)
        functions.write(GENERATED)
        for path, module in modules:
            rows = {}
            for name, value in sorted(vars(module).items()):
                if name.startswith("__") or id(value) not in objects or isinstance(value, types.ModuleType):
                    continue
                target = shortest(objects[id(value)])
                home = str(getattr(value, "__module__", "") or "").replace("tensorflow_core", "tensorflow")
                borrowed = home.startswith("tensorflow") and home != "tensorflow." + path
                if borrowed and path.startswith("contrib.") and not _gathers(path, home, packages):
                    continue
                space, _, leaf = target.rpartition(".")
                if (space == path and leaf == name) or not (
                    target in known or target.startswith("compat.v2.")
                ):
                    continue
                if ".ops.gen_" not in path:
                    rows.setdefault(space, []).append(name if name == leaf else name + "=" + leaf)
            for space in sorted(rows):
                table.write("%s\t%s\t%s\n" % (path, space, " ".join(sorted(rows[space]))))
            if path.rpartition(".")[2].startswith("gen_"):
                functions.write("[%s]\n" % path)
                functions.writelines(generated_lines(module, types_))
        with open(second, "w") as adapted:
            adapted.write(SECOND)
            second_version(newer, tf, objects, known, table, adapted)
    record_modules(inner)
    record_contents(contents, modules)
    record_homes(homes, tf)


def record_homes(file, root):
    """Writes which module each public class and function names as its own."""
    found = {}
    for name in sorted(public_names()):
        value = _at(root, name)
        if isinstance(value, (type, types.FunctionType)) and value.__module__.startswith("tensorflow"):
            home = value.__module__.replace("tensorflow_core", "tensorflow")
            found.setdefault(home, []).append(name)
    with open(file, "w") as out:
        out.write(HOMES)
        for module in sorted(found):
            out.write(
                "[%s]\n%s\n" % (module, textwrap.fill(" ".join(found[module]), 110, break_long_words=False))
            )


def _word(value):
    """A constant in one word; None where it is none, or text for people."""
    if isinstance(value, (bool, int, float, str)) and not set(repr(value)) & set(" \\\n"):
        return repr(value) if len(repr(value)) <= 60 else None
    return None


def record_contents(file, modules):
    """Writes the constants of private modules and the modules that they import.

    One word for both where the module is its own, or the only one of Python's part with that last name.
    """
    core = [name.rpartition(".")[2] for name, _ in modules if name.startswith("python.")]
    with open(file, "w") as out:
        out.write(CONTENTS)
        for path, module in modules:
            if not any(path == p or path.startswith(p + ".") for p in HOLDERS) or ".gen_" in path:
                continue
            constants, imported = [], []
            for name, value in sorted(vars(module).items()):
                if isinstance(value, types.ModuleType) and not name.startswith("_"):
                    home = value.__name__.replace("tensorflow_core", "tensorflow")
                    inside = home.startswith("tensorflow.")
                    known = home[len("tensorflow.") :] if inside else "!" + home
                    alone = known.startswith("python.") and core.count(name) == 1
                    plain = known == path + "." + name or (alone and known.rpartition(".")[2] == name)
                    imported.append(name if plain else name + "=" + known)
                elif name.isupper() and _word(value) is not None:
                    constants.append(name + "=" + _word(value))
            if constants or imported:
                out.write("[%s]\n" % path)
            if constants:
                out.write(" ".join(constants) + "\n")
            if imported:
                out.write("> " + " ".join(imported) + "\n")


def record_modules(file):
    """Writes which modules there are below `python`, those of the estimators' package included."""
    found = {}
    for package in ("tensorflow_core", "tensorflow_estimator"):
        base = os.path.dirname(importlib.import_module(package).__file__ or "")
        for folder, _, files in os.walk(os.path.join(base, "python")):
            space = os.path.relpath(folder, base).replace(os.sep, ".")
            named = [
                f[:-3] for f in files if f.endswith(".py") and not f.endswith(("_test.py", "__init__.py"))
            ]
            if named and "_api" not in space and "keras.api" not in space and ".api" not in space:
                found.setdefault(space, set()).update(named)
    with open(file, "w") as out:
        out.write(MODULES)
        out.writelines("%s %s\n" % (space, " ".join(sorted(found[space]))) for space in sorted(found))


def _gathers(path, home, packages):
    """Whether a module of contrib offers what it takes from another one."""
    return (
        home.startswith("tensorflow.python.ops.gen_") or path.split(".")[-1] in GATHERING or path in packages
    )


def second_version(newer, tf, objects, known, table, functions):
    """The namespaces of `tf.compat.v2`: objects that are version 1's, and functions that take its arguments.

    Lines of the second file: version 2's name, version 1's, arguments in version 2's order; `new=old` where
    one was renamed, `:value` for its default, `!name=value` where version 2 always has one value.
    """
    seen = set()

    def walk(module, path):
        if path in seen or path.count(".") > 4:  # `losses` is also `keras.losses`
            return
        seen.add(path)
        rows = {}
        for name in sorted(n for n in dir(module) if not n.startswith("_")):
            try:
                value = getattr(module, name)
            except Exception:
                continue
            inner = (path + "." + name).lstrip(".")
            if isinstance(value, types.ModuleType):
                if inner in ("raw_ops", "estimator"):
                    rows.setdefault("", []).append(name)
                elif inner.split(".")[0] not in ("compat", "python", "core", "tools"):
                    walk(value, inner)
                continue
            same = isinstance(value, (int, float, str, bytes, bool)) and inner in known
            target = ALIKE.get(inner) or (inner if same else None)
            if id(value) in objects and target is None:
                target = shortest(objects[id(value)])
            if target in known:
                space, _, leaf = target.rpartition(".")  # pyright: ignore[reportOptionalMemberAccess]
                rows.setdefault(space, []).append(name if name == leaf else name + "=" + leaf)
            elif inner in known and isinstance(value, types.FunctionType):
                line = _adapted(inner, value, tf)
                if line:
                    functions.write(line)
        for space in sorted(rows):
            table.write(
                "%s\t%s\t%s\n" % (("compat.v2." + path).rstrip("."), space, " ".join(sorted(rows[space])))
            )

    walk(newer, "")


def _default(value):
    """How a default is written behind an argument; "" where there is none or it takes more than a word."""
    text = "@" + value.name if type(value).__name__ == "DType" else repr(value)
    plain = value is None or isinstance(value, (bool, int, float, str)) or text[0] == "@"
    return ":" + text if plain and not set(text) & set(" =:") else ""


def _adapted(name, value, tf):
    """The line of a function of version 2 that version 1's can do; None where it cannot."""
    old = tf
    for part in name.split("."):
        old = getattr(old, part)
    try:
        parameters = list(inspect.signature(value).parameters.values())
        takes = set(inspect.signature(old).parameters)
    except (TypeError, ValueError):
        return None
    if any(p.kind != p.POSITIONAL_OR_KEYWORD for p in parameters):
        return None
    words = [p.name if p.name in takes else p.name + "=" + OLD.get(p.name, "") for p in parameters]
    if any(w.endswith("=") or ("=" in w and w.partition("=")[2] not in takes) for w in words):
        return None
    words = [w + _default(p.default) for w, p in zip(words, parameters)]
    if "partition_strategy" in takes:
        words.append("!partition_strategy=div")
    target = name + "_v2" if name == "nn.softmax_cross_entropy_with_logits" else name
    return "compat.v2.%s %s %s\n" % (name, target, " ".join(words))


def generated_lines(module, op_types):
    """The functions of one module of generated operations."""
    for name, value in sorted(vars(module).items()):
        function = inspect.unwrap(value) if isinstance(value, types.FunctionType) else None
        if function is None or name.endswith("_eager_fallback"):
            continue
        used = [c for c in function.__code__.co_consts if isinstance(c, str) and c in op_types]
        if used:
            arguments = [a for a in inspect.signature(function).parameters if a != "name"]
            yield "%s %s %s\n" % (name, used[0], " ".join(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
