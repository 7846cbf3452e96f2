"""`tf.config`: what is kept is given back; what does not exist is refused."""

import pytest

import millrace as tf
from millrace.lib.platform import config


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    for name, value in vars(config._Settings).items():
        if not name.startswith("__"):
            monkeypatch.setattr(config._Settings, name, value)


@pytest.mark.parametrize(
    ("space", "name", "first", "then"),
    [
        (tf.config.threading, "inter_op_parallelism_threads", 0, 3),
        (tf.config.threading, "intra_op_parallelism_threads", 0, 2),
        (tf.config, "soft_device_placement", False, True),
        (tf.config.optimizer, "jit", False, True),
        (tf.config.experimental, "synchronous_execution", True, False),
        (tf.config.experimental, "device_policy", "silent", "warn"),
        (tf.debugging, "log_device_placement", False, True),
    ],
)
def test_settings_are_kept(space, name, first, then):
    assert getattr(space, "get_" + name)() == first
    getattr(space, "set_" + name)(then)
    assert getattr(space, "get_" + name)() == then


def test_options_of_optimizers():
    tf.config.optimizer.set_experimental_options({"remapping": True, "unknown": 1})
    kept = tf.config.optimizer.get_experimental_options()
    assert kept == {"remapping": True, "disable_model_pruning": False, "disable_meta_optimizer": False}


def test_devices():
    (cpu,) = tf.config.experimental.list_physical_devices("CPU")
    assert cpu.name == "/physical_device:CPU:0" and cpu.device_type == "CPU"
    name = tf.config.experimental.list_logical_devices("CPU")[0].name
    assert name == "/job:localhost/replica:0/task:0/device:CPU:0" == tf.config.experimental_list_devices()[0]
    assert cpu in tf.config.experimental.get_visible_devices()
    tf.config.experimental.set_visible_devices([], "CPU")
    assert tf.config.experimental.get_visible_devices("CPU") == []
    tf.config.experimental.set_virtual_device_configuration(
        cpu, [tf.config.experimental.VirtualDeviceConfiguration()] * 2
    )
    assert len(tf.config.experimental.get_virtual_device_configuration(cpu)) == 2
    assert tf.config.experimental.get_memory_growth(cpu) is False
    tf.config.experimental_run_functions_eagerly(True)


def test_what_is_not_there_is_refused():
    (cpu,) = tf.config.experimental.list_physical_devices("CPU")
    with pytest.raises(ValueError, match="non-GPU"):
        tf.config.experimental.set_memory_growth(cpu, True)
    with pytest.raises(ValueError, match="policy"):
        tf.config.experimental.set_device_policy("loud")
    with pytest.raises(ValueError, match="Unrecognized"):
        tf.config.experimental.get_memory_growth(config.PhysicalDevice("/physical_device:GPU:99", "GPU"))
    with pytest.raises(ValueError, match="Unrecognized"):
        tf.config.experimental.set_visible_devices(cpu, "GPU")
    limited = tf.config.experimental.VirtualDeviceConfiguration(memory_limit=1)
    with pytest.raises(ValueError, match="limit"):
        tf.config.experimental.set_virtual_device_configuration(cpu, [limited])
