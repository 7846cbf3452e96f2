"""`tf.CriticalSection`: what one section executes is ordered as a whole."""

import pytest

import millrace as tf


def test_sections_exclude_each_other():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        v = tf.get_variable("v", [], initializer=tf.zeros_initializer(), use_resource=True)
        section = tf.CriticalSection(name="guard")

        def doubled_and_one():
            with tf.control_dependencies([v.assign(v.read_value() * 2)]):
                return v.assign_add(1.0)

        results = [section.execute(doubled_and_one) for _ in range(3)]
        assert section.name == "guard"
        assert results[1].name == "critical_section_execute_1/Identity_2:0"
        types = {op.type for op in graph.get_operations()}
        assert {"MutexV2", "MutexLock", "ConsumeMutexLock"} <= types
        session.run(tf.global_variables_initializer())
        assert session.run(results) == [1.0, 3.0, 7.0]
        assert session.run(v) == 7.0


def test_structures_and_refusals():
    with tf.Graph().as_default(), tf.Session() as session:
        section = tf.CriticalSection(shared_name="shared")
        nested = section.execute(lambda: {"a": tf.constant(1), "b": [tf.constant(2)]}, name="inner")
        assert session.run(nested) == {"a": 1, "b": [2]}
        with pytest.raises(ValueError, match="same section"):
            section.execute(lambda: section.execute(lambda: tf.constant(1)))
        with pytest.raises(ValueError, match="mutually exclusive"):
            tf.CriticalSection(name="a", critical_section_def=object())
        with pytest.raises(NotImplementedError):
            tf.CriticalSection(critical_section_def=object())


def test_variables_of_one_section_alone():
    v = tf.get_variable("v", initializer=1.0, use_resource=True)
    one, other = tf.CriticalSection(name="one"), tf.CriticalSection()
    one.execute(lambda: v.assign_add(1.0), exclusive_resource_access=False)
    other.execute(lambda: v.assign_add(1.0), exclusive_resource_access=False)
    assert [s.name for s in tf.get_collection("critical_sections")] == ["one", "CriticalSection"]
    assert len(tf.get_collection("critical_section_executions")) == 2
    one.execute(lambda: tf.constant(1.0))
    with pytest.raises(ValueError, match="exclusive_resource_access=False"):
        one.execute(lambda: v.assign_add(1.0))
    with pytest.raises(ValueError, match="exclusive_resource_access=False"):
        tf.CriticalSection(name="third").execute(lambda: v.read_value())
