"""Wrong arguments to public functions end in ValueError, TypeError or a tf.errors class: a seeded sample."""

import inspect
import random
import warnings

import pytest

import millrace as tf

ROOMS = ("", "math", "nn", "linalg", "image", "sparse", "losses", "layers", "random", "signal", "strings")
# these answer wrong arguments with another error, as TensorFlow does
EXEMPT = frozenset(
    (
        "NotDifferentiable",
        "no_gradient",  # a second registration is a KeyError
        "dct",
        "idct",  # an axis that is not the last is a NotImplementedError
        "enable_eager_execution",  # what is asked for is not there: RuntimeError, whatever the arguments
        "load_file_system_library",
        "load_library",
        "load_op_library",  # likewise: TensorFlow's binaries
    )
)


def functions():
    for room in ROOMS:
        space = getattr(tf, room) if room else tf
        for name in sorted(dir(space)):
            found = None if name.startswith("_") or name in EXEMPT else getattr(space, name)
            if inspect.isfunction(found):
                yield f"{room}.{name}".lstrip("."), found


def wrong(foreign):
    return {
        "None": None, "rank": [[[[1.0]]]], "dtype": "text", "negative": -7, "huge": 2**40,
        "float": 1.5,
        "ragged": [[1.0], [1.0, 2.0]], "foreign": foreign, "object": object(), "dict": {"a": 1.0},
        "empty": [],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_sample_of_wrong_arguments(seed):
    rng, failed = random.Random(seed), []
    with tf.Graph().as_default():
        values = wrong(tf.constant([[1.0, 2.0]]))
    every = list(functions())
    for name, function in rng.sample(every, len(every) // 4):
        parameters = [
            p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        if not parameters:
            continue
        place, kind = rng.randrange(min(len(parameters), 4)), rng.choice(list(values))
        arguments = [
            values[kind] if i == place else [[1.0, 2.0], [3.0, 4.0]] if p.default is p.empty else p.default
            for i, p in enumerate(parameters)
            if i <= place or p.default is p.empty
        ]
        with tf.Graph().as_default(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                function(*arguments)
            except (ValueError, TypeError, tf.errors.OpError):
                pass
            except Exception as error:
                failed.append(f"{name}: {parameters[place].name}={kind}: {error!r}")
    assert not failed
