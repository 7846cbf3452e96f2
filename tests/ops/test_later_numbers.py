"""Operations of later releases: functions, counts, draws, quantization; numbers are TensorFlow 2's."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

raw = tf.raw_ops


def run(fetches):
    with tf.Session() as sess:
        return sess.run(fetches)


_POSITIVE = floats(2, 3, low=0.3, high=1.8)


def _integral(of, low):
    """The integral of a function from `low` to each element, by Simpson's rule."""

    def total(x):
        out = np.empty(x.shape, np.float64)
        for at, end in np.ndenumerate(x.astype(np.float64)):
            t = np.linspace(low, end, 1001)
            weights = np.ones(1001)
            weights[1:-1:2], weights[2:-1:2] = 4, 2
            out[at] = (of(t) * weights).sum() * (end - low) / 3000
        return np.float32(out)

    return total


def _bessel(order):
    """J of an order from its integral."""
    return lambda x: np.float32(
        [
            np.trapezoid(np.cos(order * t - v * np.sin(t)), t) / np.pi
            for t in [np.linspace(0, np.pi, 1001)]
            for v in x.ravel()
        ]
    ).reshape(x.shape)


def _modified(order):
    return lambda x: np.float32(
        [
            np.trapezoid(np.exp(v * np.cos(t)) * np.cos(order * t), t) / np.pi
            for t in [np.linspace(0, np.pi, 1001)]
            for v in x.ravel()
        ]
    ).reshape(x.shape)


def _second_kind(order, scaled):
    """K of an order from its integral, which ends long before 12."""
    t = np.linspace(0, 12, 2001)

    def value(x):
        found = [np.trapezoid(np.exp(-v * (np.cosh(t) - scaled)) * np.cosh(order * t), t) for v in x.ravel()]
        return np.float32(found).reshape(x.shape)

    return value


class TestFunctions(OpSuite):
    """Special functions, each against an integral."""

    cases = (
        OpCase("BesselI0", [_POSITIVE], _modified(0)),
        OpCase("BesselI1", [_POSITIVE], _modified(1)),
        OpCase("BesselJ0", [_POSITIVE], _bessel(0)),
        OpCase("BesselJ1", [_POSITIVE], _bessel(1)),
        OpCase("BesselK0", [_POSITIVE], _second_kind(0, 0)),
        OpCase("BesselK1", [_POSITIVE], _second_kind(1, 0)),
        OpCase("BesselK0e", [_POSITIVE], _second_kind(0, 1)),
        OpCase("BesselK1e", [_POSITIVE], _second_kind(1, 1)),
        OpCase("FresnelCos", [_POSITIVE], _integral(lambda t: np.cos(np.pi * t * t / 2), 0.0)),
        OpCase("FresnelSin", [_POSITIVE], _integral(lambda t: np.sin(np.pi * t * t / 2), 0.0)),
        OpCase("Dawsn", [_POSITIVE], lambda x: np.exp(-x * x) * _integral(lambda t: np.exp(t * t), 0.0)(x)),
        OpCase(
            "Expint",
            [_POSITIVE],
            lambda x: np.float32(0.5772157) + np.log(x) + _integral(lambda t: np.expm1(t) / t, 1e-9)(x),
        ),
        OpCase("Spence", [_POSITIVE + 1], _integral(lambda t: np.log(t) / (1 - t), 1 + 1e-7)),
    )


def test_functions_of_the_second_kind():
    x = np.float32([0.5375872, 0.991773])
    np.testing.assert_allclose(run(raw.BesselY0(x=x)), [-0.39089644, 0.08180045], rtol=1e-5)
    np.testing.assert_allclose(run(raw.BesselY1(x=x)), [-1.3837193, -0.78839564], rtol=1e-5)
    t = tf.constant(x)
    slopes = run(tf.gradients(raw.BesselY0(x=t), t) + tf.gradients(raw.BesselY1(x=t), t))
    np.testing.assert_allclose(slopes[0], [1.3837193, 0.78839564], rtol=1e-5)
    np.testing.assert_allclose(slopes[1], run(raw.BesselY0(x=x) - raw.BesselY1(x=x) / x), rtol=1e-5)


def test_slopes_at_zero():
    zero = tf.constant([0.0])
    assert run(tf.gradients(raw.BesselJ1(x=zero), zero))[0].tolist() == [0.5]
    one = tf.constant([1.0])
    assert run(tf.gradients(raw.Spence(x=one), one))[0].tolist() == [-1.0]


# --- counts ------------------------------------------------------------------------------------------------

_ROWS = np.int32([[1, 2, 2], [0, 5, 1]])
_NONE = np.zeros(0, np.float32)
_COUNT = {"minlength": -1, "maxlength": -1, "binary_output": False, "output_type": tf.float32}


def _dense(parts):
    places, values, size = run(list(parts))
    out = np.zeros(size)
    out[tuple(places.T)] = values
    return out.tolist()


def test_sparse_counts():
    wanted = [[0, 1, 2, 0, 0, 0], [1, 1, 0, 0, 0, 1]]
    splits, places = np.int64([0, 3, 6]), np.int64([[r, c] for r in range(2) for c in range(3)])
    flat = _ROWS.ravel()
    of_dense = {k: v for k, v in _COUNT.items() if k != "output_type"}
    assert _dense(raw.DenseCountSparseOutput(values=_ROWS, weights=_NONE, **of_dense)) == wanted
    assert (
        _dense(raw.RaggedCountSparseOutput(splits=splits, values=flat, weights=_NONE, **of_dense)) == wanted
    )
    sparse = raw.SparseCountSparseOutput(
        indices=places, values=flat, dense_shape=np.int64([2, 3]), weights=_NONE, **of_dense
    )
    assert _dense(sparse) == wanted


def test_sparse_counts_of_a_vector_with_weights_and_limits():
    weights = np.float32([0.5, 1.5, 2.0])
    limits = {"minlength": 4, "maxlength": -1, "binary_output": False}
    assert _dense(raw.DenseCountSparseOutput(values=_ROWS[0], weights=weights, **limits)) == [0, 0.5, 3.5, 0]
    few = {"minlength": -1, "maxlength": 2, "binary_output": True}
    assert _dense(raw.DenseCountSparseOutput(values=_ROWS, weights=_NONE, **few)) == [[0, 1], [1, 1]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="non-negative"):
        run(raw.DenseCountSparseOutput(values=np.int32([-1]), weights=_NONE, **limits))


# --- crosses -----------------------------------------------------------------------------------------------


def test_crosses_of_ragged_columns():
    out = raw.RaggedCross(
        ragged_values=[np.array([b"a", b"b", b"c"], object)],
        ragged_row_splits=[np.int64([0, 2, 3])],
        sparse_indices=[],
        sparse_values=[],
        sparse_shape=[],
        dense_inputs=[np.array([[b"x"], [b"y"]], object)],
        input_order="DR",
        hashed_output=False,
        num_buckets=0,
        hash_key=1,
        out_values_type=tf.string,
        out_row_splits_type=tf.int64,
    )
    values, splits = run(list(out))
    assert values.tolist() == [b"x_X_a", b"x_X_b", b"y_X_c"] and splits.tolist() == [0, 2, 3]


def test_crosses_with_a_separator():
    texts = np.array([[b"a", b"b"]], object)
    found = run(
        list(
            raw.SparseCrossV2(
                indices=[], values=[], shapes=[], dense_inputs=[np.int64([[1]]), texts], sep=b"-"
            )
        )
    )
    assert found[1].tolist() == [b"1-a", b"1-b"] and found[2].tolist() == [1, 2]


# --- draws -------------------------------------------------------------------------------------------------

_SEED = np.int32([3, 4])


def test_draws_are_those_of_the_release():
    whole = raw.StatelessRandomUniformFullInt(shape=[3], seed=_SEED, dtype=tf.int64)
    assert run(whole).tolist() == [-2882898006462487541, 4520458231610095266, -3428664559879909945]
    rates = np.float32([3] * 5)
    assert run(raw.StatelessRandomPoisson(shape=[5], seed=_SEED, lam=rates, dtype=tf.int32)).tolist() == [
        6,
        4,
        3,
        3,
        1,
    ]
    gammas = [
        1.7028307914733887,
        1.1621073484420776,
        2.652949571609497,
        0.45383161306381226,
        8.89546012878418,
    ]
    alpha = np.float32([2] * 5)
    np.testing.assert_allclose(
        run(raw.StatelessRandomGammaV2(shape=[5], seed=_SEED, alpha=alpha)), gammas, 1e-6
    )
    key = raw.StatelessRandomGetKeyCounterAlg(seed=_SEED)
    again = raw.StatelessRandomGammaV3(shape=[5], key=key[0], counter=key[1], alg=key[2], alpha=alpha)
    np.testing.assert_allclose(run(again), gammas, 1e-6)
    mixed = raw.StatelessShuffle(value=np.arange(10), key=key[0], counter=key[1], alg=key[2])
    assert run(mixed).tolist() == [3, 8, 4, 2, 7, 9, 1, 0, 6, 5]


@pytest.mark.parametrize(
    ("count", "chance", "wanted"),
    [
        (10.0, 0.3, [5, 5, 1, 2, 4, 3, 4, 2]),
        (100.0, 0.3, [35, 32, 22, 31, 24, 38, 36, 28]),
        (10.0, 0.7, [5, 5, 9, 8, 6, 7, 6, 8]),
    ],
)
def test_binomial_numbers(count, chance, wanted):
    settings = {"seed": _SEED, "dtype": tf.int32}
    one = raw.StatelessRandomBinomial(
        shape=[8], counts=np.float64(count), probs=np.float64(chance), **settings
    )
    assert run(one).tolist() == wanted
    four = np.full(4, count), np.full(4, chance)
    rows = raw.StatelessRandomBinomial(shape=[2, 4], counts=four[0], probs=four[1], **settings)
    assert run(rows).T.ravel().tolist() == wanted


def test_a_shape_that_does_not_end_in_the_parameters():
    with pytest.raises(tf.errors.InvalidArgumentError, match="must end in"):
        run(raw.StatelessRandomPoisson(shape=[3], seed=_SEED, lam=np.float32([1, 2]), dtype=tf.int32))


def test_a_box_of_a_seed():
    boxes = np.float32([[[0.1, 0.1, 0.8, 0.8]]])
    begin, size, box = run(
        list(
            raw.StatelessSampleDistortedBoundingBox(
                image_size=np.int32([8, 8, 3]),
                bounding_boxes=boxes,
                min_object_covered=np.float32(0.1),
                seed=_SEED,
            )
        )
    )
    assert box.ravel().tolist() == [0.25, 0.375, 0.75, 0.875]
    assert begin.tolist() == [2, 3, 0] and size.tolist() == [4, 4, -1]


# --- images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("REFLECT", [14.5, 13.5, 14.5, 16.5, 19.0, 18.0, 19.0, 21.0]),
        ("WRAP", [16.5, 17.5, 14.5, 16.5, 3.0, 4.0, 1.0, 3.0]),
        ("NEAREST", [13.5, 13.5, 14.5, 16.5, 18.0, 18.0, 19.0, 21.0]),
        ("CONSTANT", [9.0, 11.25, 14.5, 16.5, 9.0, 12.375, 16.5, 18.0]),
    ],
)
def test_what_lies_beyond_a_transformed_image(mode, wanted):
    image = np.arange(24, dtype="f").reshape(1, 4, 3, 2)[..., :1]
    seen = tf.constant(image)
    out = raw.ImageProjectiveTransformV3(
        images=seen,
        transforms=np.float32([[1, 0, -1.5, 0, 1, 2.25, 0, 0]]),
        output_shape=[2, 4],
        fill_value=np.float32(9),
        interpolation="BILINEAR",
        fill_mode=mode,
    )
    assert run(out).ravel().tolist() == wanted
    assert run(tf.gradients(out, seen))[0].shape == image.shape


@pytest.mark.parametrize(
    ("centered", "normalized", "offset", "wanted"),
    [
        (True, True, [0.5, -1.0], [0, 12, 0, 18]),
        (False, False, [1.0, 1.0], [8, 10, 14, 16]),
        (False, True, [0.5, 0.5], [14, 16, 20, 22]),
        (True, False, [1.0, -1.0], [18, 20, 0, 0]),
    ],
)
def test_glimpses_of_later_releases(centered, normalized, offset, wanted):
    image = np.arange(24, dtype="f").reshape(1, 4, 3, 2)
    out = raw.ExtractGlimpseV2(
        input=image, size=[2, 2], offsets=[offset], noise="zero", uniform_noise=False, centered=centered,
        normalized=normalized,
    )  # fmt: skip
    assert run(out)[..., 0].ravel().tolist() == wanted


# --- quantization ------------------------------------------------------------------------------------------

_Q = np.float32([[-1.0, 0.5, 2.0], [3, -4, 0.1]])


@pytest.mark.parametrize(
    ("mode", "steps", "lows"),
    [
        ("MIN_COMBINED", [[-128, -1, 127], [127, -128, 21]], [-1, -4]),
        ("SCALED", [[-64, 32, 127], [95, -127, 3]], [-2, -4]),
    ],
)
def test_quantization_along_an_axis(mode, steps, lows):
    narrow = mode == "SCALED"
    out = raw.QuantizeV2(
        input=_Q, min_range=np.float32([-1, -4]), max_range=np.float32([2, 3]), T=tf.qint8, mode=mode, axis=0,
        narrow_range=narrow, ensure_minimum_range=0.5,
    )  # fmt: skip
    back = raw.Dequantize(
        input=out[0], min_range=out[1], max_range=out[2], mode=mode, axis=0, narrow_range=narrow
    )
    found, low, again = run([raw.Bitcast(input=out[0], type=tf.int8), out[1], back])
    assert found.tolist() == steps and low.tolist() == lows
    np.testing.assert_allclose(again, _Q, atol=0.02)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one element for each slice"):
        wrong = np.float32([-1, -4, 0])
        run(list(raw.QuantizeV2(input=_Q, min_range=wrong, max_range=wrong, T=tf.qint8, axis=0)))


def test_there_and_back_along_an_axis():
    ends = {"input_min": np.float32([-1, -4]), "input_max": np.float32([2, 3])}
    wanted = [[-1.0078740119934082, 0.5039370059967041, 2.0], [3.0, -4.0, 0.09375]]
    assert run(raw.QuantizeAndDequantizeV2(input=_Q, axis=0, range_given=True, **ends)).tolist() == wanted
    third = raw.QuantizeAndDequantizeV3(input=_Q, axis=0, range_given=True, num_bits=8, **ends)
    assert run(third).tolist() == wanted
    slopes = raw.QuantizeAndDequantizeV4Grad(gradients=np.ones_like(_Q), input=_Q * 2, axis=0, **ends)
    assert run(slopes[0]).tolist() == [[0, 1, 0], [0, 0, 1]] and run(slopes[1]).tolist() == [0, 0]


def test_uniform_steps():
    values = np.float32([[-1.0, 0.26, 30.0]])
    options = {"quantization_min_val": -128, "quantization_max_val": 127}
    steps = raw.UniformQuantize(
        input=values, scales=np.float32(0.1), zero_points=np.int32(3), Tout=tf.qint8, **options
    )
    back = raw.UniformDequantize(
        input=steps, scales=np.float32(0.1), zero_points=np.int32(3), Tout=tf.float32, **options
    )
    np.testing.assert_allclose(run(back), [[-1.0, 0.3, 12.4]], atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="positive"):
        run(raw.UniformQuantize(input=values, scales=0.0, zero_points=3, Tout=tf.qint8, **options))


# --- the rest ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wanted"), [(3.0, True), (0, False), (b"", False), (b"0", True), ([0.0], True), ([], False)]
)
def test_truth(value, wanted):
    assert run(raw.ToBool(input=value)) == wanted


def test_what_a_branch_gives_for_nothing():
    assert run(raw.FakeParam(dtype=tf.float32, shape=[2, None])).shape == (2, 0)
    assert run(raw.FakeParam(dtype=tf.string, shape=[1])).tolist() == [b""]


def test_the_time_and_an_end():
    import time

    assert abs(run(raw.Timestamp()) - time.time()) < 60
    with pytest.raises(tf.errors.AbortedError, match="enough"):
        run(raw.Abort(error_msg="enough"))


def test_sequence_examples_with_ragged_features():
    feature, lists = tf.train.Feature, tf.train.FeatureList
    rows = lists(feature=[feature(float_list=tf.train.FloatList(value=v)) for v in ([1.0, 2.0], [], [3.0])])
    record = tf.train.SequenceExample(
        context=tf.train.Features(feature={"c": feature(int64_list=tf.train.Int64List(value=[7, 8]))}),
        feature_lists=tf.train.FeatureLists(feature_list={"t": rows}),
    ).SerializeToString()
    keys = {
        "debug_name": [],
        "context_sparse_keys": [],
        "context_dense_keys": [],
        "context_ragged_keys": ["c"],
        "feature_list_sparse_keys": ["t"],
        "feature_list_dense_keys": [],
        "feature_list_ragged_keys": ["t"],
        "feature_list_dense_missing_assumed_empty": np.zeros(0, bool),
        "context_dense_defaults": [],
        "Nfeature_list_sparse": 1,
        "context_ragged_value_types": [tf.int64],
        "context_ragged_split_types": [tf.int64],
        "feature_list_sparse_types": [tf.float32],
        "feature_list_ragged_value_types": [tf.float32],
        "feature_list_ragged_split_types": [tf.int32],
    }
    many = raw.ParseSequenceExampleV2(serialized=[record, b""], **keys)
    found = run({name: getattr(many, name) for name in many._fields})
    assert found["context_ragged_values"][0].tolist() == [7, 8]
    assert found["context_ragged_row_splits"][0].tolist() == [0, 2, 2]
    assert found["feature_list_ragged_values"][0].tolist() == [1, 2, 3]
    assert found["feature_list_ragged_outer_splits"][0].tolist() == [0, 3, 3]
    assert found["feature_list_ragged_inner_splits"][0].tolist() == [0, 2, 2, 3]
    assert found["feature_list_sparse_shapes"][0].tolist() == [2, 3, 2]
    one = raw.ParseSequenceExampleV2(serialized=record, **keys)
    found = run({name: getattr(one, name) for name in one._fields})
    assert found["feature_list_sparse_indices"][0].tolist() == [[0, 0], [0, 1], [2, 0]]
    assert found["feature_list_ragged_outer_splits"][0].tolist() == []


def test_blank_is_any_class():
    steps = np.log(np.float32([[[0.9, 0.05, 0.05]], [[0.05, 0.9, 0.05]], [[0.05, 0.05, 0.9]]]))
    first = raw.CTCGreedyDecoder(inputs=steps, sequence_length=[3], blank_index=0)
    assert run(first.decoded_values).tolist() == [1, 2]
    assert run(raw.CTCGreedyDecoder(inputs=steps, sequence_length=[3]).decoded_values).tolist() == [0, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="blank_index"):
        run(raw.CTCGreedyDecoder(inputs=steps, sequence_length=[3], blank_index=3).decoded_values)


def test_transforms_in_double_precision():
    signal = floats(2, 8).astype(np.float64)
    spectrum = raw.RFFT(input=signal, fft_length=[8], Treal=tf.float64, Tcomplex=tf.complex128)
    back = raw.IRFFT(input=spectrum, fft_length=[8], Treal=tf.float64, Tcomplex=tf.complex128)
    np.testing.assert_allclose(run(back), signal, rtol=0, atol=1e-15)


def test_places_of_the_largest_as_wide_integers():
    out = raw.TopKV2(input=np.float32([3, 9, 5]), k=2, index_type=tf.int64)
    assert out.indices.dtype is tf.int64 and run(out.indices).tolist() == [1, 2]
    node = tf.nn.top_k([1.0], 1).values.op.node_def
    assert "index_type" not in node.attr


def test_a_list_grows_where_it_may():
    made = raw.EmptyTensorList(element_shape=np.int32([]), max_num_elements=-1, element_dtype=tf.float32)
    long = raw.TensorListSetItem(input_handle=made, index=2, item=7.0, resize_if_index_out_of_bounds=True)
    rows = raw.TensorListStack(input_handle=long, element_shape=np.int32([]), element_dtype=tf.float32)
    assert run(rows).tolist() == [0, 0, 7]
    with pytest.raises(tf.errors.InvalidArgumentError, match="modify item 2"):
        run(raw.TensorListLength(input_handle=raw.TensorListSetItem(input_handle=made, index=2, item=7.0)))
