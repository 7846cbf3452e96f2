"""`RunConfig`: what TF_CONFIG says of a cluster, and what is refused."""

import json

import pytest

import millrace as tf

CLUSTER = {"chief": ["h0:1"], "worker": ["h1:1", "h2:1"], "ps": ["p0:1"]}


@pytest.fixture
def configured(monkeypatch):
    """A RunConfig made under some TF_CONFIG."""

    def made(described, **arguments):
        text = described if isinstance(described, str) else json.dumps(described)
        monkeypatch.setenv("TF_CONFIG", text)
        return tf.estimator.RunConfig(**arguments)

    return made


@pytest.mark.parametrize(
    ("kind", "number", "place", "master", "filters"),
    [
        ("chief", 0, 0, "grpc://h0:1", ["/job:ps", "/job:chief"]),
        ("worker", "1", 2, "grpc://h2:1", ["/job:ps", "/job:worker/task:1"]),
        ("ps", 0, 3, "grpc://p0:1", ["/job:ps", "/job:worker", "/job:chief", "/job:master"]),
    ],
)
def test_the_place_of_a_task(configured, kind, number, place, master, filters):
    config = configured({"cluster": CLUSTER, "task": {"type": kind, "index": number}})
    assert (config.task_type, config.task_id, config.global_id_in_cluster) == (kind, int(number), place)
    assert (config.num_ps_replicas, config.num_worker_replicas) == (1, 3)
    assert config.is_chief == (kind == "chief")
    assert config.master == master
    assert list(config.session_config.device_filters) == filters
    assert config.cluster_spec == tf.train.ClusterSpec(CLUSTER)


def test_an_evaluator_is_no_part_of_the_cluster(configured):
    config = configured({"cluster": CLUSTER, "task": {"type": "evaluator", "index": 0}})
    assert not config.is_chief
    assert config.global_id_in_cluster is None
    assert config.cluster_spec.as_dict() == {}
    assert config.session_config is None


def test_targets_may_be_given(configured):
    alone = configured({"session_master": "a", "eval_session_master": "b"})
    assert (alone.master, alone.evaluation_master) == ("a", "b")
    task = {"type": "worker", "index": 0}
    one = configured({"cluster": CLUSTER, "task": task, "session_master": "", "service": {"x": 1}})
    assert (one.master, one.service) == ("", {"x": 1})


@pytest.mark.parametrize(
    ("described", "error", "words"),
    [
        ("", ValueError, "Expecting value"),
        ([], TypeError, "dictionaries"),
        ({"task": "x"}, TypeError, "dictionaries"),
        ({"service": 1}, TypeError, "service"),
        ({"cluster": "x"}, TypeError, "must be a dictionary"),
        ({"cluster": {"chief": "c:1"}}, TypeError, "must be a list or a dictionary"),
        ({"task": {"type": "ps"}}, ValueError, "must be WORKER"),
        ({"task": {"index": 1}}, ValueError, "must be 0"),
        ({"cluster": CLUSTER}, ValueError, "task type must be set"),
        ({"cluster": CLUSTER, "task": {"type": "chief"}}, ValueError, "task index must be set"),
        ({"cluster": CLUSTER, "task": {"type": "ps", "index": -1}}, ValueError, "non-negative"),
        ({"cluster": CLUSTER, "task": {"type": "ps", "index": 1}}, ValueError, "1 is not a valid task_id"),
        ({"cluster": CLUSTER, "task": {"type": "x", "index": 0}}, ValueError, "x is not a valid task_type"),
        ({"cluster": {"worker": ["h:1"]}}, ValueError, 'one "chief" node'),
        ({"cluster": {"chief": ["a:1", "b:1"]}}, ValueError, 'only one "chief" node'),
        ({"cluster": {"chief": ["a:1"], "master": ["b:1"]}}, ValueError, "job `chief` is not supported"),
        ({"cluster": {"master": ["b:1"]}, "task": {"type": "evaluator"}}, ValueError, "`evaluator` is not"),
    ],
)
def test_refused_environments(configured, described, error, words):
    with pytest.raises(error, match=words):
        configured(described)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device_fn", 1),
        ("device_fn", lambda x: "/cpu:0"),
        ("experimental_max_worker_delay_secs", 1.5),
        ("tf_random_seed", "a"),
        ("session_creation_timeout_secs", 0),
    ],
)
def test_refused_arguments(name, value):
    with pytest.raises(ValueError, match=name):
        tf.estimator.RunConfig(**{name: value})
    with pytest.raises(ValueError, match=name):
        tf.estimator.RunConfig().replace(**{name: value})


def test_properties_are_read_only():
    config = tf.estimator.RunConfig(save_checkpoints_steps=5)
    with pytest.raises(AttributeError, match="model_dir"):
        config.model_dir = "x"
    assert config.replace(save_checkpoints_secs=7).save_checkpoints_steps is None
    assert config.replace(save_checkpoints_secs=None).save_checkpoints_steps == 5


@pytest.mark.parametrize("changed", ["train", "export_savedmodel", "params"])
def test_subclasses_do_not_override(changed):
    kind = type("Mine", (tf.estimator.Estimator,), {changed: lambda self: None, "more": 1})
    with pytest.raises(ValueError, match=f"does override \\['{changed}'\\]"):
        kind(lambda features: None)
    own = type("Mine", (tf.estimator.Estimator,), {"model_fn": lambda self: None, "more": 1})
    assert own(lambda features: None).more == 1
