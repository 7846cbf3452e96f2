"""Profiles: parameters and operations on numbers by scope and type, what options leave out, measured runs."""

import numpy as np
import pytest

import millrace as tf
from millrace.training.profiling.counting import float_ops

BUILDER = tf.profiler.ProfileOptionBuilder


def network():
    with tf.variable_scope("net"):
        x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
        hidden = tf.layers.flatten(tf.layers.conv2d(x, 4, 3, name="c"))
        return x, tf.layers.dense(hidden, 5, name="d")


def silent(options):
    return BUILDER(options).with_empty_output().build()


def test_parameters_by_scope(capsys):
    network()
    found = tf.profiler.profile(options=BUILDER.trainable_variables_parameter())
    assert found.total_parameters == 837 and found.name == "_TFProfRoot"
    (net,) = found.children
    assert [(c.name, c.total_parameters) for c in net.children] == [("net/c", 112), ("net/d", 725)]
    text = capsys.readouterr().out
    assert "net/c/kernel (3x3x3x4, 108/108 params)" in text
    assert "    net/d (--/725 params)" in text


def test_operations_on_numbers_by_scope_and_type():
    network()
    by_scope = tf.profiler.profile(options=silent(BUILDER.float_operation()))
    assert by_scope.total_float_ops == 1658  # of the initializers; what depends on the batch is not known
    assert by_scope.children[0].name == "net/d/kernel/Initializer/random_uniform"
    by_type = tf.profiler.profile(cmd="op", options=silent(BUILDER.float_operation()))
    assert by_type.total_float_ops == 1658
    assert {child.name: child.float_ops for child in by_type.children} == {"Add": 828, "Mul": 828, "Sub": 2}
    assert by_type.children[0].graph_nodes[0].float_ops > 0


def test_what_options_leave_out():
    network()
    options = silent(BUILDER.trainable_variables_parameter())
    assert not tf.profiler.profile(options=BUILDER(options).with_max_depth(1).build()).children
    shallow = tf.profiler.profile(options=BUILDER(options).with_max_depth(2).build())
    assert [c.name for c in shallow.children] == ["net"] and not shallow.children[0].children
    assert shallow.total_parameters == 0  # totals are of what is shown
    whole = BUILDER(options).with_max_depth(1).account_displayed_op_only(False).build()
    assert tf.profiler.profile(options=whole).total_parameters == 837
    hidden = BUILDER(options).with_node_names(hide_name_regexes=[".*bias"]).build()
    assert tf.profiler.profile(options=hidden).total_parameters == 828
    trimmed = BUILDER(options).with_node_names(trim_name_regexes=["net/d"]).build()
    assert tf.profiler.profile(options=trimmed).total_parameters == 112
    started = BUILDER(options).with_node_names(start_name_regexes=["net/d.*"]).build()
    assert [c.name for c in tf.profiler.profile(options=started).children] == ["net/d"]
    large = BUILDER(options).with_min_parameters(100).build()
    assert {c.name for c in tf.profiler.profile(options=large).children} == {"net/c/kernel", "net/d/kernel"}
    typed = BUILDER(options).with_accounted_types(["Conv2D"]).build()
    assert tf.profiler.profile(options=typed).total_parameters == 0


def test_a_traced_run_has_times(tmp_path):
    x, y = network()
    profiler = tf.profiler.Profiler(tf.get_default_graph())
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(2):
            options, metadata = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), tf.RunMetadata()
            sess.run(y, {x: np.zeros([2, 8, 8, 3])}, options=options, run_metadata=metadata)
            profiler.add_step(step, metadata)
    path = tmp_path / "report"
    wanted = BUILDER(BUILDER.time_and_memory()).with_file_output(str(path)).with_step(1).build()
    assert profiler.profile_operations(wanted).total_exec_micros > 0
    assert "Conv2D" in path.read_text()
    assert profiler.profile_name_scope(silent(BUILDER.time_and_memory(0, 0))).total_exec_micros > 0


def test_flops_of_operations_are_tensorflows():
    a, b = tf.ones([4, 6]), tf.ones([6, 5])
    images, filters = tf.ones([2, 8, 8, 3]), tf.ones([3, 3, 3, 4])
    convolved = tf.nn.conv2d(images, filters, strides=[1, 1, 1, 1], padding="SAME")
    pooled = tf.nn.max_pool(images, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    expected = {
        tf.matmul(a, b): 240,
        tf.reduce_mean(a, 0): 24,
        tf.reduce_sum(a, 1): 20,
        tf.squared_difference(a, a): 48,
        tf.nn.l2_loss(a): 71,
        tf.nn.softmax(a): 120,
        tf.add_n([a, a, a]): 48,
        tf.nn.relu(a): 0,
        convolved: 27648,
        tf.gradients(convolved, filters)[0]: 27648,
        pooled: 864,
        tf.gradients(pooled, images)[0]: 960,
    }
    assert {tensor.op.type: float_ops(tensor.op) for tensor in expected} == {
        tensor.op.type: count for tensor, count in expected.items()
    }


def test_refusals():
    with pytest.raises(ValueError, match="'tree'"):
        tf.profiler.profile(cmd="tree")
    with pytest.raises(ValueError, match="pprof:"):
        tf.profiler.profile(options=BUILDER().with_pprof_output("x").build())


def test_the_older_name(capsys):
    network()
    analyzer = tf.contrib.tfprof.model_analyzer
    options = analyzer.TRAINABLE_VARS_PARAMS_STAT_OPTIONS
    assert (
        analyzer.print_model_analysis(tf.get_default_graph(), tfprof_options=options).total_parameters == 837
    )
    assert "837" in capsys.readouterr().out
