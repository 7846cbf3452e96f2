"""Resolvers of clusters."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

import millrace as tf

R = tf.contrib.cluster_resolver
SPEC = {"worker": ["a:1", "b:2"], "ps": ["c:3"]}


def test_a_known_cluster():
    cluster = tf.train.ClusterSpec(SPEC)
    found = R.SimpleClusterResolver(cluster, master="m:1", task_type="ps", task_id=0, rpc_layer="grpc")
    assert found.cluster_spec() is cluster
    assert found.master() == "grpc://m:1"
    assert found.master("worker", 1) == "grpc://b:2"
    assert R.SimpleClusterResolver(cluster, num_accelerators={"GPU": 2}).num_accelerators() == {"GPU": 2}
    assert isinstance(found.num_accelerators(), dict)
    assert found.environment == ""
    with pytest.raises(TypeError, match="ClusterSpec"):
        R.SimpleClusterResolver(SPEC)
    with pytest.raises(TypeError):
        R.ClusterResolver()


def test_the_environment(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": SPEC, "task": {"type": "worker", "index": 1}}))
    found = R.TFConfigClusterResolver()
    assert (found.task_type, found.task_id, found.rpc_layer) == ("worker", 1, "grpc")
    assert found.cluster_spec().as_dict() == SPEC
    assert found.master() == "grpc://b:2"
    assert found.environment is None
    assert R.TFConfigClusterResolver(environment="test").environment == "test"
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert R.TFConfigClusterResolver().master() == ""


def test_several_as_one():
    first = R.SimpleClusterResolver(tf.train.ClusterSpec({"worker": ["a:1"]}), master="a:1")
    second = R.SimpleClusterResolver(tf.train.ClusterSpec({"worker": ["b:2"], "ps": {7: "c:3"}}))
    both = R.UnionClusterResolver(first, second)
    assert both.cluster_spec().as_dict() == {"worker": ["a:1", "b:2"], "ps": {7: "c:3"}}
    assert both.master() == "a:1"
    assert both.master("worker", 1) == "b:2"
    third = R.SimpleClusterResolver(tf.train.ClusterSpec({"ps": {7: "d:4"}}))
    with pytest.raises(KeyError, match="ps"):
        R.UnionClusterResolver(second, third).cluster_spec()
    with pytest.raises(ValueError, match="At least one"):
        R.UnionClusterResolver()
    with pytest.raises(TypeError):
        R.UnionClusterResolver(1)


def test_slurm(monkeypatch):
    for name, value in (("PROCID", "3"), ("NTASKS", "4"), ("NNODES", "2"), ("JOB_NODELIST", "n[01-02]")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = R.SlurmClusterResolver({"ps": 1, "worker": 3})
    assert found.cluster_spec().as_dict() == {
        "ps": ["n01:8888"],
        "worker": ["n01:8889", "n02:8888", "n02:8889"],
    }
    assert found.get_task_info() == ("worker", 2)
    assert found.master() == "grpc://n02:8889"
    with pytest.raises(RuntimeError, match="4 tasks"):
        R.SlurmClusterResolver({"ps": 1})


def test_tpus(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    monkeypatch.delenv("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS", raising=False)
    found = R.TPUClusterResolver("grpc://1.2.3.4:8470", coordinator_address="5.6.7.8:1")
    assert found.master() == found.get_master() == "grpc://1.2.3.4:8470"
    assert found.cluster_spec().as_dict() == {"worker": ["1.2.3.4:8470"], "coordinator": ["5.6.7.8:1"]}
    assert found.get_job_name() == "worker"
    local = R.TPUClusterResolver("")
    assert local.master() == ""
    assert local.cluster_spec().as_dict() == {}
    with pytest.raises(ImportError, match="Google's cloud"):
        R.TPUClusterResolver("my-tpu")
    with pytest.raises(ValueError, match="TPU Name"):
        R.TPUClusterResolver()


def test_clients_are_needed_and_asked():
    with pytest.raises(ImportError, match="service"):
        R.GCEClusterResolver("p", "z", "g", 1)
    with pytest.raises(ImportError, match="override_client"):
        R.KubernetesClusterResolver()
    pods = [
        SimpleNamespace(
            metadata=SimpleNamespace(name=name),
            status=SimpleNamespace(phase="Running", host_ip=f"10.0.0.{name}"),
        )
        for name in "21"
    ]
    client = SimpleNamespace(list_pod_for_all_namespaces=lambda label_selector: SimpleNamespace(items=pods))
    found = R.KubernetesClusterResolver(override_client=client)
    assert found.cluster_spec().as_dict() == {"worker": ["10.0.0.1:8470", "10.0.0.2:8470"]}
    assert found.master("worker", 0) == "grpc://10.0.0.1:8470"
    pods[0].status.phase = "Pending"
    with pytest.raises(RuntimeError, match="not running"):
        found.cluster_spec()
