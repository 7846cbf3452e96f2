"""`tf.random.experimental`: generators of random numbers that keep their state in a variable."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.raw import raw_ops
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.variables.resource_variables import ResourceVariable
from millrace.lib.variables.variable import Variable
from millrace.ops.array.fill import zeros_like

RNG_ALG_PHILOX = public("python.ops.stateful_random_ops.RNG_ALG_PHILOX")(1)
RNG_ALG_THREEFRY = public("python.ops.stateful_random_ops.RNG_ALG_THREEFRY")(2)
_SIZES = {RNG_ALG_PHILOX: 3, RNG_ALG_THREEFRY: 2}  # counter, then the key
_GLOBAL = "global random generator"
_WORD = 64


def _size(algorithm: Any) -> int:
    if algorithm not in _SIZES:
        raise ValueError(f"Unsupported algorithm id: {algorithm}")
    return _SIZES[algorithm]


def _words(seed: Any) -> list[int]:
    """A number's words of 64 bits, the lowest first; the last says the sign."""
    if isinstance(seed, int):
        count = seed.bit_length() // _WORD + 1
        return [(seed >> (_WORD * i)) & (2**_WORD - 1) for i in range(count)]
    return [int(word) & (2**_WORD - 1) for word in seed]


@public("random.experimental.create_rng_state")
def create_rng_state(seed: Any, algorithm: int) -> np.ndarray:
    """The state of a generator, an array of int64.

    Args:
      seed: an integer of any size, or a list of integers of 64 bits; what does not fit is left out.
      algorithm: 1 for Philox, 2 for ThreeFry.

    Raises:
      ValueError: there is no such algorithm.
      TypeError: `seed` is neither.

    Example:
      >>> print(tf.random.experimental.create_rng_state(5, 1))
      [5 0 0]
    """
    size = _size(algorithm)
    if not isinstance(seed, int) and not np.ndim(seed):
        raise TypeError(f"create_rng_state: seed must be an int or a list of ints. Received: {seed!r}")
    words = _words(seed)
    if isinstance(seed, int):
        words = (words + [2**_WORD - 1 if seed < 0 else 0] * size)[:size]
    else:
        words = ([0] * (size - len(words)) + words)[:size]
    return np.array(words, np.uint64).view(np.int64)


@public("random.experimental.Generator")
class Generator:
    """Draws numbers that follow from a state, which each draw moves on.

    Args:
      copy_from: a generator that begins alike; or else
      state: an int64 vector, 3 numbers for Philox: a counter of two, then the key; and
      alg: 1 for Philox, 2 for ThreeFry, with which nothing can be drawn.

    Raises:
      AssertionError: both or neither of a generator and a state are given.
      ValueError: the state has another length than the algorithm's.

    Example:
      >>> generator = tf.random.experimental.Generator.from_seed(1)
      >>> numbers = generator.normal([2])
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(numbers))
      [ 0.43842274 -0.53439844]
    """

    def __init__(self, copy_from: Any = None, state: Any = None, alg: int | None = None) -> None:
        if copy_from is not None:
            if state is not None or alg is not None:
                raise AssertionError("Generator: give a generator to copy, or a state and an algorithm")
            self._state_var = _kept(copy_from.state.value)
            self._algorithm = copy_from.algorithm
            return
        if state is None or alg is None:
            raise AssertionError("Generator: a state and an algorithm are needed")
        size = _size(alg)
        if not isinstance(state, Variable):
            state = convert.to_tensor(state, dtypes.int64, "Const")
        _check_dims(state, size)
        self._state_var, self._algorithm = _kept(state), alg

    @classmethod
    def from_state(cls, state: Any, alg: int) -> Generator:
        """A generator with a state, an int64 vector."""
        return cls(state=state, alg=alg)

    @classmethod
    def from_seed(cls, seed: Any, alg: int | None = None) -> Generator:
        """A generator whose state is made of an integer, or a list of integers; by Philox where `alg` does
        not say.
        """
        alg = RNG_ALG_PHILOX if alg is None else alg
        return cls(state=create_rng_state(seed, alg), alg=alg)

    @classmethod
    def from_non_deterministic_state(cls, alg: int | None = None) -> Generator:
        """A generator whose state nobody knows before it is initialized."""
        alg = RNG_ALG_PHILOX if alg is None else alg
        state = raw.NonDeterministicInts([_size(alg)], dtype=dtypes.int64)
        return cls(state=state, alg=alg)

    @classmethod
    def from_key_counter(cls, key: Any, counter: Any, alg: int) -> Generator:
        """A generator of a key, a scalar, and a counter, a vector of 2 numbers for Philox."""
        return cls(state=_joined(key, counter, alg), alg=alg)

    # --- state ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> Any:
        """The variable that keeps the state."""
        return self._state_var

    @property
    def algorithm(self) -> int:
        """The number of the algorithm."""
        return self._algorithm

    @property
    def key(self) -> Tensor:
        """The key, an int64 scalar.

        Raises:
          ValueError: the algorithm is not known.
        """
        _size(self._algorithm)
        return self._state_var.value()[-1]

    def reset(self, state: Any) -> None:
        """Adds an operation that sets the state.

        Raises:
          ValueError: it has another length.
        """
        state = convert.to_tensor(state, dtypes.int64, "Const")
        _check_dims(state, _size(self._algorithm))
        self._state_var.assign(state)

    def reset_from_seed(self, seed: Any) -> None:
        """Adds an operation that sets the state to that of a seed."""
        self.reset(create_rng_state(seed, self._algorithm))

    def reset_from_key_counter(self, key: Any, counter: Any) -> None:
        """Adds an operation that sets the state to a key and a counter."""
        self.reset(_joined(key, counter, self._algorithm))

    def skip(self, delta: Any) -> None:
        """Adds an operation that moves the state on, as `delta` draws would."""
        raw.RngSkip(self._state_var.handle, self._algorithm, delta)

    # --- draws ----------------------------------------------------------------------------------------------

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, name: Any = None
    ) -> Tensor:
        """Normal numbers of a mean and a deviation, in the given shape."""
        with name_scope(name, "stateful_normal", [shape, mean, stddev]) as scope:
            return self._scaled(raw.StatefulStandardNormalV2, shape, mean, stddev, dtype, scope)

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, name: Any = None
    ) -> Tensor:
        """Normal numbers, those more than two deviations from the mean left out."""
        with name_scope(name, "truncated_normal", [shape, mean, stddev]) as scope:
            return self._scaled(raw.StatefulTruncatedNormal, shape, mean, stddev, dtype, scope)

    def _scaled(self, draw: Any, shape: Any, mean: Any, stddev: Any, dtype: Any, scope: str) -> Tensor:
        dtype = dtypes.as_dtype(dtype)
        shape = _shape(shape)
        mean = convert.to_tensor(mean, dtype, "mean")
        stddev = convert.to_tensor(stddev, dtype, "stddev")
        drawn = draw(self._state_var.handle, self._algorithm, shape, dtype=dtype)
        return raw.Add(raw.Mul(drawn, stddev, name="mul"), mean, name=scope)

    def uniform(
        self,
        shape: Any,
        minval: Any = 0,
        maxval: Any = None,
        dtype: Any = dtypes.float32,
        name: str | None = None,
    ) -> Tensor:
        """Uniform numbers in [minval, maxval), in the given shape; `maxval` is 1 for floats where not given.

        Raises:
          ValueError: integers are drawn, and `maxval` is missing.
        """
        dtype = dtypes.as_dtype(dtype)
        if maxval is None:
            if dtype.is_integer:
                raise ValueError(f"Must specify maxval for integer dtype {dtype!r}")
            maxval = 1
        with name_scope(name, "stateful_uniform", [shape, minval, maxval]) as scope:
            shape = _shape(shape)
            minval = convert.to_tensor(minval, dtype, "min")
            maxval = convert.to_tensor(maxval, dtype, "max")
            handle, algorithm = self._state_var.handle, self._algorithm
            if dtype.is_integer:
                return raw.StatefulUniformInt(handle, algorithm, shape, minval, maxval, name=scope)
            drawn = raw.StatefulUniform(handle, algorithm, shape, dtype=dtype)
            width = raw.Sub(maxval, minval, name="sub")
            return raw.Add(raw.Mul(drawn, width, name="mul"), minval, name=scope)

    def uniform_full_int(self, shape: Any, dtype: Any = dtypes.uint64, name: str | None = None) -> Tensor:
        """Integers of all values that their dtype has."""
        with name_scope(name, "stateful_uniform_full_int", [shape]) as scope:
            handle, algorithm = self._state_var.handle, self._algorithm
            return raw.StatefulUniformFullInt(handle, algorithm, _shape(shape), dtype=dtype, name=scope)

    def binomial(
        self,
        shape: Any,
        counts: Any,
        probs: Any,
        dtype: Any = dtypes.int32,
        name: str | None = None,
    ) -> Tensor:
        """How often each of `counts` trials succeeds that does with the chances `probs`: an operation for
        which millrace has no kernel, so that the graph can be built and written.
        """
        with name_scope(name, "binomial", [shape, counts, probs]) as scope:
            counts = convert.to_tensor(counts, name="counts")
            probs = convert.to_tensor(probs, name="probs")
            shape = _shape(shape)
            return raw_ops.StatefulRandomBinomial(
                resource=self._state_var.handle,
                algorithm=self._algorithm,
                shape=shape,
                counts=counts,
                probs=probs,
                dtype=dtype,
                name=scope,
            )

    def make_seeds(self, count: int = 1) -> Tensor:
        """Seeds for stateless functions: int64 `[2, count]`, the second row zeros."""
        drawn = self.uniform_full_int([count], dtypes.int64)
        return raw.Pack([drawn, zeros_like(drawn)], name="stack")

    def split(self, count: int = 1) -> list[Generator]:
        """Generators whose keys are drawn from this one, where operations run at once (`tf.py_function`).

        Raises:
          AttributeError: in a graph, which does not know the keys.
        """
        with name_scope("split"):
            keys = self.make_seeds(count)[0].numpy()
        zeros = np.zeros(_size(self._algorithm) - 1, np.int64)
        return [Generator(state=[*zeros, key], alg=self._algorithm) for key in keys]


def _kept(first: Any) -> Any:
    """A variable that keeps a state."""
    return ResourceVariable(first, trainable=False, dtype=dtypes.int64)


def _shape(shape: Any) -> Tensor:
    if isinstance(shape, shapes.TensorShape):
        shape = shape.as_list()
    empty = isinstance(shape, list | tuple) and not shape
    return convert.to_tensor(shape, dtypes.int32 if empty else None, "shape")


def _joined(key: Any, counter: Any, algorithm: int) -> Tensor:
    counter = convert.to_tensor(counter, dtypes.int64, "Const")
    _check_dims(counter, _size(algorithm) - 1)
    key = raw.Reshape(convert.to_tensor(key, dtypes.int64, "Const"), [1])
    return raw.ConcatV2([counter, key], 0, name="concat")


def _check_dims(state: Any, size: int) -> None:
    if not state.shape.is_compatible_with([size]):
        raise ValueError(f"Shapes {state.shape} and [{size}] are incompatible")


@public("random.experimental.get_global_generator")
def get_global_generator() -> Generator:
    """The generator of the default graph: the one that was set, else one of a state that nobody knows."""
    return get_default_graph().get_scoped(_GLOBAL, lambda: [Generator.from_non_deterministic_state()])[0]


@public("random.experimental.set_global_generator")
def set_global_generator(generator: Any) -> None:
    """Sets the generator of the default graph; with None, it will be a new one."""
    graph = get_default_graph()
    held = graph.get_scoped(_GLOBAL, lambda: [generator])
    held[:] = [Generator.from_non_deterministic_state() if generator is None else generator]
