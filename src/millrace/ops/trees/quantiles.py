"""Operations that bucketize features by quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.errors import FailedPreconditionError, refusal
from millrace.graph.attrs import count, flag, integer, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.families import handle
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.state.resource import of
from millrace.opkit.trees.quantiles import QuantileStreams, Stream

_NOW: dict[str, Any] = dict(effect=True, host=True)
_MOST = 1 << 40

BoostedTreesQuantileStreamResourceHandleOp = handle(
    "BoostedTreesQuantileStreamResourceHandleOp() -> resource: resource",
    QuantileStreams,
    "Quantile streams of some features.",
    __name__,
    effect=True,
    container=text(""),
    shared_name=text(""),
)


def _streams(resource: Any) -> QuantileStreams:
    streams = of(QuantileStreams, resource)
    if not streams.is_ready:
        raise FailedPreconditionError(
            None, None, f"The quantile streams are used before they are created. Received: {streams.name}"
        )
    return streams


@declare(
    "BoostedTreesCreateQuantileStreamResource(quantile_stream_resource_handle: resource, epsilon: float, "
    "num_streams: int64)",
    max_elements=integer(_MOST),
    **_NOW,
)
class BoostedTreesCreateQuantileStreamResource:
    """Makes the streams."""

    def shape(quantile_stream_resource_handle, epsilon, num_streams):
        with_rank(epsilon, 0, "epsilon")
        with_rank(num_streams, 0, "num_streams")
        return []

    def kernel(xp, quantile_stream_resource_handle, epsilon, num_streams, max_elements):
        if not 0 < float(epsilon) < 1:
            raise refusal(f"epsilon must be in (0, 1). Received: {float(epsilon)}")
        if int(num_streams) < 0:
            raise refusal(f"num_streams must not be negative. Received: {int(num_streams)}")
        of(QuantileStreams, quantile_stream_resource_handle).create(
            float(epsilon), int(num_streams), max_elements
        )

    grad = NOT_DIFFERENTIABLE


@declare(
    "IsBoostedTreesQuantileStreamResourceInitialized(quantile_stream_resource_handle: resource) -> "
    "is_initialized: bool",
    **_NOW,
)
class IsBoostedTreesQuantileStreamResourceInitialized:
    """Whether the streams have been made."""

    def shape(quantile_stream_resource_handle):
        return ()

    def kernel(xp, quantile_stream_resource_handle):
        return np.bool_(of(QuantileStreams, quantile_stream_resource_handle).is_ready)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesMakeQuantileSummaries(float_values: num_features*float, example_weights: float, "
    "epsilon: float) -> summaries: num_features*float",
    num_features=count(0),
    host=True,
)
class BoostedTreesMakeQuantileSummaries:
    """The summary of a batch of each feature."""

    def shape(float_values, example_weights, epsilon):
        for dims in float_values:
            with_rank(dims, 1, "float_values")
        with_rank(example_weights, 1, "example_weights")
        return [(None, 4)] * len(float_values)

    def kernel(xp, float_values, example_weights, epsilon):
        found = []
        for values in float_values:
            if len(example_weights) not in (1, len(values)):
                raise refusal(
                    f"There must be one weight, or one for each of {len(values)} values. "
                    f"Received: {len(example_weights)}"
                )
            stream = Stream(float(epsilon), len(values) + 1)
            stream.push_values(values, np.broadcast_to(example_weights, values.shape))
            found.append(stream.finish())
        return found

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesQuantileStreamResourceAddSummaries(quantile_stream_resource_handle: resource, "
    "summaries: num_features*float)",
    num_features=count(0),
    **_NOW,
)
class BoostedTreesQuantileStreamResourceAddSummaries:
    """Adds the summary of a batch to each stream."""

    def shape(quantile_stream_resource_handle, summaries):
        for dims in summaries:
            with_rank(dims, 2, "summaries")
        return []

    def kernel(xp, quantile_stream_resource_handle, summaries):
        _streams(quantile_stream_resource_handle).add(summaries)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesFlushQuantileSummaries(quantile_stream_resource_handle: resource) -> "
    "summaries: num_features*float",
    num_features=integer(minimum=0),
    **_NOW,
)
class BoostedTreesFlushQuantileSummaries:
    """The summary of each stream; the streams start anew."""

    def shape(quantile_stream_resource_handle, num_features):
        return [(None, 4)] * num_features

    def kernel(xp, quantile_stream_resource_handle, num_features):
        streams = _streams(quantile_stream_resource_handle)
        streams.check_count(num_features)
        return streams.take()

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesQuantileStreamResourceFlush(quantile_stream_resource_handle: resource, num_buckets: int64)",
    generate_quantiles=flag(False),
    **_NOW,
)
class BoostedTreesQuantileStreamResourceFlush:
    """Makes the boundaries of buckets; the streams start anew."""

    def shape(quantile_stream_resource_handle, num_buckets):
        with_rank(num_buckets, 0, "num_buckets")
        return []

    def kernel(xp, quantile_stream_resource_handle, num_buckets, generate_quantiles):
        _streams(quantile_stream_resource_handle).flush(int(num_buckets), generate_quantiles)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesQuantileStreamResourceGetBucketBoundaries(quantile_stream_resource_handle: resource) -> "
    "bucket_boundaries: num_features*float",
    num_features=integer(minimum=0),
    **_NOW,
)
class BoostedTreesQuantileStreamResourceGetBucketBoundaries:
    """The boundaries of each feature's buckets."""

    def shape(quantile_stream_resource_handle, num_features):
        return [(None,)] * num_features

    def kernel(xp, quantile_stream_resource_handle, num_features):
        streams = _streams(quantile_stream_resource_handle)
        streams.check_count(num_features)
        return list(streams.boundaries)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesQuantileStreamResourceDeserialize(quantile_stream_resource_handle: resource, "
    "bucket_boundaries: num_streams*float)",
    num_streams=count(1),
    **_NOW,
)
class BoostedTreesQuantileStreamResourceDeserialize:
    """Takes boundaries from elsewhere."""

    def shape(quantile_stream_resource_handle, bucket_boundaries):
        for dims in bucket_boundaries:
            with_rank(dims, 1, "bucket_boundaries")
        return []

    def kernel(xp, quantile_stream_resource_handle, bucket_boundaries):
        _streams(quantile_stream_resource_handle).set_boundaries(bucket_boundaries)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesBucketize(float_values: num_features*float, bucket_boundaries: num_features*float) -> "
    "buckets: num_features*int32",
    num_features=count(0),
    host=True,
)
class BoostedTreesBucketize:
    """The bucket of each value: the first whose boundary is not below it, or the last."""

    def shape(float_values, bucket_boundaries):
        for dims in (*float_values, *bucket_boundaries):
            with_rank(dims, 1, "float_values and bucket_boundaries")
        return list(float_values)

    def kernel(xp, float_values, bucket_boundaries):
        return [
            np.minimum(np.searchsorted(bounds, values), max(len(bounds) - 1, 0)).astype(np.int32)
            for values, bounds in zip(float_values, bucket_boundaries, strict=True)
        ]

    grad = NOT_DIFFERENTIABLE
