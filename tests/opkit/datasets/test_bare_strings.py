"""Strings of files go through a pipeline without an array for each, and nobody can tell."""

from __future__ import annotations

import pytest

import millrace as tf

WORDS = [b"d", b"a", b"c", b"a", b"b", b"d", b"e"]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "lines").write_bytes(b"\n".join(WORDS) + b"\n")
    return str(tmp_path / "lines")


def _taken(data):
    element = data.make_one_shot_iterator().get_next()
    found = []
    with tf.Session() as sess:
        while True:
            try:
                found.append(sess.run(element))
            except tf.errors.OutOfRangeError:
                return found


PLAIN = {
    "lines": (lambda d: d, WORDS),
    "take": (lambda d: d.take(3), WORDS[:3]),
    "skip": (lambda d: d.skip(3), WORDS[3:]),
    "shard": (lambda d: d.shard(2, 1), WORDS[1::2]),
    "repeat": (lambda d: d.repeat(2), WORDS * 2),
    "prefetch": (lambda d: d.prefetch(2), WORDS),
    "errors": (lambda d: d.apply(tf.data.experimental.ignore_errors()), WORDS),
    "cache": (lambda d: d.cache().repeat(2), WORDS * 2),
    "unique": (lambda d: d.apply(tf.data.experimental.unique()), [b"d", b"a", b"c", b"b", b"e"]),
    "map": (lambda d: d.map(lambda s: s + "!"), [w + b"!" for w in WORDS]),
    "filter": (lambda d: d.filter(lambda s: tf.not_equal(s, "a")), [w for w in WORDS if w != b"a"]),
    "unbatch": (lambda d: d.batch(3).apply(tf.data.experimental.unbatch()), WORDS),
    "flat": (lambda d: d.flat_map(lambda s: tf.data.Dataset.from_tensors(s)), WORDS),
    "turns": (
        lambda d: d.interleave(lambda s: tf.data.Dataset.from_tensors(s).repeat(2), 2),
        [w for pair in ("da", "ca", "bd") for w in [pair[0].encode(), pair[1].encode()] * 2] + [b"e"] * 2,
    ),
    "windows": (
        lambda d: d.window(2).flat_map(lambda w: w.batch(2)).apply(tf.data.experimental.unbatch()),
        WORDS,
    ),
    "both": (lambda d: d.concatenate(tf.data.Dataset.from_tensors("z")).take(9), [*WORDS, b"z"]),
    "choice": (
        lambda d: tf.data.experimental.choose_from_datasets(
            [d, tf.data.Dataset.from_tensors("z").repeat()], tf.data.Dataset.range(2).repeat(2)
        ),
        [b"d", b"z", b"a", b"z"],
    ),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_each_string_comes_as_bytes(path, kind):
    change, expected = PLAIN[kind]
    assert _taken(change(tf.data.TextLineDataset(path))) == expected


def test_strings_and_their_pairs_in_batches(path):
    lines = tf.data.TextLineDataset(path)
    assert [list(b) for b in _taken(lines.batch(3))] == [WORDS[:3], WORDS[3:6], WORDS[6:]]
    assert [list(b) for b in _taken(lines.padded_batch(4, []))] == [WORDS[:4], WORDS[4:]]
    mixed = lines.take(1).concatenate(tf.data.Dataset.from_tensors("z")).batch(5)
    assert [list(b) for b in _taken(mixed)] == [[b"d", b"z"]]
    pairs = tf.data.Dataset.zip((lines, lines.skip(1)))
    assert _taken(pairs)[:2] == [(b"d", b"a"), (b"a", b"c")]
    sparse = _taken(lines.apply(tf.data.experimental.dense_to_sparse_batch(4, [])))
    assert sparse[0].values.tolist() == WORDS[:4]


def test_a_shuffle_orders_strings_as_numbers(path):
    lines = tf.data.TextLineDataset(path)
    order = _taken(tf.data.Dataset.range(len(WORDS)).shuffle(3, seed=5).repeat(3))
    assert _taken(lines.shuffle(3, seed=5).repeat(3)) == [WORDS[i] for i in order]


@pytest.mark.parametrize("at", [0, 1, 5, 9])
def test_an_iterator_goes_on_from_where_it_was_saved(path, tmp_path, at):
    def made():
        data = tf.data.TextLineDataset(path).shuffle(4, seed=5).repeat(2).prefetch(2)
        return tf.compat.v1.data.make_one_shot_iterator(data)

    with tf.Graph().as_default(), tf.Session() as sess:
        element = made().get_next()
        everything = [sess.run(element) for _ in range(2 * len(WORDS))]
    with tf.Graph().as_default(), tf.Session() as sess:
        iterator = made()
        element = iterator.get_next()
        tf.add_to_collection(
            tf.GraphKeys.SAVEABLE_OBJECTS, tf.data.experimental.make_saveable_from_iterator(iterator)
        )
        for _ in range(at):
            sess.run(element)
        saved = tf.train.Saver().save(sess, str(tmp_path / "model"))
        for _ in range(3):
            sess.run(element)
        tf.train.Saver().restore(sess, saved)
        assert [sess.run(element) for _ in range(2 * len(WORDS) - at)] == everything[at:]
