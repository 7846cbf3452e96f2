"""`tf.contrib.learn`: exports to keep, data sets, generators, monitors, small models; 1.15's numbers."""

import gzip

import numpy as np
import pytest

import millrace as tf

L = tf.contrib.learn
GC, D, M = L.utils.gc, L.datasets, L.monitors


def test_which_exports_are_kept(tmp_path):
    paths = [GC.Path(f"/a/{n}", n) for n in (1, 2, 3, 5, 8, 10, 11, 12, 20)]

    def kept(strategy):
        return [path.export_version for path in strategy(paths)]

    assert kept(GC.largest_export_versions(3)) == [11, 12, 20]
    assert kept(GC.largest_export_versions(0)) == []
    assert kept(GC.one_of_every_n_export_versions(5)) == [10, 12, 20, 5]
    assert kept(GC.union(GC.mod_export_version(4), GC.largest_export_versions(2))) == [12, 20, 8]
    assert kept(GC.negation(GC.mod_export_version(4))) == [1, 10, 11, 2, 3, 5]
    for name in ("1", "x", "30"):
        (tmp_path / name).mkdir()

    def parser(path):
        name = path.path.rsplit("/", 1)[-1]
        return path._replace(export_version=int(name)) if name.isdigit() else None

    assert [path.export_version for path in GC.get_paths(str(tmp_path), parser)] == [1, 30]


def test_computed_data():
    data, target = D.synthetic.circles(n_samples=7, noise=0.1, seed=3)
    np.testing.assert_allclose(data[:2], [[-0.96276, 0.03979], [1.09392, -0.11804]], atol=1e-5)
    assert target.tolist() == [1, 0, 1, 0, 1, 0, 0]
    data, target = D.synthetic.spirals(n_samples=5, noise=0.1, seed=3, mode="bernoulli", n_loops=1)
    np.testing.assert_allclose(data[1:3], [[-0.32573, 0.1177], [0.63154, 0.0027]], atol=1e-5)
    assert target.tolist() == [0, 1, 0, 1, 0]
    assert D.make_dataset("circles", n_samples=4).target.tolist() == [0, 1, 0, 1]
    for make in (
        lambda: D.make_dataset("x"),
        lambda: D.load_dataset("x"),
        lambda: D.synthetic.spirals(mode="x"),
    ):
        with pytest.raises(ValueError, match="x"):
            make()


def test_local_tables(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("4,2,a,b\n" + "".join(f"{i},{2 * i},{i % 2}\n" for i in range(4)))
    assert D.load_iris(str(table)).target.tolist() == [0, 1, 0, 1]
    D.base.shrink_csv(str(table), 3)
    assert (tmp_path / "t_small.csv").read_text() == "4,2,a,b\n2,4,0\n"
    assert D.base.maybe_download("t.csv", str(tmp_path), "nowhere") == str(table)
    for load in (D.load_iris, D.load_boston, D.text_datasets.load_dbpedia):
        with pytest.raises(tf.errors.NotFoundError, match="millrace brings no data"):
            load()
    with pytest.raises(tf.errors.NotFoundError):
        D.base.urlretrieve_with_retry("nowhere")


def test_calls_that_are_repeated():
    calls = []

    @D.base.retry(initial_delay=0.001, max_delay=0.01, is_retriable=lambda error: isinstance(error, OSError))
    def flaky():
        calls.append(1)
        if len(calls) < 3:
            raise OSError("x")
        return "ok"

    assert (flaky(), len(calls)) == ("ok", 3)
    with pytest.raises(ValueError, match="factor must be >= 1"):
        D.base.retry(1, 1, factor=0.5)
    with pytest.raises(ValueError, match="jitter must be < 1"):
        D.base.retry(1, 1, jitter=2.0)


def test_files_of_digits(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress((2049).to_bytes(4, "big") + (3).to_bytes(4, "big") + bytes([0, 2, 1])))
    with open(path, "rb") as file:
        assert (
            D.mnist.extract_labels(file, one_hot=True, num_classes=3).tolist()
            == np.eye(3)[[0, 2, 1]].tolist()
        )
    with open(path, "rb") as file, pytest.raises(ValueError, match="magic"):
        D.mnist.extract_images(file)


def rows():
    for i in range(5):
        yield {"a": np.array([i]), "y": np.array([-i])}


def test_a_generator_as_input():
    batch = L.io.generator_input_fn(rows, target_key="y", batch_size=4, shuffle=False)()
    found = []
    with tf.Session() as session:
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(session, coordinator)
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                features, labels = session.run(batch)
                found.append((features["a"][:, 0].tolist(), labels[:, 0].tolist()))
        coordinator.request_stop()
        coordinator.join(threads)
    assert found == [([0, 1, 2, 3], [0, -1, -2, -3]), ([4, 0], [-4, 0])]
    for given, error in (([1], TypeError), (lambda: [1], TypeError), (lambda: iter([1]), TypeError)):
        with pytest.raises(error, match="must be generator"):
            L.io.generator_input_fn(given)
    with pytest.raises(KeyError):
        L.io.generator_input_fn(rows, target_key="q")


def test_small_models():
    x, y = tf.constant([[0.0, 1.0], [2.0, 3.0]]), tf.constant([1.0, 2.0])
    predictions, loss = L.models.linear_regression_zero_init(x, y)
    assert [v.op.name for v in tf.global_variables()] == [
        "linear_regression/weights",
        "linear_regression/bias",
    ]
    assert loss.op.name == "linear_regression/mean_squared_error_regressor/mean_squared_error/value"
    classes = L.models.logistic_regression_zero_init(x, tf.constant([[1.0, 0.0], [0.0, 1.0]]))
    found = L.run_n({"p": predictions, "loss": loss, "q": classes[0], "cross": classes[1]}, n=1)[0]
    assert (found["p"].tolist(), found["loss"]) == ([0, 0], 2.5)
    np.testing.assert_allclose(found["q"], np.full((2, 2), 0.5))
    assert found["cross"] == pytest.approx(np.log(2))


def test_fetches_from_checkpoints(tmp_path):
    variable, fed = tf.Variable(1.0, name="v"), tf.placeholder(tf.float32)
    assert L.run_feeds({"a": variable + fed}, [{fed: 1.0}, {fed: 2.0}]) == [{"a": 2}, {"a": 3}]
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(variable.assign(5.0))
        path = saver.save(session, str(tmp_path / "m"))
    assert L.infer(path, {"a": variable + fed}, {fed: 2.0}) == {"a": 7}
    with pytest.raises(ValueError, match="output_dict"):
        L.run_n({})


def test_monitors_save_and_count(tmp_path):
    step = tf.train.get_or_create_global_step()
    loss = tf.cast(step.assign_add(1), tf.float32)
    bad = tf.log(-loss)
    summary = tf.summary.scalar("loss", loss)
    dump = M.GraphDump(
        ignore_ops=["VariableV2", "VarHandleOp", "Const", "Assign", "NoOp", "AssignVariableOp"]
    )
    saver = M.CheckpointSaver(str(tmp_path), save_steps=2, saver=tf.train.Saver())
    counter = M.StepCounter(every_n_steps=1, output_dir=str(tmp_path))
    monitors = [
        *M.get_default_monitors(loss, summary, 1, str(tmp_path)),
        saver,
        counter,
        M.LoggingTrainable(every_n=1),
        M.NanLoss(bad, every_n_steps=1, fail_on_nan_loss=False),
    ]
    hook = M.RunHookAdapterForMonitors(monitors)
    with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:
        session.run(loss)
        assert session.should_stop()
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-1")
    tags = {
        value.tag
        for path in tmp_path.glob("events*")
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert "loss" in tags
    dump.begin()
    asked = dump.step_begin(1)
    assert not dump.step_end(1, {tensor.name: np.zeros(2) for tensor in asked})
    assert dump.compare(dump, 1)[1] == []
    failing = M.NanLoss(bad)
    failing.step_begin(1)
    with pytest.raises(L.NanLossDuringTrainingError):
        failing.step_end(1, {bad.name: np.nan})
    with pytest.raises(ValueError, match="save_steps or save_secs"):
        M.CheckpointSaver(str(tmp_path))


def test_tables_of_dask():
    class Table:
        columns = ("a",)
        values = np.ones(2)

        def compute(self):
            return self

    Table.__module__ = "dask.dataframe"
    table, wide = Table(), Table()
    wide.columns = ("a", "b")
    assert L.extract_dask_data(table).tolist() == L.extract_dask_labels(table).tolist() == [1, 1]
    assert L.extract_dask_data(3) == L.extract_dask_labels(3) == 3
    with pytest.raises(ValueError, match="one column"):
        L.extract_dask_labels(wide)
    assert isinstance(L.io.HAS_DASK, bool)


def test_a_run_config_needs_no_task(monkeypatch):
    monkeypatch.setenv(
        "TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"], "ps": ["c:1"]}, "environment": "cloud"}'
    )
    config = tf.contrib.learn.RunConfig()
    assert (config.task_type, config.is_chief, config.num_worker_replicas) == (None, True, 2)
    assert (config.environment, config.master) == ("cloud", "")
