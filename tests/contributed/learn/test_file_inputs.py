"""`tf.contrib.learn.read_batch_examples` and its relatives."""

import pytest

import millrace as tf

L = tf.contrib.learn
FEATURES = {"a": tf.FixedLenFeature([], tf.int64), "s": tf.VarLenFeature(tf.string)}


@pytest.fixture
def folder(tmp_path):
    for i in range(2):
        (tmp_path / f"f{i}.txt").write_text("".join(f"{i}{j}\n" for j in range(3)))
        with tf.python_io.TFRecordWriter(str(tmp_path / f"r{i}")) as writer:
            for j in range(3):
                example = tf.train.Example()
                example.features.feature["a"].int64_list.value.append(10 * i + j)
                example.features.feature["s"].bytes_list.value.append(b"x")
                writer.write(example.SerializeToString())
    return str(tmp_path)


def all_of(fetches):
    found = []
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(session, coordinator)
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append(session.run(fetches))
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=5)
    return found


def test_lines_with_keys(folder):
    batch = L.read_keyed_batch_examples(
        f"{folder}/f*.txt", 4, tf.TextLineReader, False, num_epochs=1, read_batch_size=2, name="my"
    )
    assert [t.name for t in batch] == ["my:0", "my:1"]
    found = all_of(batch)
    assert [examples.tolist() for _, examples in found] == [[b"00", b"01", b"02", b"10"], [b"11", b"12"]]
    assert found[0][0][0].endswith(b"f0.txt:1")


def test_shuffled_and_parsed(folder):
    batch = L.read_batch_examples(
        [f"{folder}/f0.txt", f"{folder}/f1.txt"],
        2,
        tf.TextLineReader,
        num_epochs=1,
        queue_capacity=50,
        num_threads=2,
        parse_fn=lambda line: {"x": tf.string_to_number(line)},
    )
    names = [op.name for op in tf.get_default_graph().get_operations()]
    assert "read_batch_examples/fraction_over_44_of_6_full" in names
    assert sorted(x for row in all_of(batch) for x in row["x"].tolist()) == [0, 1, 2, 10, 11, 12]


def test_examples(folder):
    keys, features = L.read_keyed_batch_features(
        f"{folder}/r*", 2, FEATURES, tf.TFRecordReader, False, num_epochs=1, num_enqueue_threads=1
    )
    found = all_of([keys, features["a"], features["s"]])
    assert [a.tolist() for _, a, _ in found] == [[0, 1], [2, 10], [11, 12]]
    assert found[0][2].values.tolist() == [b"x", b"x"]
    record = L.read_batch_record_features(f"{folder}/r*", 6, {"a": FEATURES["a"]}, num_epochs=1)
    assert sorted(all_of(record)[0]["a"].tolist()) == [0, 1, 2, 10, 11, 12]
    shared = L.read_keyed_batch_features_shared_queue(f"{folder}/r*", 6, FEATURES, tf.TFRecordReader)
    assert sorted(shared[1]) == ["a", "s"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"file_pattern": "nowhere*"}, "No files match"),
        ({"file_pattern": []}, "No files given"),
        ({"batch_size": 0}, "Invalid batch_size 0"),
        ({"queue_capacity": 2}, "Invalid batch_size 2"),
        ({"queue_capacity": 0}, "Invalid queue_capacity 0"),
        ({"num_threads": 0}, "Invalid num_threads"),
        ({"read_batch_size": 0}, "Invalid read_batch_size"),
        ({"num_epochs": 0}, "Invalid num_epochs"),
    ],
)
def test_what_is_refused(folder, options, match):
    given = {"file_pattern": f"{folder}/f*", "batch_size": 2, "reader": tf.TextLineReader, **options}
    with pytest.raises(ValueError, match=match):
        L.read_batch_examples(**given)
