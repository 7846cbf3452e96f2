"""Random forests: training, inference, the numbers of TensorFlow 1.15, checkpoints, estimators."""

from __future__ import annotations

import random

import numpy as np
import pytest

import millrace as tf
from millrace.opkit.forest.unordered import in_set_order
from millrace.training.sessions import resources

forest = tf.contrib.tensor_forest.tensor_forest
clients = tf.contrib.tensor_forest.random_forest
ONE_THREAD = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)


def _data(count: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.RandomState(0).randn(count, features).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 0.5) + (x[:, 2] > 1)


def _params(**kwargs):
    found = {
        "num_classes": 4,
        "num_features": 6,
        "num_trees": 2,
        "max_nodes": 60,
        "split_after_samples": 20,
        "base_random_seed": 7,
    }
    return forest.ForestHParams(**(found | kwargs)).fill()


class Forest:
    """A forest in a session of its own, trained on six batches."""

    def __init__(self, steps: int = 6, weighted: bool = False, **kwargs) -> None:
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.set_random_seed(3)
            self.x, self.y = tf.placeholder(tf.float32, [None, 6]), tf.placeholder(tf.int32, [None])
            self.graphs = forest.RandomForestGraphs(_params(**kwargs))
            weight = tf.placeholder(tf.float32, [None])
            more = {"input_weights": weight} if weighted else {}
            self.train = self.graphs.training_graph(self.x, self.y, **more)
            self.loss = self.graphs.training_loss(self.x, self.y)
            self.asked = self.graphs.inference_graph(self.x)
            self.importances = self.graphs.feature_importances()
            self.saver = tf.train.Saver()
            self.start = tf.group(
                tf.global_variables_initializer(),
                resources.initialize_resources(resources.shared_resources()),
            )
        self.session = tf.Session(graph=self.graph, config=ONE_THREAD)
        self.session.run(self.start)
        self.rows, labels = _data(600, 6)
        for i in range(steps):
            part = slice(100 * i, 100 * i + 100)
            feeds = {
                self.x: self.rows[part],
                self.y: labels[part],
                weight: np.random.RandomState(i).rand(100),
            }
            self.session.run(self.train, feeds)

    def size(self) -> float:
        return -self.session.run(self.loss, {self.x: self.rows[:1], self.y: [0]})

    def ask(self, count: int = 5):
        return self.session.run(self.asked, {self.x: self.rows[:count]})


# What TensorFlow 1.15.5 gives for these programs: the average size, and the first example's probabilities.
RECORDED = [
    ({}, 23, [0.2188, 0.3056, 0.4201, 0.0556]),
    ({"split_name": "less"}, 23, [0.0, 0.1389, 0.7341, 0.127]),
    ({"model_name": "all_sparse"}, 23, [0.2188, 0.3056, 0.4201, 0.0556]),
    ({"regression": True, "num_classes": 1}, 20, [1.5455]),
    ({"split_after_samples": 5, "max_nodes": 300}, 32, [0.2188, 0.4375, 0.2188, 0.125]),
    ({"bagging_fraction": 0.6}, 15, [0.1667, 0.6319, 0.2014, 0.0]),
    ({"initialize_average_splits": True}, 20, [0.0, 0.5384, 0.409, 0.0526]),
    (
        {"split_pruning_name": "hoeffding", "prune_every_samples": 4, "dominate_fraction": 0.5},
        23,
        [0.2188, 0.3056, 0.4201, 0.0556],
    ),
]


@pytest.mark.parametrize(("kwargs", "size", "first"), RECORDED)
def test_numbers_of_1_15(kwargs, size, first):
    grown = Forest(**kwargs)
    assert grown.size() == size
    np.testing.assert_allclose(grown.ask()[0][0], first, atol=6e-5)


@pytest.mark.parametrize(
    ("kwargs", "size", "first"),
    [
        ({"feature_bagging_fraction": 0.67}, 20, [0.2188, 0.5625, 0.1562, 0.0625]),
        ({"feature_bagging_fraction": 0.5, "num_trees": 1}, 19, [0.0, 0.7288, 0.2542, 0.0169]),
    ],
)
def test_trees_that_see_a_part_of_the_columns(kwargs, size, first, monkeypatch):
    """They draw features of all columns, as in 1.15, and read on in the row that follows."""
    monkeypatch.setattr(random, "sample", lambda every, count: list(every)[:count])
    grown = Forest(**kwargs)
    assert grown.size() == size
    np.testing.assert_allclose(grown.ask()[0][0], first, atol=6e-5)


@pytest.mark.parametrize(
    ("kwargs", "size", "first"),
    [({}, 15, [0.1991, 0.7229, 0.0779, 0.0]), ({"regression": True, "num_classes": 1}, 20, [1.5455])],
)
def test_weights_count_in_classes_only(kwargs, size, first):
    grown = Forest(weighted=True, **kwargs)
    assert grown.size() == size
    np.testing.assert_allclose(grown.ask()[0][0], first, atol=6e-5)


def test_variances_and_importances():
    grown = Forest()
    _, paths, variance = grown.ask()
    np.testing.assert_allclose(variance[0], [0.0479, 0.0378, 0.1279, 0.0031], atol=6e-5)
    assert paths.shape == (0, 2)
    shares = grown.session.run(grown.importances)
    assert shares.shape == (6,)
    np.testing.assert_allclose(shares.sum(), 1)


@pytest.mark.parametrize("finish", ["hoeffding", "bootstrap"])
def test_leaves_split_early_where_one_test_dominates(finish):
    x = np.tile(np.array([[0.0, 5.0], [1.0, 5.0]], np.float32), (40, 1))
    params = forest.ForestHParams(
        num_classes=2,
        num_features=2,
        num_trees=1,
        max_nodes=9,
        split_after_samples=10000,
        num_splits_to_consider=2,
        base_random_seed=1,
        split_finish_name=finish,
        early_finish_check_every_samples=5,
        dominate_fraction=0.9,
    ).fill()
    with tf.Graph().as_default(), tf.Session() as session:
        grown = forest.RandomForestGraphs(params)
        train = grown.training_graph(tf.constant(x), tf.constant(x[:, 0].astype(np.int32)))
        session.run(tf.global_variables_initializer())
        session.run(resources.initialize_resources(resources.shared_resources()))
        session.run(train)
        assert session.run(grown.average_size()) == 3
        probabilities = session.run(grown.inference_graph(tf.constant(x[:2]))[0])
    np.testing.assert_array_equal(probabilities, np.eye(2))


def test_paths_hold_the_nodes_of_an_example():
    from millrace.core import protos

    paths = Forest(inference_tree_paths=True).ask(2)[1]
    nodes = protos.TreePath.FromString(paths[0, 0]).nodes_visited
    assert len(nodes) > 1
    assert [n.WhichOneof("node_type") for n in nodes] == ["binary_node"] * (len(nodes) - 1) + ["leaf"]
    assert {v.WhichOneof("value") for v in nodes[-1].leaf.vector.value} == {"float_value"}


@pytest.mark.parametrize("model", ["all_dense", "all_sparse", "sparse_then_dense"])
def test_a_checkpoint_holds_trees_and_what_leaves_have_seen(tmp_path, model):
    grown = Forest(steps=3, model_name=model, checkpoint_stats=True)
    where = grown.saver.save(grown.session, str(tmp_path / "forest"))
    names = dict(tf.train.list_variables(where))
    assert sorted(names) == [
        "device_dummy_0",
        "device_dummy_1",
        "stats-0:0",
        "stats-1:0",
        "tree-0:0",
        "tree-1:0",
    ]
    other = Forest(steps=0, model_name=model, checkpoint_stats=True)
    other.saver.restore(other.session, where)
    rows, labels = _data(600, 6)
    for each in (grown, other):
        for i in range(3, 6):
            part = slice(100 * i, 100 * i + 100)
            each.session.run(each.train, {each.x: rows[part], each.y: labels[part]})
    np.testing.assert_array_equal(grown.ask()[0], other.ask()[0])


def test_an_empty_tree_knows_nothing():
    assert not Forest(steps=0).ask()[0].any()


def test_a_tree_must_be_created():
    with tf.Graph().as_default(), tf.Session() as session:
        grown = forest.RandomForestGraphs(_params())
        with pytest.raises(tf.errors.FailedPreconditionError, match="has not been created"):
            session.run(grown.average_size())
        with pytest.raises(tf.errors.FailedPreconditionError, match="has not been created"):
            session.run(grown.trees[0].variables.tree.op.graph.get_tensor_by_name("tree-0/TreeSerialize:0"))


def test_labels_beyond_the_classes_are_refused_and_change_nothing():
    grown = Forest()
    before = grown.ask()[0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="classes below 4"):
        grown.session.run(grown.train, {grown.x: grown.rows[:2], grown.y: [0, 4]})
    np.testing.assert_array_equal(grown.ask()[0], before)


@pytest.mark.parametrize("words", [False, True])
def test_sparse_and_categorical_input(words):
    params = forest.ForestHParams(
        num_classes=2,
        num_features=1 if words else 3,
        num_trees=1,
        max_nodes=20,
        split_after_samples=4,
        base_random_seed=5,
    ).fill()
    with tf.Graph().as_default(), tf.Session() as session:
        rows = tf.SparseTensor([[0, 0], [1, 2], [2, 0], [3, 2]], [-1.0, -1.0, -1.0, -1.0], [4, 3])
        batch = {"a": tf.constant([["x"], ["y"], ["x"], ["y"]])} if words else rows
        grown = forest.RandomForestGraphs(params)
        train = grown.training_graph(batch, tf.constant([0, 1, 0, 1]))
        session.run(tf.global_variables_initializer())
        session.run(resources.initialize_resources(resources.shared_resources()))
        for _ in range(8):
            session.run(train)
        found = session.run(grown.inference_graph(batch)[0])
        tree = session.run("tree-0/TreeSerialize:0")
    np.testing.assert_array_equal(found.argmax(1), [0, 1, 0, 1])
    assert (b"MatchingValuesTest" in tree) == words


def test_parsing_input():
    data_ops = tf.contrib.tensor_forest.data_ops
    with tf.Graph().as_default() as graph:
        dense, sparse, spec = data_ops.ParseDataTensorOrDict({
            "b": tf.placeholder(tf.float32, [None, 2]),
            "a": tf.placeholder(tf.int64, [None, 1]),
            "c": tf.placeholder(tf.string, [None, 1]),
        })  # fmt: skip
        assert sparse is None
        assert spec.SerializeToString() == (
            "dense_features_size: 4 dense: [{name: a original_type: 1 size: 1}"
            "{name: b original_type: 0 size: 2}{name: c original_type: 1 size: 1}] sparse: []"
        )
        assert [t.op.type for t in dense.op.inputs][:3] == ["Cast", "Placeholder", "ReinterpretStringToFloat"]
        _, sparse, spec = data_ops.ParseDataTensorOrDict({"s": tf.sparse_placeholder(tf.string, [None, 5])})
        assert spec.sparse.SerializeToString() == "{name: all_sparse original_type: 1 size: -1}"
        assert data_ops.ParseLabelTensorOrDict(tf.constant([1, 2])).dtype == tf.float32
        with tf.Session(graph=graph) as session:
            numbers = session.run(data_ops.CastToFloat(tf.constant(["a", "hello", "", "abcdefghijk", "1.5"])))
    expected = [4.993893e18, 2.7621695e18, 6.142509e18, 3.6723982e18, 1.775299e19]
    np.testing.assert_allclose(numbers, expected, rtol=1e-6)


def test_parameters():
    params = forest.ForestHParams(num_classes=3, num_features=500, feature_bagging_fraction=0.1).fill()
    assert params.num_splits_to_consider == 23
    assert {len(set(chosen)) for chosen in params.bagged_features} == {50}
    with pytest.raises(AttributeError, match="num_features"):
        forest.ForestHParams(num_classes=3).fill()
    with pytest.raises(KeyError):
        forest.ForestHParams(num_classes=3, num_features=2, model_name="other").fill()
    text = "linear { slope: 2.0 y_intercept: 3.0 min_val: 1.0 max_val: 9.0 }"
    proto = forest.build_params_proto(
        forest.ForestHParams(num_classes=3, num_features=2, split_after_samples=text).fill()
    )
    assert proto.split_after_samples.linear.slope == 2
    assert forest.get_epoch_variable() == [0]


def test_the_order_of_a_hash_set():
    assert in_set_order([7, 9, 6]) == [6, 7, 9]
    assert in_set_order([1, 2, 1]) == [2, 1]


def test_names_of_1_15():
    grown = Forest(steps=0)
    names = [op.name for op in grown.graph.get_operations()]
    for name in (
        "stats-0/FertileStatsSerialize",
        "tree-1/TreeIsInitializedOp",
        "ProcessInputV4_1/input_weights",
        "train",
        "training_loss",
        "probabilities",
        "Maximum",
    ):
        assert name in names


# ---------------------------------------------------------------- estimators


@pytest.mark.parametrize(("classes", "regression"), [(3, False), (2, False), (1, True)])
def test_an_estimator(tmp_path, classes, regression):
    x, _ = _data(200, 4)
    y = (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 0.5)
    labels = y.astype(np.float32) if regression else np.minimum(y, classes - 1)
    params = forest.ForestHParams(
        num_classes=classes,
        num_features=4,
        num_trees=3,
        max_nodes=50,
        split_after_samples=10,
        base_random_seed=7,
        regression=regression,
    )
    model = clients.TensorForestEstimator(params, model_dir=str(tmp_path), report_feature_importances=True)

    def batch():
        return {"x": tf.constant(x)}, tf.constant(labels)

    model.fit(input_fn=batch, steps=4)
    found = model.evaluate(input_fn=batch, steps=1)
    assert found["global_step"] == 4
    if regression:
        assert found["loss"] < 0.09
    else:
        assert found["accuracy"] > 0.9
    asked = clients.TensorForestEstimator(params, model_dir=str(tmp_path), keys_column="k")
    first = next(
        iter(asked.predict(input_fn=lambda: {"x": tf.constant(x[:2]), "k": tf.constant(["a", "b"])}))
    )
    assert first["k"] == b"a"
    assert "prediction_variance" in first


def test_a_core_estimator():
    x, _ = _data(200, 4)
    labels = (x[:, 0] > 0).astype(np.int32)
    params = forest.ForestHParams(
        num_classes=2, num_features=4, num_trees=3, max_nodes=50, split_after_samples=10, base_random_seed=7
    )
    model = clients.CoreTensorForestEstimator(params)
    model.train(lambda: ({"x": tf.constant(x)}, tf.constant(labels)), steps=4)
    assert model.evaluate(lambda: ({"x": tf.constant(x)}, tf.constant(labels)), steps=1)["accuracy"] > 0.9


def test_several_forests_train_together(tmp_path):
    x, _ = _data(100, 4)
    labels = (x[:, 0] > 0).astype(np.int32)

    class Second(forest.RandomForestGraphs):
        count = 0

        def __init__(self, params, **kwargs) -> None:
            Second.count += 1
            with tf.variable_scope(f"forest{Second.count}"):
                super().__init__(params, tree_variables_class=_scoped(Second.count), **kwargs)

    model = clients.MultiForestMultiHeadEstimator(
        [
            forest.ForestHParams(
                num_classes=3, num_features=4, num_trees=1, max_nodes=9, split_after_samples=9
            )
            for _ in range(2)
        ],
        model_dir=str(tmp_path),
        graph_builder_class=Second,
    )
    model.fit(input_fn=lambda: ({"x": tf.constant(x)}, tf.constant(labels)), steps=2)
    assert {n for n in model.get_variable_names() if "tree" in n} == {
        n for n in model.get_variable_names() if "tree-0:0" in n
    }


def _scoped(number: int):
    class Scoped(forest.TreeVariables):
        def get_tree_name(self, name: str, num: int) -> str:
            return f"forest{number % 2}/{name}-{num}"

    return Scoped


def test_metrics_by_name():
    metrics = tf.contrib.tensor_forest.eval_metrics
    assert metrics.get_prediction_key("r2") == "scores"
    with pytest.raises(KeyError):
        metrics.get_metric("log_loss")
    with tf.Graph().as_default(), tf.Session() as session:
        probabilities = tf.constant([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
        labels = tf.constant([0, 1, 0])
        made = {
            "accuracy": metrics.get_metric("accuracy")(tf.constant([0, 1, 1]), labels),
            "precision": metrics.get_metric("precision")(tf.constant([0, 1, 1]), labels),
            "recall": metrics.get_metric("recall")(tf.constant([0, 1, 1]), labels),
            "auc": metrics.get_metric("auc")(probabilities, labels),
            "softmax_entropy": metrics.get_metric("softmax_entropy")(probabilities, labels),
            "sigmoid_entropy": metrics.get_metric("sigmoid_entropy")(tf.constant([0.5, 0.5, 0.5]), labels),
            "r2": metrics.get_metric("r2")(tf.constant([0.0, 1.0, 0.5]), labels),
        }
        session.run(tf.local_variables_initializer())
        found = session.run({k: update for k, (_, update) in made.items()})
    np.testing.assert_allclose(found["accuracy"], 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(found["r2"], 1 - 0.25 / (2 / 3), rtol=1e-6)
    assert found["recall"] == 1
    assert found["precision"] == 0.5


def test_operations_that_programs_do_not_call():
    with tf.Graph().as_default(), tf.Session() as session:
        grown = forest.RandomForestGraphs(_params())
        tree, stats = grown.variables[0].tree, grown.variables[0].stats
        params = grown.params.serialized_params_proto.decode("latin-1")
        from millrace.building import raw

        session.run(resources.initialize_resources(resources.shared_resources()))
        session.run(raw.FinalizeTree(tree, stats, params=params))
        assert session.run(raw.TreeIsInitializedOp(tree))
        assert session.run(raw.FertileStatsIsInitializedOp(stats))
        with pytest.raises(tf.errors.InvalidArgumentError, match="Unable to parse"):
            session.run(raw.TreeDeserialize(tree, b"\xff\xff", params=params))
