"""What all datasets share: the tensor that holds one, its structure, its options, and how iterators start
it.
"""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.datasets import iterators, nesting
from millrace.datasets.elements import attrs_of, int64
from millrace.datasets.options import Options
from millrace.drawing import cards
from millrace.graph.defaults import executing_eagerly
from millrace.graph.tensor import Tensor

_SPEEDUPS = ("map_vectorization:use_choose_fastest:false",)


class DatasetBase:
    """A dataset: a scalar variant tensor, and the structure of its elements."""

    _variant_tensor: Tensor
    _own_options: Options | None = None

    def __init__(self, variant_tensor: Tensor, element_spec: Any, *inputs: DatasetBase) -> None:
        self._variant_tensor = variant_tensor
        self._spec = element_spec
        self._sources = inputs

    # --- making others --------------------------------------------------------------------------------------

    def _of(self, variant_tensor: Tensor, element_spec: Any, *inputs: DatasetBase) -> Any:
        """A dataset made of this one."""
        return _plain_class(type(self))(variant_tensor, element_spec, *inputs)

    def _same(self, variant_tensor: Tensor) -> Any:
        """A dataset of the same structure made of this one."""
        return self._of(variant_tensor, self._spec, self)

    @property
    def _attrs(self) -> dict[str, Any]:
        return attrs_of(self._spec)

    # --- structure ------------------------------------------------------------------------------------------

    @property
    def element_spec(self) -> Any:
        """Nested specs of an element."""
        return self._spec

    @property
    def output_types(self) -> Any:
        """Nested dtypes of an element."""
        return nesting.map_structure(lambda spec: spec.legacy_type, self._spec)

    @property
    def output_shapes(self) -> Any:
        """Nested shapes of an element."""
        return nesting.map_structure(lambda spec: spec.legacy_shape, self._spec)

    @property
    def output_classes(self) -> Any:
        """Nested classes of an element: `tf.Tensor` or `tf.SparseTensor`."""
        return nesting.map_structure(lambda spec: spec.legacy_class, self._spec)

    def __repr__(self) -> str:
        # what TensorFlow's programs print for a dataset, so that their output stays as it was
        kind = "DatasetV1Adapter" if type(self).__name__ == "Dataset" else f"{type(self).__name__}V1"
        shapes = str(nesting.map_structure(str, self.output_shapes))
        types = str(self.output_types).replace("<dtype: '", "tf.").replace("'>", "")
        return f"<{kind} shapes: {shapes}, types: {types}>".replace("'", "")

    def _repr_html_(self) -> str:
        shapes = nesting.map_structure(str, self.output_shapes)
        types = nesting.map_structure(lambda dtype: dtype.name, self.output_types)
        sources = [type(source).__name__ for source in self._sources]
        return cards.dataset(type(self).__name__, types, shapes, sources)

    def __iter__(self) -> Any:
        if executing_eagerly():
            return iterators.elements(self)
        raise RuntimeError(
            "__iter__() is only supported inside of tf.function or when eager execution is enabled."
        )

    # --- options --------------------------------------------------------------------------------------------

    def options(self) -> Options:
        """What options were given to this dataset and to those that it is made of."""
        found = Options()
        for source in self._sources:
            found = found.merge(source.options())
        return found if self._own_options is None else found.merge(self._own_options)

    def _optioned(self) -> Tensor:
        """The tensor of the dataset as iterators take it, with the options applied as TensorFlow does."""
        options, tensor, attrs = self.options(), self._variant_tensor, self._attrs
        threading = options.experimental_threading
        if threading.max_intra_op_parallelism is not None:
            most = int64(threading.max_intra_op_parallelism, "max_intra_op_parallelism")
            tensor = raw.MaxIntraOpParallelismDataset(tensor, most, **attrs)
        if threading.private_threadpool_size is not None:
            size = int64(threading.private_threadpool_size, "num_threads")
            tensor = raw.PrivateThreadPoolDataset(tensor, size, **attrs)
        names = options.static_optimizations()
        if names:
            configs = [*_SPEEDUPS, *(["slack:slack_period:1"] if options.experimental_slack else [])]
            wanted = convert.to_tensor(names, dtypes.string, "optimizations")
            tensor = raw.OptimizeDataset(tensor, wanted, optimization_configs=configs, **attrs)
        optimization = options.experimental_optimization
        if optimization.autotune is not False:
            algorithm = optimization.autotune_algorithm or 0
            budget = optimization.autotune_cpu_budget or 0
            tensor = raw.ModelDataset(tensor, algorithm=algorithm, cpu_budget=budget, **attrs)
        stats = options.experimental_stats
        if stats.aggregator is not None:
            tensor = stats.aggregator.applied(tensor, stats, attrs)
        return tensor

    # --- iterators ------------------------------------------------------------------------------------------

    def make_one_shot_iterator(self) -> iterators.Iterator:
        """An iterator that starts by itself and cannot be started again.

        Raises:
          ValueError: the dataset depends on a placeholder, a variable or another operation with state.
        """
        return iterators.one_shot(self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> iterators.Iterator:
        """An iterator whose `initializer` starts it.

        Args:
          shared_name: under which several graphs of one session share it.
        """
        return iterators.initializable(self, shared_name)


def _plain_class(kind: type) -> type:
    """The class for a dataset that is made of one of class `kind`: `Dataset`, also for those of readers."""
    return next(k for k in kind.__mro__ if k.__name__ == "Dataset")
