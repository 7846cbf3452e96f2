"""`tf.contrib.factorization.KMeans`: the graph of k-means clustering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.moments import l2_normalize
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, identity, ones
from millrace.ops.array.fill import ones_like
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import shape
from millrace.ops.linalg.matmul import matmul
from millrace.ops.random.draws import random_uniform

RANDOM_INIT = "random"
public("contrib.factorization.RANDOM_INIT", "contrib.factorization.python.ops.clustering_ops.RANDOM_INIT")(
    RANDOM_INIT
)
KMEANS_PLUS_PLUS_INIT = "kmeans_plus_plus"
public("contrib.factorization.KMEANS_PLUS_PLUS_INIT")(KMEANS_PLUS_PLUS_INIT)
KMC2_INIT = "kmc2"
SQUARED_EUCLIDEAN_DISTANCE = "squared_euclidean"
public(
    "contrib.factorization.SQUARED_EUCLIDEAN_DISTANCE",
    "contrib.factorization.python.ops.clustering_ops.SQUARED_EUCLIDEAN_DISTANCE",
)(SQUARED_EUCLIDEAN_DISTANCE)
COSINE_DISTANCE = "cosine"
public(
    "contrib.factorization.COSINE_DISTANCE",
    "contrib.factorization.python.ops.clustering_ops.COSINE_DISTANCE",
)(COSINE_DISTANCE)


@public("contrib.factorization.python.ops.clustering_ops.nearest_neighbors")
def nearest_neighbors(points: Any, centers: Any, k: Any, name: str | None = None) -> Any:
    """The k centres nearest to each point.

    Args:
      points: float32 `[n, d]`.
      centers: float32 `[m, d]`.
      k: how many; an int64 scalar.
      name: of the operation.

    Returns:
      A pair: int64 indices and float32 squared distances, both `[n, min(k, m)]`.
    """
    return raw.NearestNeighbors(points, centers, k, name=name)


@public("contrib.factorization.KMeans", "contrib.factorization.python.ops.clustering_ops.KMeans")
class KMeans:
    """The graph of k-means, by whole passes or by mini-batches.

    Args:
      inputs: a float32 tensor `[n, d]`, or a list of them.
      num_clusters: how many clusters; a number or a scalar tensor.
      initial_clusters: "random", "kmeans_plus_plus", "kmc2"; or the first centres, `[num_clusters, d]`; or a
        function from the inputs and a number to centres.
      distance_metric: "squared_euclidean" or "cosine".
      use_mini_batch: move centres by each batch; else by all inputs at once.
      mini_batch_steps_per_iteration: after how many batches the moved centres are used.
      random_seed: of the first centres.
      kmeans_plus_plus_num_retries: how many more candidates "kmeans_plus_plus" draws for each centre.
      kmc2_chain_length: the length of the chain of "kmc2".

    Raises:
      ValueError: the metric or the first centres are none of these.
    """

    def __init__(
        self,
        inputs: Any,
        num_clusters: Any,
        initial_clusters: Any = RANDOM_INIT,
        distance_metric: str = SQUARED_EUCLIDEAN_DISTANCE,
        use_mini_batch: bool = False,
        mini_batch_steps_per_iteration: int = 1,
        random_seed: int = 0,
        kmeans_plus_plus_num_retries: int = 2,
        kmc2_chain_length: int = 200,
    ) -> None:
        named = (RANDOM_INIT, KMEANS_PLUS_PLUS_INIT, KMC2_INIT)
        if isinstance(initial_clusters, str) and initial_clusters not in named:
            raise ValueError(f"Unsupported initialization algorithm '{initial_clusters}'")
        if distance_metric not in (SQUARED_EUCLIDEAN_DISTANCE, COSINE_DISTANCE):
            raise ValueError(f"Unsupported distance metric '{distance_metric}'")
        self._inputs = inputs if isinstance(inputs, list) else [inputs]
        self._num_clusters, self._initial_clusters = num_clusters, initial_clusters
        self._distance_metric, self._use_mini_batch = distance_metric, use_mini_batch
        self._steps, self._random_seed = int(mini_batch_steps_per_iteration), random_seed
        self._retries, self._chain = kmeans_plus_plus_num_retries, kmc2_chain_length

    @property
    def _cosine(self) -> bool:
        return self._distance_metric == COSINE_DISTANCE

    def _distances(self, inputs: list[Any], clusters: Any) -> list[Tensor]:
        """The distance of every point from every centre, for each input."""
        made = []
        if self._cosine:
            centres = l2_normalize(clusters, 1)
            return [1 - matmul(points, centres, transpose_b=True) for points in inputs]
        for points in inputs:
            own = reduce_sum(raw.Square(points), 1, keepdims=True)
            crossed = own - 2 * matmul(points, clusters, transpose_b=True)
            made.append(crossed + transpose(reduce_sum(raw.Square(clusters), 1, keepdims=True)))
        return made

    def _nearest(self, inputs: list[Any], clusters: Any) -> list[tuple[Tensor, Tensor, Tensor]]:
        """For each input (all distances, the nearest centre's distance, its number)."""
        every, made = self._distances(inputs, clusters), []
        centres = l2_normalize(clusters, 1) if self._cosine else clusters
        for points, distances in zip(inputs, every, strict=True):
            number, distance = nearest_neighbors(points, centres, 1)
            # Squared distances of unit vectors are twice those by cosine.
            distance = distance * 0.5 if self._cosine else distance
            made.append(
                (distances, raw.Squeeze(distance, squeeze_dims=[-1]), raw.Squeeze(number, squeeze_dims=[-1]))
            )
        return made

    def _clusters_l2_normalized(self) -> bool:
        """Whether the centres have length 1: the mini-batch that moves them by single steps keeps them so."""
        return self._cosine and (not self._use_mini_batch or self._steps > 1)

    def _create_variables(self, num_clusters: Any) -> tuple[Any, ...]:
        """Centres, whether they are there, how many points they had, the moved ones, batches since."""
        empty = constant([], inputs_dtype(self._inputs))
        centres = Variable(empty, name="clusters", validate_shape=False)
        there = Variable(False, name="initialized")
        if not self._use_mini_batch:
            return centres, there, None, centres, None
        counts = Variable(ones([num_clusters], int64))
        if self._steps == 1:
            return centres, there, counts, centres, None
        moved = Variable(empty, name="clusters_updated", validate_shape=False)
        since = Variable(0, name="update_in_steps", dtype=int64)
        return centres, there, counts, moved, since

    def training_graph(self) -> tuple[Any, ...]:
        """The graph of training.

        Returns:
          The distances of all points from all centres, the number of the nearest centre, and its distance,
          each a tuple with a tensor for each input; a variable: whether there are centres; an operation that
          makes them; an operation that moves them.
        """
        inputs = [convert.to_tensor(x) for x in self._inputs]
        num = convert.to_tensor(self._num_clusters, int64)
        centres, there, counts, moved, since = self._create_variables(num)
        begin = _Beginning(self, inputs, num, centres, there, moved if since is not None else None).op()
        if self._cosine:
            inputs = [l2_normalize(x, 1) for x in inputs]
        nearest = self._nearest(inputs, centres)
        numbers = [n[2] for n in nearest]
        if self._use_mini_batch:
            sync = [] if since is None else [self._synchronized(centres, moved, since, counts)]
            with control_dependencies(sync):
                train = self._moved_by_batch(inputs, numbers, moved, counts)
        else:
            train = self._moved_by_all(inputs, num, numbers, centres)
        return (
            tuple(n[0] for n in nearest), tuple(numbers), tuple(n[1] for n in nearest), there, begin, train,
        )  # fmt: skip

    def _synchronized(self, centres: Any, moved: Any, since: Any, counts: Any) -> Any:
        """Takes the moved centres over after enough batches, and counts the batches."""

        def take() -> Tensor:
            fresh = assign(since, constant(self._steps - 1, int64)).op
            with control_dependencies([fresh]):
                new = l2_normalize(moved, 1) if self._cosine else identity(moved)
                done = assign(centres, new, validate_shape=False)
            with control_dependencies([done]):
                restart = assign(counts, raw.ZerosLike(counts), validate_shape=False)
                refreshed = assign(moved, new, validate_shape=False)
                with control_dependencies([restart, refreshed]):
                    return identity(since)

        return cond(raw.LessEqual(since, convert.to_tensor(0, int64)), take, lambda: since.assign_sub(1))

    def _moved_by_batch(self, inputs: list[Any], numbers: list[Any], centres: Any, counts: Any) -> Any:
        """Moves each centre towards the points of a batch, by a step that shrinks with all it ever had."""
        made = []
        for points, number in zip(inputs, numbers, strict=True):
            number = raw.Reshape(number, [-1])
            ids, place = raw.Unique(number)
            count = raw.Size(ids)
            seen = gather(counts, ids)
            old = gather(centres, ids)
            mine = raw.UnsortedSegmentSum(ones_like(place, int64), place, count)
            made.append(raw.ScatterAdd(counts._ref(), ids, mine))
            total = raw.UnsortedSegmentSum(points, place, count)
            spread = concat([raw.Reshape(count, [1]), ones([1], int32)], 0)
            weight = raw.Reshape(raw.Cast(mine, DstT=points.dtype), spread)
            step = total - weight * old
            rate = raw.Reciprocal(raw.Cast(seen + mine, DstT=points.dtype))
            step = step * raw.Reshape(rate, spread)
            made.append(raw.ScatterAdd(centres._ref(), ids, step))
        return group(*made)

    def _moved_by_all(self, inputs: list[Any], num: Any, numbers: list[Any], centres: Any) -> Any:
        """Moves each centre to the mean of its points."""
        sums, counts = [], []
        for points, number in zip(inputs, numbers, strict=True):
            sums.append(raw.UnsortedSegmentSum(points, number, num))
            one = ones([raw.Reshape(shape(points)[0], []), 1], points.dtype)
            counts.append(raw.UnsortedSegmentSum(one, number, num))
        epsilon = constant(1e-6, inputs[0].dtype)
        new = (
            raw.AddN(sums) / (raw.AddN(counts) + epsilon)
            if len(sums) > 1
            else sums[0] / (counts[0] + epsilon)
        )
        if self._clusters_l2_normalized():
            new = l2_normalize(new, 1)
        return assign(centres, new)


def inputs_dtype(inputs: list[Any]) -> Any:
    """The dtype of the first input."""
    return convert.to_tensor(inputs[0]).dtype.base_dtype


class _Beginning:
    """The operation that makes the first centres, a few at a time until there are enough.

    Args:
      model: whose settings count.
      inputs: the points.
      num: how many centres are wanted.
      centres, there, moved: the variables.
    """

    def __init__(
        self, model: KMeans, inputs: list[Any], num: Any, centres: Any, there: Any, moved: Any
    ) -> None:
        self._model, self._inputs, self._num = model, inputs, num
        self._centres, self._there, self._moved = centres, there, moved
        self._selected = raw.Cast(shape(centres)[0], DstT=int64)
        self._remaining = num - self._selected
        self._data = raw.Cast(
            raw.AddN([shape(x)[0] for x in inputs]) if len(inputs) > 1 else shape(inputs[0])[0], DstT=int64
        )

    def op(self) -> Any:
        """A bool tensor: computing it makes centres where there are not enough."""
        return cond(
            raw.Equal(self._remaining, convert.to_tensor(0, int64)),
            lambda: identity(self._there),
            self._initialize,
        )

    def _points(self) -> Any:
        return concat(self._inputs, 0) if len(self._inputs) > 1 else self._inputs[0]

    def _initialize(self) -> Any:
        """Adds centres; False while there are too few."""
        first = self._model._initial_clusters
        if isinstance(first, str):
            wanted = raw.Minimum(self._remaining, self._data)
            make: Callable[[Any], Any] = {
                RANDOM_INIT: self._random,
                KMEANS_PLUS_PLUS_INIT: self._plus_plus,
                KMC2_INIT: self._chain,
            }[first]
            new = make(wanted)
        elif callable(first):
            new = first(self._inputs, self._remaining)
        else:
            new = convert.to_tensor(first, self._inputs[0].dtype)
        if self._model._cosine:
            new = l2_normalize(new, 1)
        empty = raw.Equal(self._selected, convert.to_tensor(0, int64))
        every = cond(empty, lambda: identity(new), lambda: concat([self._centres, new], 0))
        held = assign(self._centres, every, validate_shape=False)
        if self._moved is not None:
            with control_dependencies([held]):
                held = assign(self._moved, identity(self._centres), validate_shape=False)
        with control_dependencies([held]):
            enough = raw.Equal(self._num - raw.Cast(shape(every)[0], DstT=int64), convert.to_tensor(0, int64))
            return cond(enough, lambda: assign(self._there, True), lambda: identity(self._there))

    def _random(self, wanted: Any) -> Any:
        places = random_uniform(
            raw.Reshape(wanted, [-1]), minval=0, maxval=self._data, seed=self._model._random_seed, dtype=int64
        )
        return gather(self._points(), places)

    def _plus_plus(self, wanted: Any) -> Any:
        points = l2_normalize(self._points(), 1) if self._model._cosine else self._points()
        return raw.KmeansPlusPlusInitialization(
            points, wanted, self._model._random_seed, self._model._retries
        )

    def _chain(self, wanted: Any) -> Any:
        """One more centre: the first at random, the others as the ends of chains over random points."""
        del wanted
        points = self._points()
        length = raw.Minimum(
            raw.Cast(shape(points)[0], DstT=int64), convert.to_tensor(self._model._chain, int64)
        )

        def first() -> Any:
            place = random_uniform(
                [1], minval=0, maxval=self._data, seed=self._model._random_seed, dtype=int64
            )
            return gather(points, place)

        def further() -> Any:
            places = random_uniform(
                raw.Reshape(length, [1]),
                minval=0,
                maxval=self._data,
                seed=self._model._random_seed,
                dtype=int64,
            )
            subset = gather(points, places)
            _, far = nearest_neighbors(subset, self._centres, 1)
            best = raw.KMC2ChainInitialization(raw.Squeeze(far, squeeze_dims=[1]), self._model._random_seed)
            return raw.ExpandDims(gather(subset, best), 0)

        return cond(raw.Equal(self._selected, convert.to_tensor(0, int64)), first, further)
