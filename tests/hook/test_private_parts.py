"""What programs take from private modules and is millrace's own under another name."""

import importlib

import numpy as np
import pytest

import millrace as tf


def _of(module, name):
    return getattr(importlib.import_module(f"millrace.{module}"), name)


@pytest.mark.parametrize(
    ("module", "name", "public"),
    [
        ("python.ops.rnn_cell_impl", "LayerRNNCell", tf.contrib.rnn.LayerRNNCell),
        ("python.ops.rnn_cell_impl", "_LayerRNNCell", tf.contrib.rnn.LayerRNNCell),
        (
            "contrib.learn.python.learn.monitors",
            "ValidationMonitor",
            tf.contrib.learn.monitors.ValidationMonitor,
        ),
        ("contrib.learn.python.learn.datasets.mnist", "read_data_sets", None),
        ("contrib.distributions.python.ops.bijectors", "Affine", tf.contrib.distributions.bijectors.Affine),
        ("python.ops.lookup_ops", "HashTable", tf.lookup.StaticHashTable),
        ("python.framework.dtypes", "float32_ref", tf.float32._as_ref),
        ("python.client.session", "BaseSession", tf.Session.__base__),
        ("python.ops.template", "Template", type(tf.make_template("scope", lambda: 1))),
        ("python.training.monitored_session", "_MonitoredSession", tf.train.MonitoredSession.__base__),
        ("python.keras.layers.merge", "_Merge", tf.keras.layers.Add.__base__),
        ("python.framework.func_graph", "FuncGraph", None),
        ("python.keras.engine.network", "Network", None),
        ("python.feature_column.feature_column_v2", "CategoricalColumn", None),
    ],
)
def test_a_private_path_leads_to_the_public_object(module, name, public):
    found = _of(module, name)
    assert found is public if public is not None else callable(found)


def test_logits_of_a_sample_may_keep_the_expected_counts():
    compute = _of("python.ops.nn_impl", "_compute_sampled_logits")
    arguments = (tf.ones([5, 3]), tf.zeros([5]), tf.constant([[1], [2]]), tf.ones([2, 3]), 2, 5)
    logits, labels = compute(*arguments, subtract_log_q=False)
    with tf.Session() as sess:
        logits, labels = sess.run([logits, labels])
    assert (logits == 3).all() and labels.tolist() == [[1, 0, 0]] * 2


def test_metrics_of_a_program_share_what_those_of_tensorflow_do():
    values, updates = _of("python.ops.metrics_impl", "_confusion_matrix_at_thresholds")(
        tf.constant([1, 0, 1]), tf.constant([0.2, 0.6, 0.9]), [0.1, 0.5]
    )
    total = tf.Variable(4.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    aggregate = _of("python.ops.metrics_impl", "_aggregate_across_replicas")
    halved = aggregate(["mine"], lambda _, x: x / 2, total)
    shown = _of("python.ops.metrics_impl", "_aggregate_variable")(total, None)
    share = _of("python.ops.metrics_impl", "_safe_scalar_div")(tf.constant(3.0), tf.constant(0.0), "share")
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        counts, numbers = sess.run([updates, [halved, shown, share]])
    assert {key: counts[key].tolist() for key in sorted(counts)} == {
        "fn": [0, 1],
        "fp": [1, 1],
        "tn": [0, 0],
        "tp": [2, 1],
    }
    assert numbers == [2, 4, 0] and tf.get_collection("mine") == [halved] and len(values) == 4
    with pytest.raises(ValueError, match="includes"):
        _of("python.ops.metrics_impl", "_confusion_matrix_at_thresholds")([1], [0.5], [0.5], includes=["xy"])


def test_a_variable_scope_alone_leaves_the_names_of_operations():
    scope = _of("python.ops.variable_scope", "_pure_variable_scope")
    with scope("p"):
        assert tf.get_variable("q", [1]).name == "p/q:0" and tf.constant(1).name == "Const:0"
    assert _of("python.ops.variable_scope", "_get_unique_variable_scope")("p") == "p_1"
    assert "p/q" in _of("python.ops.variable_scope", "_get_default_variable_store")()._vars


def test_beams_are_tiled_and_masked():
    beams = "contrib.seq2seq.python.ops.beam_search_decoder"
    tiled = _of(beams, "_tile_batch")(tf.constant([[1.0], [2.0]]), 2)
    masked = _of(beams, "_mask_probs")(tf.zeros([1, 2, 2]), 1, tf.constant([[True, False]]))
    penalty = _of(beams, "_length_penalty")(tf.constant([1, 7]), 1.0)
    with tf.Session() as sess:
        tiled, masked, penalty = sess.run([tiled, masked, penalty])
    assert tiled.tolist() == [[1], [1], [2], [2]] and penalty.tolist() == [1, 2]
    assert masked[0].tolist() == [[np.finfo(np.float32).min, 0], [0, 0]]


def test_gradients_of_one_row_add_up():
    summed = _of("python.training.optimizer", "_deduplicate_indexed_slices")(
        tf.ones([3, 1]), tf.constant([4, 4, 1])
    )
    with tf.Session() as sess:
        values, rows = sess.run(summed)
    assert values.tolist() == [[2], [1]] and rows.tolist() == [4, 1]


def test_constants_of_private_modules_are_those_of_tensorflow():
    assert _of("python.ops.rnn_cell_impl", "_BIAS_VARIABLE_NAME") == "bias"
    assert _of("contrib.layers.python.layers.layers", "DATA_FORMAT_NCHW") == "NCHW"
    assert _of("python.framework.errors", "OUT_OF_RANGE") == tf.errors.OUT_OF_RANGE
    assert "_WEIGHTS_VARIABLE_NAME" in dir(importlib.import_module("millrace.python.ops.rnn_cell_impl"))


def test_a_module_taken_whole_hands_on_what_it_imports():
    names = {}
    exec("from millrace.python.ops.rnn_cell_impl import *", names)
    assert names["LayerRNNCell"] is tf.contrib.rnn.LayerRNNCell and names["math_ops"].tanh is tf.tanh
    assert names["vs"].variable_scope is tf.variable_scope and names["collections"].__name__ == "collections"
    assert "_BIAS_VARIABLE_NAME" not in names and "rnn_cell_impl" not in names


def test_layers_of_a_program_are_given_what_those_of_contrib_are():
    given = importlib.import_module("millrace.contrib.layers.python.layers.utils")
    assert given.two_element_tuple(3) == (3, 3) and given.n_positive_integers(2, [3, 4]) == (3, 4)
    assert given.last_dimension(tf.TensorShape([None, 5])) == 5
    assert given.channel_dimension(tf.TensorShape([None, 3, 5]), "channels_first") == 3
    assert given.get_variable_collections({"weights": ["w"]}, "biases") is None
    assert given.smart_cond(tf.constant(True), lambda: 1, lambda: 2) == 1
    asked = tf.placeholder(tf.bool)
    chosen = given.smart_cond(asked, lambda: tf.zeros([]), lambda: tf.ones([]))
    with tf.Session() as sess:
        assert sess.run(chosen, {asked: False}) == 1
    refused = [
        lambda: given.n_positive_integers(2, [1]),
        lambda: given.two_element_tuple([1]),
        lambda: given.last_dimension(tf.TensorShape([3, None])),
        lambda: given.constant_value(None),
    ]
    for call in refused:
        with pytest.raises(ValueError):
            call()
    rename = _of("contrib.layers.python.layers.layers", "_build_variable_getter")({"kernel": "weights"})
    with tf.Graph().as_default(), tf.variable_scope("s", custom_getter=rename) as scope:
        layer = tf.layers.Dense(2, use_bias=False, _scope=scope, _reuse=False)
        layer.apply(tf.zeros([1, 3]))
        assert [v.name for v in tf.model_variables()] == ["s/weights:0"]
        _of("contrib.layers.python.layers.layers", "_add_variable_to_collections")(
            layer.kernel, ["k"], "weights"
        )
        assert tf.get_collection("k") == [layer.kernel]


def test_recurrent_networks_of_a_program_know_shapes():
    known = _of("python.ops.rnn", "_maybe_tensor_shape_from_tensor")
    assert known(tf.constant([2, 3])).as_list() == [2, 3] and known([4]) == [4]
    assert known(tf.placeholder(tf.int32, [2])).ndims is None
    assert _of("python.ops.init_ops", "_compute_fans")([2, 2, 3, 4]) == (12, 16)


def test_layers_of_a_program_speak_shapes_as_those_of_keras_do():
    @_of("python.keras.utils.tf_utils", "shape_type_conversion")
    def method(layer, input_shape):
        assert layer is None and input_shape in ((None, 2), [(None, 2), (3,)], {"a": (2,)}, None)
        return input_shape

    assert method(None, tf.TensorShape([None, 2])).as_list() == [None, 2]
    assert [s.as_list() for s in method(None, [tf.TensorShape([None, 2]), (3,)])] == [[None, 2], [3]]
    assert method(None, {"a": [2]})["a"].as_list() == [2] and method(None, None) is None

    generic = importlib.import_module("millrace.python.keras.utils.generic_utils")
    assert generic.to_list((1, 2)) == [(1, 2)] and generic.is_all_none([None, None])
    assert generic.has_arg(lambda a: a, "a") and not generic.has_arg(lambda **rest: rest, "a")
    assert generic.has_arg(lambda **rest: rest, "a", accept_all=True)
    rows = np.arange(6)
    assert generic.slice_arrays([rows, None], [0, 2])[0].tolist() == [0, 2]
    assert generic.slice_arrays([rows], 1, 3)[0].tolist() == [1, 2]
    with pytest.raises(ValueError, match="Unknown entries"):
        generic.check_for_unexpected_keys("n", {"a": 1}, ["b"])
    convert = _of("python.keras.backend", "_preprocess_conv2d_input")
    assert convert(tf.zeros([1, 3, 4, 5]), "channels_first")[0].shape.as_list() == [1, 4, 5, 3]


@pytest.mark.parametrize("module", ["python.training.training_ops", "python.training.gen_training_ops"])
def test_updates_of_optimizers_take_their_arguments_in_the_order_of_tensorflow(module):
    var, accum = tf.Variable([1.0, 2.0], use_resource=False), tf.Variable([0.5, 0.5], use_resource=False)
    step = _of(module, "apply_momentum")(var, accum, 0.1, [1.0, -1.0], 0.9, False, True, name="step")
    rows = _of(module, "sparse_apply_adagrad")(var, accum, 0.1, [1.0], [1], update_slots=False)
    assert (step.op.type, step.op.name) == ("ApplyMomentum", "step")
    assert step.op.get_attr("use_nesterov") and not rows.op.get_attr("update_slots")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(
            sess.run(step), [1.0 - 0.1 - 0.1 * 0.9 * 1.45, 2.0 + 0.1 + 0.1 * 0.9 * 0.55]
        )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("contrib.resampler.ops.gen_resampler_ops", "resampler"),
        ("contrib.image.ops.gen_image_ops", "image_projective_transform"),
        ("contrib.seq2seq.ops.gen_beam_search_ops", "gather_tree"),
        ("contrib.text.python.ops.gen_skip_gram_ops", "skip_gram_generate_candidates"),
    ],
)
def test_contrib_has_its_modules_of_generated_operations(module, name):
    assert _of(module, name).__name__ == name


def test_a_function_may_take_its_arguments_by_name_alone():
    @_of("python.util.tf_export", "kwarg_only")
    def scaled(x, factor=2):
        return x * factor

    assert scaled(x=3) == 6 and scaled(factor=3, x=3) == 9
    assert scaled.__name__ == "scaled"
    assert _of("python.util.tf_inspect", "getargspec")(scaled).args == ["x", "factor"]
    with pytest.raises(TypeError, match=r"by name \(x, factor\)"):
        scaled(3)
