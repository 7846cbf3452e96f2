"""Types of datasets that no public function adds, or that had other names before: graphs hold them."""

import contextlib
import sqlite3
import sys

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw

NUMBERS = {"output_types": [tf.int64], "output_shapes": [[]]}


def numbers(count=4):
    """A dataset of 0, 1, ..."""
    return raw.RangeDataset(0, count, 1, **NUMBERS)


def elements(dataset, types=(tf.int64,), shapes=((),), kind="IteratorV2"):
    """All elements of a dataset, one component each as lists."""
    given = {"output_types": list(types), "output_shapes": list(shapes)}
    iterator = getattr(raw, kind)(shared_name="", container="", **given)
    begin = raw.MakeIterator(dataset, iterator)
    row = raw.IteratorGetNextSync(iterator, **given)
    found = []
    with tf.Session() as session:
        session.run(begin)
        while True:
            try:
                found.append(session.run(row)[0])
            except tf.errors.OutOfRangeError:
                return [value.tolist() if hasattr(value, "tolist") else value for value in found]


def renamed(dataset, types=(tf.int64,), shapes=((),), stage=None):
    """The elements of a dataset of which a stage, by default the last, has the name that it had before."""
    graph = tf.get_default_graph().as_graph_def()
    node = next(node for node in graph.node if node.name == (dataset if stage is None else stage).op.name)
    node.op = f"Experimental{node.op}"
    with tf.Graph().as_default() as imported:
        [again] = tf.import_graph_def(graph, return_elements=[dataset.name], name="")
        assert imported.get_operation_by_name(node.name).type == node.op
        return elements(again, types, shapes)


STAGES = {
    "AssertNextDataset": lambda: raw.AssertNextDataset(numbers(), np.array([], object), **NUMBERS),
    "AutoShardDataset": lambda: raw.AutoShardDataset(numbers(), 1, 0, **NUMBERS),
    "BytesProducedStatsDataset": lambda: raw.BytesProducedStatsDataset(numbers(), "tag", **NUMBERS),
    "LatencyStatsDataset": lambda: raw.LatencyStatsDataset(numbers(), "tag", **NUMBERS),
    "IgnoreErrorsDataset": lambda: raw.IgnoreErrorsDataset(numbers(), **NUMBERS),
    "MaxIntraOpParallelismDataset": lambda: raw.MaxIntraOpParallelismDataset(numbers(), 2, **NUMBERS),
    "NonSerializableDataset": lambda: raw.NonSerializableDataset(numbers(), **NUMBERS),
    "PrivateThreadPoolDataset": lambda: raw.PrivateThreadPoolDataset(numbers(), 2, **NUMBERS),
    "SleepDataset": lambda: raw.SleepDataset(numbers(), 10, **NUMBERS),
    "UniqueDataset": lambda: raw.UniqueDataset(numbers(), **NUMBERS),
    "SetStatsAggregatorDataset": lambda: raw.SetStatsAggregatorDataset(
        numbers(), raw.StatsAggregatorHandle(), "tag", "", **NUMBERS
    ),
}


@pytest.mark.parametrize("kind", sorted(STAGES))
def test_stages_that_hand_their_elements_on(kind):
    assert elements(STAGES[kind]()) == [0, 1, 2, 3]
    assert renamed(STAGES[kind]()) == [0, 1, 2, 3]


def test_reads_of_windows_and_batches():
    rows = {"output_types": [tf.int64], "output_shapes": [[None]]}
    shape = ([None],)
    assert elements(raw.BatchDataset(numbers(), 3, **rows), shapes=shape) == [[0, 1, 2], [3]]
    sliding = raw.SlidingWindowDataset(numbers(), 2, 1, 2, **rows)
    assert elements(sliding, shapes=shape) == [[0, 2], [1, 3]]
    assert renamed(sliding, shapes=shape) == [[0, 2], [1, 3]]
    batches = raw.BatchDatasetV2(numbers(), 4, True, output_types=[tf.int64], output_shapes=[[4]])
    halves = raw.RebatchDataset(batches, 2, **rows)
    assert elements(halves, shapes=shape) == [[0, 1], [2, 3]]
    assert renamed(halves, shapes=shape) == [[0, 1], [2, 3]]
    singles = raw.UnbatchDataset(batches, **NUMBERS)
    assert renamed(singles) == [0, 1, 2, 3]
    padded = raw.PaddedBatchDataset(
        batches, 2, [tf.constant([6], tf.int64)], [tf.constant(9, tf.int64)],
        Toutput_types=[tf.int64], output_shapes=[[None, 6]],
    )  # fmt: skip
    assert elements(padded, shapes=([None, 6],)) == [[[0, 1, 2, 3, 9, 9]]]


def stage(data):
    """The operation's result that a dataset is."""
    return data._variant_tensor


def test_functions_of_datasets_under_their_former_names():
    data = tf.data.Dataset.range(6)
    assert renamed(stage(data.map(lambda x: x * x))) == [0, 1, 4, 9, 16, 25]
    experimental = tf.data.experimental
    with_sums = data.apply(
        experimental.scan(tf.constant(0, tf.int64), lambda total, x: (total + x, total + x))
    )
    assert renamed(stage(with_sums)) == [0, 1, 3, 6, 10, 15]
    assert renamed(stage(data.apply(experimental.take_while(lambda x: x < 3)))) == [0, 1, 2]
    windows = experimental.group_by_window(lambda x: x % 2, lambda key, rows: rows.batch(3), 3)
    rows = renamed(stage(data.apply(windows)), shapes=([None],))
    assert rows == [[0, 2, 4], [1, 3, 5]]
    drawn = renamed(stage(data.apply(experimental.map_and_batch(lambda x: x + 1, 3))), shapes=([None],))
    assert drawn == [[1, 2, 3], [4, 5, 6]]
    mixed = data.apply(experimental.parallel_interleave(lambda x: tf.data.Dataset.range(x), 2))
    expected = elements(stage(mixed))
    assert sorted(expected) == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4]
    assert renamed(stage(mixed)) == expected
    reducer = experimental.Reducer(lambda key: tf.constant(0, tf.int64), lambda a, x: a + x, lambda a: a)
    sums = stage(data.apply(experimental.group_by_reducer(lambda x: x % 2, reducer)))
    assert elements(sums) == [6, 9]
    graph = tf.get_default_graph().as_graph_def()
    next(node for node in graph.node if node.name == sums.op.name).op = "GroupByReducerDataset"
    with tf.Graph().as_default():
        assert elements(tf.import_graph_def(graph, return_elements=[sums.name], name="")[0]) == [6, 9]


def test_sources_under_their_former_names(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("1,x\n2,y\n")
    paths = [str(tmp_path / name).encode() for name in ("a.txt", "b.txt")]
    matching = raw.MatchingFilesDataset([str(tmp_path / "*.txt")])
    assert sorted(elements(matching, [tf.string])) == paths == sorted(renamed(matching, [tf.string]))
    table = tf.data.experimental.CsvDataset(paths, [tf.int64, tf.string])
    given = [tf.int64, tf.string], [[], []]
    assert renamed(stage(table), *given) == elements(stage(table), *given) == [1, 2, 1, 2]
    draws = raw.RandomDataset(1, 2, **NUMBERS)
    first = raw.TakeDataset(draws, 3, **NUMBERS)
    assert renamed(first, stage=draws) == elements(first)
    fixed = raw.FixedLengthRecordDataset(paths, 0, 4, 0, 0)
    assert elements(fixed, [tf.string]) == [b"1,x\n", b"2,y\n"] * 2


def test_counts_and_files_of_datasets(tmp_path):
    count = raw.DatasetCardinality(numbers(5))
    strings = stage(tf.data.Dataset.from_tensor_slices(["a", "b"]))
    path = str(tmp_path / "records")
    write = raw.DatasetToTFRecord(strings, path, "")
    graph = tf.get_default_graph().as_graph_def()
    for node in graph.node:
        if node.name in (count.op.name, write.name):
            node.op = f"Experimental{node.op}"
    with tf.Graph().as_default(), tf.Session() as session:
        again, writing = tf.import_graph_def(graph, return_elements=[count.name, write.name], name="")
        assert session.run(again) == 5
        session.run(writing)
    assert list(tf.python_io.tf_record_iterator(path)) == [b"a", b"b"]


def test_sparse_rows_and_choices():
    rows = stage(tf.data.Dataset.from_tensor_slices(np.arange(4).reshape(2, 2)))
    sparse = {"output_types": [tf.variant], "output_shapes": [[None, 3]]}
    made = raw.DenseToSparseBatchDataset(rows, 2, tf.constant([3], tf.int64), **sparse)
    assert (
        len(elements(made, [tf.variant], [[None, 3]])) == len(renamed(made, [tf.variant], [[None, 3]])) == 1
    )
    chosen = raw.DirectedInterleaveDataset(numbers(2), [numbers(3), numbers(4)], **NUMBERS)
    assert elements(chosen) == renamed(chosen) == [0, 0]
    slices = raw.SparseTensorSliceDataset(
        tf.constant([[0, 1], [2, 0]], tf.int64), tf.constant([5, 6]), tf.constant([3, 2], tf.int64)
    )
    types, shapes = [tf.int64, tf.int32, tf.int64], [[None, 1], [None], [1]]
    assert elements(slices, types, shapes) == [[[1]], [], [[0]]]
    kept = raw.FilterByLastComponentDataset(
        stage(tf.data.Dataset.from_tensor_slices(([1, 2, 3], [True, False, True]))),
        output_types=[tf.int32], output_shapes=[[]],
    )  # fmt: skip
    assert elements(kept, [tf.int32]) == [1, 3]
    sampled = raw.SamplingDataset(numbers(100), 0.5, 1, 2, **NUMBERS)
    assert 20 < len(elements(sampled)) < 80
    wrapped = raw.UnwrapDatasetVariant(raw.WrapDatasetVariant(numbers()))
    assert elements(wrapped) == [0, 1, 2, 3]


@pytest.mark.parametrize("prefix", ["", "Experimental"])
def test_databases_of_pairs_want_a_package(prefix, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    pairs = {"output_types": [tf.string, tf.string], "output_shapes": [[], []]}
    data = getattr(raw, f"{prefix}LMDBDataset")(["words.mdb"], **pairs)
    with pytest.raises(tf.errors.UnimplementedError, match="pip install lmdb"):
        elements(data, [tf.string] * 2, [[]] * 2)


def test_examples_and_databases_under_their_former_names(tmp_path):
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[7]))
    example = tf.train.Example(features=tf.train.Features(feature={"n": feature})).SerializeToString()
    data = tf.data.Dataset.from_tensors([example])
    parsed = data.apply(tf.data.experimental.parse_example_dataset({"n": tf.FixedLenFeature([], tf.int64)}))
    assert renamed(stage(parsed), shapes=([None],)) == [[7]]
    path = str(tmp_path / "table.db")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table t (n integer)")
        connection.executemany("insert into t values (?)", [(3,), (4,)])
    rows = tf.data.experimental.SqlDataset("sqlite", path, "select n from t order by n", (tf.int64,))
    assert renamed(stage(rows)) == [3, 4]


def test_iterators_by_their_former_names():
    assert elements(numbers(), kind="Iterator") == [0, 1, 2, 3]
    anonymous = raw.AnonymousIterator(**NUMBERS)
    begin, row = raw.MakeIterator(numbers(2), anonymous), None
    iterator = tf.data.Dataset.range(3).make_initializable_iterator()
    handle = iterator.string_handle()
    again = raw.IteratorFromStringHandle(tf.placeholder_with_default(handle, []), **NUMBERS)
    row = raw.IteratorGetNext(again, **NUMBERS)
    device = raw.IteratorGetDevice(iterator._iterator_resource)
    with tf.Session() as session:
        session.run([begin, iterator.initializer])
        assert session.run(row)[0] == 0
        assert b"CPU" in session.run(device).upper()


def test_shuffling_by_a_generator_of_seeds():
    shuffled = raw.ShuffleDatasetV2(numbers(), 4, raw.AnonymousRandomSeedGenerator(1, 2)[0], **NUMBERS)
    assert sorted(elements(shuffled)) == [0, 1, 2, 3]


def test_elements_dealt_out_by_a_handle_as_text():
    given = {"output_types": [tf.int64], "output_shapes": [[]]}
    resource = raw.MultiDeviceIterator(devices=["/cpu:0"], shared_name="", container="", **given)
    begin = raw.MultiDeviceIteratorInit(numbers(), resource, tf.constant(4, tf.int64))
    text = raw.MultiDeviceIteratorToStringHandle(resource)
    again = raw.MultiDeviceIteratorFromStringHandle(tf.placeholder_with_default(text, []), **given)
    row = raw.MultiDeviceIteratorGetNextFromShard(again, 0, begin, **given)
    with tf.Session() as session:
        assert session.run(row)[0] == 0


def test_statistics_are_read_as_a_summary():
    aggregator = raw.StatsAggregatorHandle()
    with tf.Session() as session:
        tf.Summary.FromString(session.run(raw.StatsAggregatorSummary(aggregator)))
