"""Wrong arguments to public functions end in ValueError, TypeError or a tf.errors class that names function
and argument, and leave the graph as it was: a seeded sample.

Of TensorFlow's private paths (`tf.python`) only what is public under another name is tried.
"""

import dis
import enum
import gc
import inspect
import random
import re
import sys
import warnings

import pytest

import millrace as tf

# these act on the process, on files or on other threads, build whole networks, wait, run a text that they are
# given, or answer with 1.15's KeyError
EXEMPT = frozenset(
    [
        "app",
        "applications",
        "compat",
        "datasets",
        "delete_recursively",
        "DeleteRecursively",
        "disable_v2_behavior",
        "enable_control_flow_v2",
        "enable_eager_execution",
        "enable_v2_behavior",
        "evaluate_repeatedly",
        "evaluation_loop",
        "get_metric",
        "get_prediction_key",
        "gfile",
        "Import",
        "load_file_system_library",
        "load_library",
        "load_op_library",
        "logging",
        "main",
        "mock",
        "python",
        "remove",
        "Remove",
        "start_queue_runners",
        "wait_for_new_checkpoint",
    ]
)


def functions(space=tf, path="", seen=None):
    """Every public function and class, once."""
    seen = set() if seen is None else seen
    for name in sorted(dir(space)):
        found = None if name.startswith("_") or name in EXEMPT else getattr(space, name, None)
        where = f"{path}.{name}".lstrip(".")
        if inspect.ismodule(found) and found.__name__.startswith("millrace.api") and id(found) not in seen:
            seen.add(id(found))
            yield from functions(found, where, seen)
        elif (inspect.isfunction(found) or inspect.isclass(found)) and id(found) not in seen:
            seen.add(id(found))
            own = getattr(found, "__module__", "").startswith("millrace")
            if own and not (inspect.isclass(found) and issubclass(found, BaseException)):
                yield where, found


def was_raised(error):
    """Whether somebody has raised an error on purpose, as the documentation says: it is not a stumble."""
    step = error.__traceback__
    while step.tb_next is not None:
        step = step.tb_next
    return dis.opname[step.tb_frame.f_code.co_code[step.tb_lasti]] == "RAISE_VARARGS"


def is_named(message, name, function, parameters):
    """Whether an error says which function, or which of its classes or operations, and which argument."""
    words = {word.replace("_", "").lower() for word in re.findall(r"\w+", message)}
    called = {name.rpartition(".")[2], function.__name__}
    short = {re.sub(r"v\d$", "", n.replace("_", "").lower()) for n in called}
    given = {p.name.replace("_", "").lower() for p in parameters}
    return bool(words & given) and any(s in w for s in short for w in words)


def wrong(foreign):
    return {
        "None": None, "rank": [[[[1.0]]]], "dtype": "text", "negative": -7, "huge": 2**40,
        "float": 1.5,
        "ragged": [[1.0], [1.0, 2.0]], "foreign": foreign, "object": object(), "dict": {"a": 1.0},
        "empty": [],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_sample_of_wrong_arguments(seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # half made things that are thrown away
    rng, failed = random.Random(seed), []
    with tf.Graph().as_default():
        values = wrong(tf.constant([[1.0, 2.0]]))
    every = list(functions())
    for name, function in rng.sample(every, len(every) // 6):
        if inspect.isabstract(function) or isinstance(function, enum.EnumMeta):  # Python's own words
            continue
        try:
            signature = inspect.signature(function)
        except ValueError:  # of a class without a constructor
            continue
        parameters = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        if not parameters:
            continue
        place, kind = rng.randrange(min(len(parameters), 4)), rng.choice(list(values))
        arguments = [
            values[kind] if i == place else [[1.0, 2.0], [3.0, 4.0]] if p.default is p.empty else p.default
            for i, p in enumerate(parameters)
            if i <= place or p.default is p.empty
        ]
        what = f"{name}: {parameters[place].name}={kind}"
        with tf.Graph().as_default() as graph, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                function(*arguments)
            except (ValueError, TypeError) as error:
                if not is_named(str(error), name, function, parameters):
                    failed.append(f"{what} is not named: {error!r}")
                if graph.get_operations() and not (graph.holds or graph.planned or graph.finalized):
                    failed.append(f"{what}: left {[op.name for op in graph.get_operations()]}")
            except (OSError, tf.errors.OpError):
                pass
            except Exception as error:
                if was_raised(error):
                    continue
                failed.append(f"{what}: {error!r}")
    gc.collect()
    assert not failed, "\n".join(failed)
