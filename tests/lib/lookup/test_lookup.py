"""Lookup tables: filling, finding, buckets for unknown words, tables that change."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw

lookup = tf.contrib.lookup


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("apple\t10\npear\t20\nplum\t30\n")
    return str(path)


def run(fetches, feed=None):
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return sess.run(fetches, feed)


class TestStatic:
    def test_words_to_numbers_and_back(self):
        words = tf.placeholder(tf.string, [None])
        numbers = lookup.index_table_from_tensor(["a", "b", "c"]).lookup(words)
        assert numbers.shape.as_list() == [None]
        back = lookup.index_to_string_table_from_tensor(["a", "b", "c"], default_value="?").lookup(numbers)
        found = run([numbers, back], {words: ["c", "nobody", "a"]})
        assert found[0].tolist() == [2, -1, 0]
        assert found[1].tolist() == [b"c", b"?", b"a"]

    def test_unknown_words_go_to_buckets(self):
        table = lookup.index_table_from_tensor(["a", "b"], num_oov_buckets=3)
        words = ["a", "x", "y", "b", "x"]
        found = run([table.lookup(tf.constant(words)), table.size(), tf.string_to_hash_bucket_fast(words, 3)])
        known, buckets = found[0], found[2]
        assert known[0] == 0
        assert known[3] == 1
        assert known[1] == known[4] == 2 + buckets[1]
        assert known[2] == 2 + buckets[2]
        assert found[1] == 5

    @pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
    def test_integer_keys(self, dtype):
        table = lookup.index_table_from_tensor([10, 20], num_oov_buckets=1, dtype=dtype)
        assert run(table.lookup(tf.constant([20, 30], dtype))).tolist() == [1, 2]

    def test_strong_hash(self):
        table = lookup.index_table_from_tensor(
            ["a"], num_oov_buckets=50, hasher_spec=lookup.StrongHashSpec([1, 2])
        )
        expected = tf.string_to_hash_bucket_strong(["x"], 50, [1, 2])
        found, bucket = run([table.lookup(tf.constant(["x"])), expected])
        assert found[0] == bucket[0] + 1

    def test_sparse_keys(self):
        sparse = tf.SparseTensor([[0, 0], [1, 1]], ["b", "q"], [2, 2])
        found = run(lookup.index_table_from_tensor(["a", "b"]).lookup(sparse))
        assert found.values.tolist() == [1, -1]

    def test_from_files(self, vocabulary):
        whole = lookup.index_table_from_file(vocabulary, num_oov_buckets=1, key_column_index=0)
        column = lookup.index_table_from_file(
            vocabulary, key_column_index=0, value_column_index=1, name="columns"
        )
        back = lookup.index_to_string_table_from_file(vocabulary, vocab_size=2, value_column_index=0)
        words, numbers = tf.constant(["pear", "fig"]), tf.constant([1, 2], tf.int64)
        found = run([whole.lookup(words), column.lookup(words), back.lookup(numbers)])
        assert [f.tolist() for f in found] == [[1, 3], [20, -1], [b"pear", b"UNK"]]

    def test_a_missing_file(self):
        table = lookup.index_table_from_file("/nowhere/words.txt")
        with pytest.raises(tf.errors.NotFoundError, match="words.txt"):
            run(table.lookup(tf.constant(["a"])))

    def test_too_few_lines(self, vocabulary):
        table = lookup.index_table_from_file(vocabulary, vocab_size=9)
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected 9 but got 3"):
            run(table.lookup(tf.constant(["a"])))

    def test_export(self):
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["k", "l"], [1.5, 2.5]), -1.0)
        keys, values = run(table.export())
        assert dict(zip(keys.tolist(), values.tolist(), strict=True)) == {b"k": 1.5, b"l": 2.5}

    def test_vocabulary_table(self):
        initializer = tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([0], tf.int64))
        table = tf.lookup.StaticVocabularyTable(initializer, 4)
        found, size = run([table.lookup(tf.constant(["a", "b"])), table.size()])
        assert found[0] == 0
        assert 1 <= found[1] < 5
        assert size == 5

    def test_before_it_is_filled(self):
        found = lookup.index_table_from_tensor(["a"]).lookup(tf.constant(["a"]))
        with (
            tf.Session() as sess,
            pytest.raises(tf.errors.FailedPreconditionError, match="tables_initializer"),
        ):
            sess.run(found)

    def test_filling_twice(self):
        table = lookup.index_table_from_tensor(["a"])
        with tf.Session() as sess:
            sess.run(table.initializer)
            sess.run(table.initializer)
            assert sess.run(table.size()) == 1

    def test_sessions_hold_their_own(self):
        table = lookup.MutableHashTable(tf.string, tf.int64, -1)
        insert, size = table.insert(["a"], tf.constant([1], tf.int64)), table.size()
        with tf.Session() as one, tf.Session() as two:
            one.run(insert)
            assert (one.run(size), two.run(size)) == (1, 0)

    def test_wrong_dtypes(self):
        table = lookup.index_table_from_tensor(["a"])
        with pytest.raises(TypeError, match="Keys must be dtype string"):
            table.lookup(tf.constant([1]))
        with pytest.raises(TypeError, match="integer and string"):
            lookup.index_table_from_tensor([1.0], dtype=tf.float32)
        with pytest.raises(ValueError, match="mapping"):
            lookup.index_table_from_tensor(None)


class TestMutable:
    def test_insert_find_remove(self):
        table = lookup.MutableHashTable(tf.int64, tf.string, "none")
        keys = tf.placeholder(tf.int64, [None])
        values = tf.placeholder(tf.string, [None])
        insert, find, remove, size = (
            table.insert(keys, values),
            table.lookup(keys),
            table.remove(keys),
            table.size(),
        )
        with tf.Session() as sess:
            sess.run(insert, {keys: [1, 2], values: ["x", "y"]})
            assert sess.run(find, {keys: [2, 3]}).tolist() == [b"y", b"none"]
            sess.run(insert, {keys: [2], values: ["z"]})
            assert sess.run(find, {keys: [2]}).tolist() == [b"z"]
            sess.run(remove, {keys: [1, 9]})
            assert sess.run(size) == 1
            names, words = sess.run(table.export())
            assert names.tolist() == [2]
            assert words.tolist() == [b"z"]

    def test_values_of_a_shape(self):
        table = lookup.MutableHashTable(tf.string, tf.float32, [0.0, 0.0])
        assert table.lookup(tf.placeholder(tf.string, [None])).shape.as_list() == [None, 2]
        insert = table.insert(["a"], [[1.0, 2.0]])
        with tf.Session() as sess:
            sess.run(insert)
            np.testing.assert_array_equal(
                sess.run(table.lookup(tf.constant([["a", "b"]]))), [[[1, 2], [0, 0]]]
            )

    def test_order_within_a_run(self):
        table = lookup.MutableHashTable(tf.string, tf.int64, -1)
        before = table.lookup(tf.constant(["a"]))
        insert = table.insert(["a"], tf.constant([5], tf.int64))
        with tf.control_dependencies([insert]):
            after = table.lookup(tf.constant(["a"]))
        with tf.Session() as sess:
            first, second = sess.run([before, after])
        assert (first[0], second[0]) == (-1, 5)

    def test_dense_table_with_vector_keys(self):
        table = lookup.MutableDenseHashTable(tf.int64, tf.int64, -1, [0, 0], [-1, -1])
        keys = tf.constant([[1, 2], [3, 4]], tf.int64)
        insert, found = table.insert(keys, tf.constant([7, 8], tf.int64)), table.lookup(keys)
        assert found.shape.as_list() == [2]
        with tf.Session() as sess:
            sess.run(insert)
            assert sess.run(found).tolist() == [7, 8]
            with pytest.raises(tf.errors.InvalidArgumentError, match="empty_key"):
                sess.run(table.insert(tf.zeros([1, 2], tf.int64), tf.constant([1], tf.int64)))


def test_tables_of_old_graphs():
    """Handles that are references to strings, as TensorFlow 1.0 wrote them, through a GraphDef."""
    with tf.Graph().as_default() as built:
        handle = raw.HashTable(key_dtype=tf.string, value_dtype=tf.int64, name="table")
        fill = raw.InitializeTable(handle, ["a", "b"], np.array([1, 2]), name="fill")
        raw.LookupTableFind(handle, ["b", "c"], np.int64(-1), name="find")
        raw.LookupTableSize(handle, name="size")
        assert fill.type == "InitializeTable"
    tf.import_graph_def(built.as_graph_def(), name="")
    with tf.Session() as sess:
        sess.run("fill")
        found, size = sess.run(["find:0", "size:0"])
    assert found.tolist() == [2, -1]
    assert size == 2


def test_private_names_call_the_words_a_vocabulary_list() -> None:
    from millrace.python.ops import lookup_ops

    table = lookup_ops.index_table_from_tensor(vocabulary_list=["a", "b"])
    words = lookup_ops.index_to_string_table_from_tensor(vocabulary_list=["a", "b"])
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        assert sess.run(table.lookup(tf.constant(["b"]))).tolist() == [1]
        assert sess.run(words.lookup(tf.constant([1], tf.int64))).tolist() == [b"b"]
