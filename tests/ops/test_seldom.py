"""Operations that no public function adds: only graphs written elsewhere, and `raw`, name them."""

import sys

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw


def run(*fetches, feed=None):
    with tf.Session() as session:
        return session.run(list(fetches), feed)


def test_tables_by_reference():
    table = raw.MutableHashTable(key_dtype=tf.string, value_dtype=tf.int64)
    keys, values = tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64)
    insert = raw.LookupTableInsert(table, keys, values)
    replace = raw.LookupTableImport(table, tf.constant(["c"]), tf.constant([3], tf.int64))
    find = raw.LookupTableFind(table, tf.constant(["b", "c"]), tf.constant(-1, tf.int64))
    exported = raw.LookupTableExport(table, Tkeys=tf.string, Tvalues=tf.int64)
    size = raw.LookupTableSize(table)
    with tf.Session() as session:
        session.run(insert)
        assert session.run(find).tolist() == [2, -1]
        assert session.run(size) == 2
        session.run(replace)
        assert session.run(find).tolist() == [-1, 3]
        found = session.run(list(exported))
    assert [part.tolist() for part in found] == [[b"c"], [3]]


def test_tables_of_tensors_by_reference():
    table = raw.MutableHashTableOfTensors(key_dtype=tf.int64, value_dtype=tf.float32, value_shape=[2])
    keys = tf.constant([4, 5], tf.int64)
    insert = raw.LookupTableInsert(table, keys, tf.constant([[1.0, 2.0], [3.0, 4.0]]))
    find = raw.LookupTableFind(table, tf.constant([5, 6], tf.int64), tf.constant([0.0, -1.0]))
    with tf.Session() as session:
        session.run(insert)
        np.testing.assert_array_equal(session.run(find), [[3, 4], [0, -1]])


def test_tables_initialized_once(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("zero\none\n")
    table = raw.HashTable(key_dtype=tf.string, value_dtype=tf.int64)
    from_file = raw.InitializeTableFromTextFile(table, str(words), key_index=-2, value_index=-1)
    other = raw.HashTableV2(key_dtype=tf.int64, value_dtype=tf.float32)
    from_values = raw.InitializeTableV2(other, tf.constant([7], tf.int64), tf.constant([0.5]))
    found = (
        raw.LookupTableFind(table, tf.constant(["one", "two"]), tf.constant(-1, tf.int64)),
        raw.LookupTableFindV2(other, tf.constant([7, 8], tf.int64), tf.constant(0.0)),
    )
    with tf.Session() as session:
        session.run([from_file, from_values])
        values = session.run(list(found))
    assert [value.tolist() for value in values] == [[1, -1], [0.5, 0.0]]


def test_readers_of_no_file():
    reader, queue = raw.IdentityReaderV2(), tf.FIFOQueue(4, tf.string, shapes=[[]])
    fill = queue.enqueue_many([["x", "y"]])
    key, value = raw.ReaderReadV2(reader, queue.queue_ref)
    produced, reset = raw.ReaderNumRecordsProducedV2(reader), raw.ReaderResetV2(reader)
    with tf.Session() as session:
        session.run(fill)
        assert session.run([key, value]) == [b"x", b"x"]
        assert session.run(produced) == 1
        session.run(reset)
        assert session.run(produced) == 0


def test_audio_summary():
    waves = np.sin(np.arange(40, dtype=np.float32)).reshape(2, 20, 1)
    [summary] = run(
        raw.AudioSummary(tf.constant("sound"), tf.constant(waves), sample_rate=8000.0, max_outputs=2)
    )
    message = tf.Summary.FromString(summary)
    assert [value.tag for value in message.value] == ["sound/audio/0", "sound/audio/1"]
    audio = message.value[0].audio
    assert (audio.sample_rate, audio.num_channels, audio.length_frames) == (8000, 1, 20)
    assert audio.encoded_audio_string[:4] == b"RIFF"


def test_sparse_tensors_as_text():
    places, values, shape = tf.constant([[0, 1], [2, 0]], tf.int64), tf.constant([5.0, 6.0]), [3, 2]
    text = raw.SerializeSparse(places, values, tf.constant(shape, tf.int64))
    found = run(*raw.DeserializeSparse(text, dtype=tf.float32))
    assert [part.tolist() for part in found] == [[[0, 1], [2, 0]], [5.0, 6.0], [3, 2]]


def test_patterns():
    texts, pattern = tf.constant(["ab12", "12"]), tf.constant("[0-9]+")
    found = run(
        raw.RegexFullMatch(texts, pattern),
        raw.StaticRegexFullMatch(texts, pattern="[a-z]+[0-9]+"),
        raw.RegexReplace(texts, pattern, tf.constant("-")),
        raw.StaticRegexReplace(texts, pattern="[0-9]", rewrite="<\\0>", replace_global=False),
    )
    assert [part.tolist() for part in found] == [
        [False, True],
        [True, False],
        [b"ab-", b"-"],
        [b"ab<1>2", b"<1>2"],
    ]


def test_print_passes_its_input_on(capfd):
    [value] = run(raw.Print(tf.constant([1.0, 2.0]), [tf.constant("saw"), tf.constant(3)], message="It "))
    assert value.tolist() == [1.0, 2.0]
    assert "It [saw][3]" in capfd.readouterr().err


def test_functions_without_state():
    y = tf.py_func(lambda x: x * np.float32(2), [tf.constant([1.5])], tf.float32, stateful=False)
    assert y.op.type == "PyFuncStateless"
    assert run(y)[0].tolist() == [3.0]


def test_quantised_forms():
    x = np.array([-1.0, -0.3, 0.2, 0.9], np.float32)
    steps = np.round(x * 127) / np.float32(127)
    [first, third] = run(
        raw.QuantizeAndDequantize(tf.constant(x), range_given=True, input_min=-1.0, input_max=1.0),
        raw.QuantizeAndDequantizeV3(tf.constant(x), tf.constant(-1.0), tf.constant(1.0), tf.constant(8)),
    )
    np.testing.assert_allclose(first, third)
    np.testing.assert_allclose(third, steps, atol=1 / 127)
    cells = np.arange(6, dtype=np.uint8)
    reshaped, low, high = run(
        *raw.QuantizedReshape(tf.constant(cells, tf.quint8), [2, 3], tf.constant(0.0), tf.constant(6.0))
    )
    assert reshaped.view(np.uint8).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (low, high) == (0.0, 6.0)


def test_quantised_images_are_resized_as_numbers_are():
    image = np.arange(0, 160, 10, dtype=np.float32).reshape(1, 4, 4, 1)
    kept, low, high = run(
        *raw.QuantizedResizeBilinear(tf.constant(image), [2, 2], tf.constant(0.0), tf.constant(255.0))
    )
    np.testing.assert_allclose(kept[0, :, :, 0], [[0, 20], [80, 100]])
    assert (low, high) == (0.0, 255.0)


def test_draws():
    counts = raw.RandomPoisson(tf.constant([2000]), tf.constant([4.0]), dtype=tf.float32, seed=3)
    cut = raw.ParameterizedTruncatedNormal(
        tf.constant([500]), tf.constant(0.0), tf.constant(1.0), tf.constant(-0.5), tf.constant(2.0), seed=3
    )
    counts, cut = run(counts, cut)
    assert counts.shape == (2000, 1) and np.all(counts == np.floor(counts))
    assert abs(counts.mean() - 4) < 0.2
    assert cut.shape == (500,) and cut.min() >= -0.5 and cut.max() <= 2


def test_distorted_boxes_stay_inside():
    begin, size, boxes = run(
        *raw.SampleDistortedBoundingBox(
            tf.constant([20, 30, 3]), tf.constant([[[0.2, 0.2, 0.8, 0.8]]]), seed=5, min_object_covered=0.5
        )
    )
    assert np.all(begin[:2] >= 0) and np.all(begin[:2] + size[:2] <= [20, 30])
    assert begin[2] == 0 and size[2] == -1
    np.testing.assert_allclose(boxes[0, 0, :2], begin[:2] / [20, 30], atol=1e-6)


def test_candidates_drawn_by_several_threads():
    sampled, of_true, of_sampled = run(
        *raw.ThreadUnsafeUnigramCandidateSampler(
            tf.constant([[1]], tf.int64), num_true=1, num_sampled=4, unique=True, range_max=4, seed=1, seed2=2
        )
    )
    assert sorted(sampled.tolist()) == [0, 1, 2, 3]
    assert of_true.shape == (1, 1) and of_sampled.shape == (4,)


def test_gather_nd_of_a_resource():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]], use_resource=True)
    rows = raw.ResourceGatherNd(v.handle, tf.constant([[1, 0], [0, 1]]), dtype=tf.float32)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(rows).tolist() == [3.0, 2.0]


def test_arrays_cut_along_their_first_axis():
    x = tf.constant([1.0, 2.0, 3.0])
    handle, flow = raw.TensorArrayV3(tf.constant(2), dtype=tf.float32)
    flow = raw.TensorArraySplitV3(handle, x, tf.constant([1, 2], tf.int64), flow)
    second = raw.TensorArrayReadV3(handle, tf.constant(1), flow, dtype=tf.float32)
    [dx] = tf.gradients(second * second, x)
    close = raw.TensorArrayCloseV3(handle)
    with tf.Session() as session:
        assert session.run(second).tolist() == [2.0, 3.0]
        assert session.run(dx).tolist() == [0.0, 4.0, 6.0]
        assert session.run(close) is None


def test_second_gradient_of_the_weights_of_a_loop():
    rng = np.random.default_rng(4)
    weights, start, direction = rng.normal(size=(3, 2, 2))
    w = tf.placeholder(tf.float64, [2, 2])
    end = tf.while_loop(
        lambda i, h: i < 3, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w))), [0, tf.constant(start)]
    )[1]
    [first] = tf.gradients(end, w)
    along = tf.reduce_sum(first * direction)
    [second] = tf.gradients(along, w)
    with tf.Session() as session:
        exact = np.sum(session.run(second, {w: weights}) * direction)
        ends = [session.run(along, {w: weights + sign * 1e-5 * direction}) for sign in (1, -1)]
    np.testing.assert_allclose(exact, (ends[0] - ends[1]) / 2e-5, rtol=1e-7)


def test_databases_want_a_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    reader, queue = raw.LMDBReader(), tf.FIFOQueue(1, tf.string, shapes=[[]])
    fill = queue.enqueue(["words.mdb"])
    key, _ = raw.ReaderReadV2(reader, queue.queue_ref)
    with tf.Session() as session:
        session.run(fill)
        with pytest.raises(tf.errors.UnimplementedError, match="pip install lmdb"):
            session.run(key)


@pytest.mark.parametrize("mode", ["REFLECT", "SYMMETRIC"])
@pytest.mark.parametrize("size", [None, (9, 7)])
def test_a_fused_convolution_is_its_parts(mode, size):
    random = np.random.default_rng(1)
    x = random.standard_normal((2, 6, 5, 3)).astype(np.float32)
    w = random.standard_normal((3, 3, 3, 2)).astype(np.float32)
    rows = [[0, 0], [1, 2], [1, 1], [0, 0]]
    given = {"mode": mode, "strides": [1, 2, 2, 1], "padding": "VALID"}
    if size is None:
        resized, fused = x, raw.FusedPadConv2D(x, rows, w, **given)
    else:
        resized = tf.image.resize_bilinear(x, size, align_corners=True)
        fused = raw.FusedResizeAndPadConv2D(x, size, rows, w, resize_align_corners=True, **given)
    parts = tf.nn.conv2d(tf.pad(resized, rows, mode), w, given["strides"], "VALID")
    assert fused.shape == parts.shape
    found, expected = run(fused, parts)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("peephole", [False, True])
def test_the_later_block_of_steps_has_its_gates_in_another_order(peephole):
    random = np.random.default_rng(2)
    units, order = 2, np.array([0, 1, 4, 5, 2, 3, 6, 7])
    x, cs, h = (random.standard_normal(s).astype(np.float32) for s in ((3, 2, 2), (2, 2), (2, 2)))
    w, b = random.standard_normal((4, 4 * units)).astype(np.float32), np.linspace(-1, 1, 8, dtype=np.float32)
    peeps = [random.standard_normal(units).astype(np.float32) for _ in range(3)]
    w, b = tf.constant(w), tf.constant(b)
    old_w, old_b = tf.gather(w, order, axis=1), tf.gather(b, order)
    length = np.int64(2)
    later = raw.BlockLSTMV2(length, x, cs, h, w, *peeps, b, use_peephole=peephole)
    first = raw.BlockLSTM(
        length, x, cs, h, old_w, *peeps, old_b, forget_bias=0.0, cell_clip=0.0, use_peephole=peephole
    )
    gradients = [
        [tf.convert_to_tensor(dy) for dy in tf.gradients([made[1], made[6]], [w, b])]
        for made in (later, first)
    ]
    found, expected = run(list(later), list(first))
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, e)
    for a, e in zip(*run(*gradients), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5)


@pytest.mark.parametrize(
    ("old", "arguments"),
    [
        ("BatchCholesky", ["symmetric"]),
        ("BatchCholeskyGrad", ["lower", "matrix"]),
        ("BatchFFT", ["complex"]),
        ("BatchFFT2D", ["complex"]),
        ("BatchFFT3D", ["complex"]),
        ("BatchIFFT", ["complex"]),
        ("BatchIFFT2D", ["complex"]),
        ("BatchIFFT3D", ["complex"]),
        ("BatchMatrixBandPart", ["matrix", np.int64(0), np.int64(1)]),
        ("BatchMatrixDeterminant", ["matrix"]),
        ("BatchMatrixDiag", ["matrix"]),
        ("BatchMatrixDiagPart", ["matrix"]),
        ("BatchMatrixInverse", ["symmetric"]),
        ("BatchMatrixSetDiag", ["matrix", "rows"]),
        ("BatchMatrixSolve", ["symmetric", "matrix"]),
        ("BatchMatrixSolveLs", ["symmetric", "matrix", np.float64(0.1)]),
        ("BatchMatrixTriangularSolve", ["lower", "matrix"]),
        ("BatchSelfAdjointEig", ["symmetric"]),
        ("BatchSelfAdjointEigV2", ["symmetric"]),
        ("BatchSvd", ["matrix"]),
    ],
)
def test_names_of_the_first_releases(old, arguments):
    matrix = np.random.default_rng(3).standard_normal((2, 3, 3)).astype(np.float32)
    symmetric = matrix @ matrix.transpose(0, 2, 1) + np.eye(3, dtype=np.float32)
    kinds = {
        "matrix": matrix,
        "symmetric": symmetric,
        "lower": np.linalg.cholesky(symmetric),
        "rows": matrix[:, 0],
        "complex": (matrix + 1j).astype(np.complex64),
    }
    given = [kinds[a] if isinstance(a, str) else a for a in arguments]
    today = old.removeprefix("Batch")
    for found, expected in zip(*run(getattr(raw, old)(*given), getattr(raw, today)(*given)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_accumulators_by_reference():
    given = {"dtype": tf.float32, "shape": [2], "shared_name": "", "container": ""}
    handle = raw.ConditionalAccumulator(reduction_type="MEAN", **given)
    apply = raw.AccumulatorApplyGradient(handle, 0, tf.constant([1.0, 3.0]))
    take = raw.AccumulatorTakeGradient(handle, 1, dtype=tf.float32)
    with tf.Session() as session:
        session.run(apply)
        session.run(apply)
        assert session.run(take).tolist() == [1.0, 3.0]


def test_pictures_of_any_kind():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    [found] = run(raw.DecodeImage(tf.image.encode_png(pixels), channels=3, dtype=tf.uint8))
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("kind", ["Map", "OrderedMap"])
def test_staged_values_are_forgotten(kind):
    given = {"capacity": 0, "memory_limit": 0, "dtypes": [tf.int32], "container": "", "shared_name": "m"}
    stage = getattr(raw, f"{kind}Stage")(tf.constant(1, tf.int64), [0], [5], **given)
    size, clear = getattr(raw, f"{kind}Size")(**given), getattr(raw, f"{kind}Clear")(**given)
    with tf.Session() as session:
        session.run(stage)
        assert session.run(size) == 1
        session.run(clear)
        assert session.run(size) == 0


def test_lists_of_tensors():
    cut = raw.TensorListSplit(tf.range(6.0), -1, tf.constant([2, 4], tf.int64))
    even = raw.TensorListFromTensor(tf.reshape(tf.range(6.0), [3, 2]), tf.constant([2]))
    rows = raw.TensorListGather(even, [2, 0], [2], element_dtype=tf.float32)
    shape = raw.TensorListElementShape(even, shape_type=tf.int32)
    joined = raw.TensorListConcatV2(cut, -1, tf.constant([], tf.int64), element_dtype=tf.float32)
    found = run(rows, shape, joined[0], joined[1])
    assert [value.tolist() for value in found] == [[[4, 5], [0, 1]], [2], [0, 1, 2, 3, 4, 5], [2, 4]]


def test_a_handle_of_a_variable_is_read():
    handle = raw.VarHandleOp(dtype=tf.float32, shape=[2])
    assign = raw.AssignVariableOp(handle, tf.constant([1.0, 2.0]))
    read = raw.ReadVariableOp(tf.identity(handle), dtype=tf.float32)
    with tf.Session() as session:
        session.run(assign)
        assert session.run(read).tolist() == [1.0, 2.0]


def test_only_variables_are_read():
    read = raw.ReadVariableOp(raw.StatsAggregatorHandle(), dtype=tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="the handle must be a variable's"):
        run(read)
