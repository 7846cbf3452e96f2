"""`tf.contrib.eager`: variables, their stores and savers, networks of layers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_session
from millrace.lib.layers.base import Layer
from millrace.lib.variables.scope import get_variable_scope, variable_scope
from millrace.lib.variables.variable import Variable as _Variable
from millrace.saver.checkpoint.reader import NewCheckpointReader
from millrace.saver.saver import Saver as _Saver


@public("contrib.eager.Variable")
class Variable:
    """Makes a resource variable: `tf.Variable(..., use_resource=True)`; arguments as there."""

    def __new__(
        cls,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        dtype: Any = None,
        variable_def: Any = None,
        import_scope: str | None = None,
        constraint: Any = None,
        distribute_strategy: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> Any:
        """The variable."""
        del distribute_strategy, synchronization, aggregation, shape
        return _Variable(
            initial_value,
            trainable=True if trainable is None else trainable,
            collections=collections,
            validate_shape=validate_shape,
            caching_device=caching_device,
            name=name,
            dtype=dtype,
            variable_def=variable_def,
            import_scope=import_scope,
            constraint=constraint,
            use_resource=True,
        )


@public("contrib.eager.Iterator")
class DatasetIterator:
    """Python's iteration over a data set, which needs values while the program runs: refused in a graph.

    Args:
      dataset: the data set.

    Raises:
      RuntimeError: always; `tf.data.make_one_shot_iterator(dataset)` iterates in a session.
    """

    def __init__(self, dataset: Any) -> None:
        raise RuntimeError(
            "tf.contrib.eager.Iterator does not support graphs; use tf.data.make_one_shot_iterator. "
            f"Received: {dataset!r}"
        )


@public("contrib.eager.Saver")
class Saver:
    """Saves and restores variables in the default session.

    Args:
      var_list: variables, or a dictionary of them by name.
    """

    def __init__(self, var_list: Any) -> None:
        self._saver = _Saver(var_list)

    def save(self, file_prefix: str, global_step: Any = None) -> str | None:
        """Writes a checkpoint, and returns its path."""
        return self._saver.save(_session(), file_prefix, global_step=global_step)

    def restore(self, file_prefix: str) -> None:
        """Reads a checkpoint."""
        self._saver.restore(_session(), file_prefix)


def _session() -> Any:
    session = get_default_session()
    if session is None:
        raise ValueError("contrib.eager.Saver: a default session is needed; use `with tf.Session():`")
    return session


@public("contrib.eager.get_optimizer_variables")
def get_optimizer_variables(optimizer: Any) -> list[Any]:
    """The variables that an optimizer has made."""
    return optimizer.variables()


@public("contrib.eager.restore_variables_on_create")
@contextlib.contextmanager
def restore_variables_on_create(
    save_path: str | None, map_func: Callable[[str], str] | None = None
) -> Iterator[None]:
    """A `with` in which variables of `tf.get_variable` begin with their values in a checkpoint.

    Args:
      save_path: the checkpoint; None: variables begin as ever.
      map_func: of a variable's name to its name in the checkpoint.

    Raises:
      ValueError: `map_func` is not callable.
      NotFoundError: there is no such checkpoint.
    """
    if map_func is not None and not callable(map_func):
        raise ValueError(f"map_func must be callable. Received: {map_func!r}")
    if save_path is None:
        yield
        return
    reader = NewCheckpointReader(save_path)

    def getter(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        saved = map_func(name) if map_func else name
        if reader.has_tensor(saved):
            kwargs["initializer"] = reader.get_tensor(saved)
            kwargs["shape"] = None
        return getter(name, *args, **kwargs)

    with variable_scope(get_variable_scope(), custom_getter=getter, auxiliary_name_scope=False):
        yield


@public("contrib.eager.Network")
class Network(Layer):
    """A layer made of layers that it tracks.

    Args:
      name: default: the class's, in snake case.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self._members: dict[str, Any] = {}

    def track_layer(self, layer: Any) -> Any:
        """Notes a layer, whose variables become the network's, and returns it.

        Raises:
          TypeError: it is not a layer.
          ValueError: another layer has its name.
        """
        if not hasattr(layer, "trainable_variables") or not callable(layer):
            raise TypeError(f"Network.track_layer() passed type {type(layer)}, not a layer")
        name = layer.name
        if self._members.setdefault(name, layer) is not layer:
            raise ValueError(f"Attempt to add two Layers with the name {name!r} to the same Network")
        return layer

    @property
    def layers(self) -> list[Any]:
        """The layers, in order."""
        return list(self._members.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by name or by place.

        Raises:
          ValueError: there is none, or both or neither were given.
        """
        if (name is None) == (index is None):
            raise ValueError("Exactly one of name and index must be provided")
        if index is not None:
            return self.layers[index]
        if name not in self._members:
            raise ValueError(f"No such layer: {name}.")
        return self._members[name]

    def build(self, input_shape: Any) -> None:
        """Nothing: the layers build themselves."""
        self.built = True

    @property
    def trainable_weights(self) -> list[Any]:
        """The layers' trained variables."""
        return [w for layer in self.layers for w in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The layers' other variables."""
        return [w for layer in self.layers for w in layer.non_trainable_weights]

    @property
    def weights(self) -> list[Any]:
        """All of the layers' variables."""
        return self.trainable_weights + self.non_trainable_weights

    @property
    def trainable_variables(self) -> list[Any]:
        """As `trainable_weights`."""
        return self.trainable_weights

    @property
    def variables(self) -> list[Any]:
        """As `weights`."""
        return self.weights


@public("contrib.eager.Sequential")
class Sequential(Network):
    """Layers and functions, one after the other.

    Args:
      layers_funcs: the layers and functions.
      name: of the network.
    """

    def __init__(self, layers_funcs: Any = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self._steps: list[Any] = []
        for step in layers_funcs or ():
            self.add(step)

    def add(self, layer_func: Any) -> None:
        """One more layer or function."""
        if hasattr(layer_func, "trainable_variables"):
            layer_func = self.track_layer(layer_func)
        self._steps.append(layer_func)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """What the last one gives."""
        for step in self._steps:
            inputs = step(inputs)
        return inputs


@public("contrib.eager.save_network_checkpoint")
def save_network_checkpoint(
    network: Network, save_path: str, global_step: Any = None, map_func: Callable[[str], str] | None = None
) -> str | None:
    """Writes a network's variables, by name without the network's scope, and returns the path.

    Args:
      network: whose variables.
      save_path: a path, or a folder.
      global_step: a number for the path.
      map_func: of a variable's name to its name in the checkpoint.
    """
    return _Saver(_named(network, map_func)).save(_session(), save_path, global_step=global_step)


@public("contrib.eager.restore_network_checkpoint")
def restore_network_checkpoint(
    network: Network, save_path: str, map_func: Callable[[str], str] | None = None
) -> None:
    """Reads a network's variables; see `save_network_checkpoint`."""
    _Saver(_named(network, map_func)).restore(_session(), save_path)


def _named(network: Network, map_func: Callable[[str], str] | None) -> dict[str, Any]:
    scope = re.escape(network.name)
    named = {}
    for variable in network.variables:
        name = re.sub(rf"^(?:.*/)?{scope}/", "", variable.op.name)
        named[map_func(variable.op.name) if map_func else name] = variable
    return named
