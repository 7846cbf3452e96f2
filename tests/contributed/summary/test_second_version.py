"""`tf.compat.v2.summary`: what its operations write, and where."""

import numpy as np
import pytest

import millrace as tf

_S = tf.compat.v2.summary


def _values(folder):
    values = {}
    for file in folder.iterdir():
        for event in tf.train.summary_iterator(str(file)):
            for value in event.summary.value:
                values[value.tag] = (event.step, value.metadata, tf.make_ndarray(value.tensor))
    return values


def _run(folder, build, feeds=None):
    """What `build` adds to a writer's scope, run once; the results and what was written."""
    writer = _S.create_file_writer(str(folder))
    with writer.as_default():
        operations = build()
    with tf.Session() as sess:
        sess.run(writer.init())
        results = sess.run(operations, feeds)
        sess.run(writer.close())
    return results, _values(folder)


def test_each_kind_is_written_with_what_its_plugin_needs(tmp_path):
    def build():
        with tf.name_scope("outer"):
            number = _S.scalar("loss", 1.5, step=7, description="how far off")
        pictures = _S.image("picture", tf.ones([2, 4, 5, 3]), step=7, max_outputs=1)
        words = _S.text("words", tf.constant(["a", "b"]), step=7)
        sounds = _S.audio("sound", tf.zeros([3, 8, 1]), 8000, step=7, max_outputs=2)
        return [number, pictures, words, sounds]

    results, written = _run(tmp_path, build)
    assert all(results)
    assert {tag: m.plugin_data.plugin_name for tag, (_, m, _) in written.items()} == {
        "outer/loss": "scalars",
        "picture": "images",
        "words": "text",
        "sound": "audio",
    }
    assert {step for step, _, _ in written.values()} == {7}
    assert written["outer/loss"][1].summary_description == "how far off"
    assert written["outer/loss"][2] == np.float32(1.5)
    picture = written["picture"][2]
    assert picture.shape == (3,) and list(picture[:2]) == [b"5", b"4"]
    assert picture[2].startswith(b"\x89PNG")
    assert written["words"][2].tolist() == [b"a", b"b"]
    assert written["sound"][2].shape == (2, 2)
    assert written["sound"][2][0][0].startswith(b"RIFF")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([0.0, 1.0, 1.0, 4.0], [[0, 2, 3], [2, 4, 1]]),
        ([3.0, 3.0], [[2.5, 3.5, 2]]),
        ([], np.zeros([0, 3])),
    ],
)
def test_histograms_count_values_in_intervals(tmp_path, data, expected):
    x = tf.placeholder(tf.float32, [None])
    _, written = _run(tmp_path, lambda: _S.histogram("h", x, step=0, buckets=2), {x: data})
    np.testing.assert_array_equal(written["h"][2], expected)


def test_record_if_decides_when_run(tmp_path):
    wanted = tf.placeholder(tf.bool, [])

    def build():
        with _S.record_if(wanted):
            first = _S.scalar("first", 1.0, step=0)
        with _S.record_if(False):
            return [first, _S.scalar("second", 1.0, step=0)]

    results, written = _run(tmp_path, build, {wanted: True})
    assert [bool(r) for r in results] == [True, False]
    assert list(written) == ["first"]


def test_steps_come_from_the_argument_or_from_set_step(tmp_path):
    def build():
        with pytest.raises(ValueError, match="needs a step"):
            _S.scalar("none", 1.0)
        _S.experimental.set_step(4)
        try:
            return [_S.scalar("set", 1.0), _S.write("given", [1, 2], step=5)]
        finally:
            _S.experimental.set_step(None)

    _, written = _run(tmp_path, build)
    assert {tag: step for tag, (step, _, _) in written.items()} == {"set": 4, "given": 5}


def test_nothing_is_written_without_a_writer():
    assert not tf.Session().run(_S.scalar("loss", 1.0))
    with _S.create_noop_writer().as_default():
        assert not tf.Session().run(_S.scalar("loss", 1.0))
    with pytest.raises(ValueError, match="folder"):
        _S.create_file_writer(None)
    with pytest.raises(ValueError, match="wav"):
        _S.audio("a", tf.zeros([1, 1, 1]), 1, encoding="mp3")
