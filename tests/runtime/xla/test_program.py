"""Compiled programs: memory taken over, barriers, checks that run first, and the folder of executables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import memory
from millrace.runtime.executable import Executables
from millrace.runtime.foresight import foreseen, repeated
from millrace.runtime.xla import cache as xla_cache

pytestmark = pytest.mark.xla


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Everything is compiled, and nothing falls back to the interpreter unseen."""
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    monkeypatch.setenv("MILLRACE_CACHE", "0")
    with caplog.at_level("INFO", "millrace"):
        yield
    told = [record.getMessage() for record in caplog.get_records("call")]
    assert not [message for message in told if "stays in the interpreter" in message]


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The executables that a test makes, as JAX knows them."""
    from millrace.runtime.xla import program as xla_program

    made = []
    make = xla_program.compiled_for

    def noting(lowered: Any) -> Any:
        made.append(make(lowered))
        return made[-1]

    monkeypatch.setattr(xla_program, "compiled_for", noting)
    return made


def classifier(width: int = 96) -> tuple[Any, ...]:
    """Two layers of one shape with Adam: (feeds, step, loss, variables)."""
    x, y = tf.placeholder(tf.float32, [None, width]), tf.placeholder(tf.int32, [None])
    rng = np.random.RandomState(1)
    w = [tf.Variable((rng.randn(width, width) * 0.1).astype("f")) for _ in range(2)]
    h = tf.nn.relu(tf.matmul(x, w[0]))
    logits = tf.matmul(h, w[1])
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    step = tf.train.AdamOptimizer(0.01).minimize(loss)
    feeds = {x: rng.randn(16, width).astype("f"), y: rng.randint(0, width, 16)}
    return feeds, y, step, loss, w


def entry_copies(text: str, dims: str) -> int:
    """How many copies of arrays of these dimensions the main computation of a program makes."""
    entry = text[text.index("\nENTRY") :]
    return sum(f"f32[{dims}]" in line and " copy(" in line for line in entry.splitlines())


@pytest.mark.parametrize("use_resource", [False, True])
def test_a_variable_that_a_loop_reads_is_no_reason_to_interpret_its_gradient(use_resource: bool) -> None:
    """A handle enters a body from outside; it has no number."""
    w = tf.get_variable("w", initializer=np.eye(3, dtype="f") * 0.5, use_resource=use_resource)
    x = tf.placeholder(tf.float32, [2, 3])
    _, h = tf.while_loop(lambda i, h: i < 4, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w))), (0, x))
    (slope,) = tf.gradients(tf.reduce_sum(h), w)
    value = np.arange(6, dtype="f").reshape(2, 3) / 6
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = sess.run([h, slope], {x: value})
    steps = [value.astype(np.float64)]
    for _ in range(4):
        steps.append(np.tanh(0.5 * steps[-1]))
    back, total = np.ones_like(steps[0]), np.zeros((3, 3))
    for before, after in zip(steps[-2::-1], steps[:0:-1], strict=True):
        back = back * (1 - after**2)
        total += before.T @ back
        back = 0.5 * back
    np.testing.assert_allclose(found[0], steps[-1], rtol=1e-5)
    np.testing.assert_allclose(found[1], total, rtol=1e-5)


def test_variables_keep_their_memory(programs: list[Any]) -> None:
    feeds, _, step, loss, _ = classifier()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        programs.clear()
        sess.run([step, loss], feeds)
        (program,) = programs
        text = program.as_text()
        # two layers, each with weights and Adam's cells, and Adam's powers
        assert text.count("may-alias") + text.count("must-alias") == 8
        assert entry_copies(text, "96,96") == 0
        first = sess.run(loss, feeds)
        for _ in range(20):
            sess.run(step, feeds)
        assert sess.run(loss, feeds) < 0.5 * first


def test_both_tiers_train_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    feeds, _, step, loss, _ = classifier()
    losses = {}
    for tier in ("compile", "interpret"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            losses[tier] = [sess.run([step, loss], feeds)[1] for _ in range(5)]
    np.testing.assert_allclose(losses["compile"], losses["interpret"], rtol=2e-5)


def test_what_was_fetched_stays_as_it_was() -> None:
    feeds, _, step, _, w = classifier()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step, feeds)
        before = sess.run(w[0])
        kept = before.copy()
        sess.run(step, feeds)
        np.testing.assert_array_equal(before, kept)
        assert not np.array_equal(sess.run(w[0]), kept)


def test_arrays_of_the_caller_stay_as_they_were() -> None:
    start = np.ones((64, 64), np.float32)
    v = tf.Variable(start)
    with tf.Session() as sess:
        sess.run(v.initializer)
        for _ in range(3):
            sess.run(v.assign_add(start).op)
        np.testing.assert_array_equal(sess.run(v), np.full((64, 64), 4, np.float32))
    np.testing.assert_array_equal(start, 1)


def test_a_failed_step_leaves_the_variables() -> None:
    feeds, labels, step, _, w = classifier()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step, feeds)
        before = sess.run(w)
        with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be in"):
            sess.run(step, {**feeds, labels: np.full(16, 1000)})
        for a, b in zip(before, sess.run(w), strict=True):
            np.testing.assert_array_equal(a, b)
        sess.run(step, feeds)
        assert not np.array_equal(before[0], sess.run(w[0]))


def test_a_check_of_what_the_program_computes_keeps_the_old_values() -> None:
    v = tf.Variable(np.eye(64, dtype=np.float32))
    update = v.assign(tf.matrix_inverse(v) - tf.eye(64))
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(update)
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(update)
        np.testing.assert_array_equal(sess.run(v), np.zeros((64, 64)))


def test_a_variable_may_change_its_shape() -> None:
    v = tf.Variable(np.ones(2000, np.float32), validate_shape=False)
    x = tf.placeholder(tf.float32)
    grown = tf.assign(v, tf.concat([v, x], 0), validate_shape=False)
    with tf.Session() as sess:
        sess.run(v.initializer)
        for count in range(1, 4):
            assert sess.run(grown, {x: np.zeros(5, np.float32)}).shape == (2000 + 5 * count,)


def test_values_with_many_readers_are_kept(programs: list[Any]) -> None:
    x = tf.placeholder(tf.float32, [5, 256, 256])
    parts = tf.unstack(x)
    total = parts[0] * 2
    for part in parts[1:]:
        total = total + part * 3
    fetches = [tf.matmul(total * k, parts[0]) + total for k in range(1, 5)]
    value = np.random.RandomState(0).randn(5, 256, 256).astype("f")
    with tf.Session() as sess:
        results = sess.run(fetches, {x: value})
    expected = value[0] * 2 + 3 * value[1:].sum(0)
    for k, result in enumerate(results, 1):
        np.testing.assert_allclose(result, expected * k @ value[0] + expected, rtol=1e-4, atol=1e-2)
    if "opt-barrier" not in programs[-1].as_text():
        pytest.skip("this version of XLA removes barriers")


def test_a_chain_through_time_is_not_repeated_at_each_step(programs: list[Any]) -> None:
    steps = 12
    x, w = tf.placeholder(tf.float32, [steps, 32, 64]), tf.placeholder(tf.float32, [64, 64])
    state, states = tf.zeros([32, 64]), []
    for now in tf.unstack(x):  # what each state adds to is used twice more, by the next one and by the output
        state = state * 0.5 + tf.matmul(now, w) * 0.25
        states.append(tf.matmul(state - 1.0, w) * state)
    value, matrix = np.random.RandomState(0).randn(steps, 32, 64).astype("f"), np.eye(64, dtype="f") * 2
    with tf.Session() as sess:
        results = sess.run(states, {x: value, w: matrix})
    expected = np.zeros((32, 64))
    for now, result in zip(value, results, strict=True):
        expected = expected * 0.5 + now * 0.5
        np.testing.assert_allclose(result, (expected - 1) * 2 * expected, rtol=1e-4, atol=1e-5)
    barriers = programs[-1].as_text().count("opt-barrier(")
    if not barriers:
        pytest.skip("this version of XLA removes barriers")
    assert steps // 3 <= barriers <= steps


def test_chains_of_elementwise_steps_have_no_barriers(programs: list[Any]) -> None:
    x = tf.placeholder(tf.float32, [1 << 17])
    z = x
    for _ in range(5):
        z = tf.tanh(z) * 1.1 + 0.1 * x
    with tf.Session() as sess:
        sess.run(tf.gradients(z, x), {x: np.ones(1 << 17)})
    assert "opt-barrier" not in programs[-1].as_text()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_executables_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from jax.experimental import serialize_executable

    from millrace.runtime.xla import executables

    folder = tmp_path / "programs"
    monkeypatch.setenv("MILLRACE_CACHE", str(folder))
    monkeypatch.setattr(executables, "_SLOW_COMPILE", 0)
    loads = []
    load = serialize_executable.deserialize_and_load
    monkeypatch.setattr(
        serialize_executable, "deserialize_and_load", lambda *args: loads.append(1) or load(*args)
    )
    feeds, _, step, loss, _ = classifier()

    def losses() -> list[Any]:
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            return [sess.run([step, loss], feeds)[1] for _ in range(3)]

    first = losses()
    kept = files(folder)
    assert kept and not loads
    assert losses() == first
    assert files(folder) == kept
    assert loads
    for path in folder.iterdir():
        path.write_bytes(b"spoilt")
    assert losses() == first  # compiled and written afresh
    assert all(path.stat().st_size > 100 for path in folder.iterdir())
    monkeypatch.setenv("MILLRACE_CACHE", "off")
    loads.clear()
    assert losses() == first
    assert not loads


def test_the_oldest_files_go_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    monkeypatch.setenv("MILLRACE_CACHE", str(tmp_path))
    monkeypatch.setattr(xla_cache, "_LARGEST", 250 + 2 * 32)
    for k, name in enumerate("abc"):
        xla_cache.save(name, bytes(100))
        if (tmp_path / name).exists():
            os.utime(tmp_path / name, (k, k))
    assert files(tmp_path) == {"b", "c"}
    assert xla_cache.load("a") is None
    assert xla_cache.load("b") == bytes(100)  # used: now the youngest
    xla_cache.save("d", bytes(100))
    assert "b" in files(tmp_path)


def test_a_folder_that_cannot_be_written_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MILLRACE_CACHE", str(tmp_path / "file" / "folder"))
    xla_cache.save("a", b"1")
    assert xla_cache.load("a") is None


def test_programs_are_promoted_at_a_run_that_follows_from_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TIER", "auto")
    made: list[float] = []
    make = Executables._make

    def noting(self: Executables, *args: Any) -> Any:
        form = make(self, *args)
        made.append(form.compile_at)
        return form

    monkeypatch.setattr(Executables, "_make", noting)
    feeds, _, step, loss, _ = classifier(256)
    indices = []
    for _ in range(2):
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            made.clear()
            sess.run([step, loss], feeds)
            indices.append(list(made))
    assert indices[0] == indices[1]
    assert 0 < indices[0][0] < float("inf")
    with tf.Session() as sess, repeated(1_000_000):
        sess.run(tf.global_variables_initializer())
        sess.run([step, loss], feeds)
    assert made[-1] == 0 and foreseen() is None


def test_memory_is_left_alone_when_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_KEEP_MEMORY", "0")
    assert memory.keep_memory.__wrapped__() is False


def test_the_caller_s_own_jax_is_as_before() -> None:
    code = """
import numpy as np, millrace as tf
x = tf.placeholder(tf.float64, [100])
with tf.Session() as sess:
    assert sess.run(x * 2, {x: np.ones(100)}).dtype == np.float64
import jax, jax.numpy as jnp
assert jnp.ones(3).dtype == jnp.float32 and not jax.config.jax_enable_x64
assert jax.config.jax_compilation_cache_dir is None
assert jax.jit(lambda a: a * 2)(np.ones(3)).dtype == jnp.float32
"""
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=True, timeout=300)


def test_convolutions_use_all_cores_where_there_are_many(
    monkeypatch: pytest.MonkeyPatch, programs: list[Any]
) -> None:
    from millrace.dialect.jax import conv as jax_conv
    from millrace.runtime.xla import executables
    from millrace.runtime.xla import native as xla_native

    monkeypatch.setattr(xla_native, "ready", bool)  # XLA's own convolutions are meant
    x, w = tf.placeholder(tf.float32, [8, 14, 14, 32]), tf.placeholder(tf.float32, [5, 5, 32, 16])
    fetches = tf.gradients(tf.nn.conv2d(x, w, [1, 1, 1, 1], "VALID"), [x, w])
    rng = np.random.RandomState(0)
    feeds = {t: rng.randn(*t.shape.as_list()).astype("f") for t in (x, w)}
    results = []
    for many in (False, True):
        for module in (jax_conv, executables):
            monkeypatch.setattr(module, "many_cores", lambda many=many: many)
        with tf.Session() as sess:
            results.append(sess.run(fetches, feeds))
    for few, all_cores in zip(*results, strict=True):
        np.testing.assert_allclose(few, all_cores, rtol=1e-4, atol=1e-3)
    convolutions = [line for line in programs[-1].as_text().splitlines() if " convolution(" in line]
    assert convolutions and programs[-1].as_text() != programs[0].as_text()


def test_uniform_numbers_are_the_interpreter_s_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are brought between bounds, which XLA would round once instead of twice."""
    drawn = [
        tf.random_uniform([1000], -3.0, 7.0, seed=3),
        tf.random_uniform([1000], 0.1, 0.7, tf.float64, seed=3),
        tf.map_fn(lambda _: tf.random_uniform([100], -3.0, 7.0, seed=4), tf.zeros([3])),
    ]
    found = []
    for tier in ("interpret", "compile"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            found.append(sess.run(drawn))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("start", [0, 4], ids=["aligned", "not aligned"])
def test_a_fed_array_may_change_as_soon_as_the_run_is_over(start: int) -> None:
    """Also where nothing is fetched that the run would have to wait for."""
    x = tf.placeholder(tf.float32, [1000, 1000])
    w = tf.Variable(np.eye(1000, dtype="f"))
    total = tf.Variable(np.zeros((1000, 1000), "f"))
    h = x
    for _ in range(4):
        h = tf.matmul(h, w)
    step = total.assign(h + x).op
    room = np.empty(1000 * 1000 + 32, "f")
    first = -room.ctypes.data % 64 // 4 + start
    fed = room[first : first + 1000 * 1000].reshape(1000, 1000)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for value in (1, 2, 3):
            fed[:] = value
            sess.run(step, {x: fed})
            fed[:] = 100
            assert np.unique(sess.run(total)).tolist() == [2 * value]


@pytest.mark.parametrize("count", [2, 300])
def test_what_is_only_read_moves_at_its_second_call(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from millrace.runtime.xla import program as xla_program

    moved: list[Any] = []
    place = xla_program.placed
    monkeypatch.setattr(xla_program, "placed", lambda value: moved.append(value) or place(value))
    x = tf.placeholder(tf.float32, [None, 4])
    eye = np.eye(4, dtype="f")
    w = [tf.Variable(eye) for _ in range(count)]
    y = x
    for each in w:
        y = tf.matmul(y, each) * 0.5
    with tf.Session(config=_interpreting()) as plain, tf.Session() as sess:
        monkeypatch.setenv("MILLRACE_TIER", "interpret")
        for s in (plain, sess):
            s.run(tf.global_variables_initializer())
        monkeypatch.setenv("MILLRACE_TIER", "compile")
        x0 = np.ones([3, 4], "f")
        for wanted in (0, count, count, count):
            np.testing.assert_array_equal(sess.run(y, {x: x0}), plain.run(y, {x: x0}))
            assert len(moved) == wanted
        one = tf.placeholder(tf.float32, [4, 4])
        changes = [w[0].assign(one), tf.scatter_update(w[1], [2], one[:1]), w[0].assign_add(w[1])]
        for value in (np.full([4, 4], 2, "f"), np.zeros([4, 4], "f")):
            for change in changes:
                for s in (plain, sess):
                    s.run(change, {one: value})
                for fetch in (y, w[0], w[1], y, y):
                    np.testing.assert_array_equal(sess.run(fetch, {x: x0}), plain.run(fetch, {x: x0}))


def _interpreting() -> tf.ConfigProto:
    options = tf.OptimizerOptions(global_jit_level=tf.OptimizerOptions.OFF)
    return tf.ConfigProto(graph_options=tf.GraphOptions(optimizer_options=options))


def test_rows_changed_between_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that an interpreted step changes in place, and a program reads."""
    table = tf.Variable(np.zeros([300, 300], "f"))
    change = tf.scatter_add(table, [3, 5], np.ones([2, 300], "f"))
    total = tf.reduce_sum(tf.tanh(tf.matmul(table, table, transpose_b=True)))
    with tf.Session() as sess, tf.Session(config=_interpreting()) as plain:
        for s in (sess, plain):
            s.run(tf.global_variables_initializer())
        for n in range(1, 8):
            monkeypatch.setenv("MILLRACE_TIER", "interpret")
            sess.run(change.op)
            monkeypatch.setenv("MILLRACE_TIER", "compile")
            plain.run(change.op)
            for _ in range(n % 3):
                np.testing.assert_allclose(sess.run(total), plain.run(total), rtol=1e-6)
            assert sess.run(table)[3, 0] == n and sess.run(table)[4, 0] == 0
