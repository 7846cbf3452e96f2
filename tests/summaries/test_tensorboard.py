"""The real TensorBoard reads what summaries and savers write, and draws it in a real browser."""

from __future__ import annotations

import importlib.util
import io
import itertools
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs TensorBoard"),
]
STEPS = 5

# A program as it was written for TensorFlow 1, plugins of TensorBoard's own included.
PROGRAM = f"""
import sys
import tensorflow as tf
from tensorboard.plugins.custom_scalar import layout_pb2, summary as custom_scalars
from tensorboard.plugins.hparams import api_pb2, summary as hparams
from tensorboard.plugins.pr_curve import summary as pr_curves
from tensorflow.contrib.tensorboard.plugins import projector

x = tf.placeholder(tf.float32, [None, 4], name="x")
with tf.name_scope("layer"), tf.device("/cpu:0"):
    w = tf.Variable(tf.random_normal([4, 3], seed=1), name="w")
    y = tf.matmul(x, w, name="y")
cost = tf.reduce_mean(tf.square(y))
step = tf.train.GradientDescentOptimizer(0.01).minimize(cost)
tf.summary.scalar("cost", cost)
tf.summary.histogram("weights", w)
tf.summary.image("pictures", tf.random_uniform([2, 8, 8, 3], seed=1))
tf.summary.audio("beep", tf.sin(tf.linspace(0.0, 1000.0, 2000))[None], 8000.0)
tf.summary.text("note", tf.constant("**hello** board"))
labels, predictions = tf.constant([True, False, True]), tf.constant([0.9, 0.2, 0.6])
pr_curves.op("curve", labels=labels, predictions=predictions, num_thresholds=11)
merged = tf.summary.merge_all()
chart = layout_pb2.Chart(title="all", multiline=layout_pb2.MultilineChartContent(tag=["cost"]))
layout = layout_pb2.Layout(category=[layout_pb2.Category(title="losses", chart=[chart])])
with tf.Session() as sess, tf.summary.FileWriter(sys.argv[1], sess.graph) as writer:
    sess.run(tf.global_variables_initializer())
    writer.add_summary(custom_scalars.pb(layout))
    writer.add_summary(hparams.session_start_pb({{"rate": 0.1}}))
    for i in range({STEPS}):
        options, metadata = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), tf.RunMetadata()
        _, text = sess.run([step, merged], {{x: [[1, 2, 3, 4]]}}, options=options, run_metadata=metadata)
        writer.add_summary(text, i)
    writer.add_run_metadata(metadata, "last")
    writer.add_summary(hparams.session_end_pb(api_pb2.STATUS_SUCCESS))
    config = projector.ProjectorConfig()
    config.embeddings.add().tensor_name = w.name
    projector.visualize_embeddings(writer, config)
    tf.train.Saver().save(sess, sys.argv[1] + "/model.ckpt")
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a TensorBoard, itself run by millrace, which reads the checkpoint for the projector."""
    folder = tmp_path_factory.mktemp("board")
    program = folder / "program.py"
    program.write_text(PROGRAM)
    run = [sys.executable, "-m", "millrace", "run"]
    subprocess.run([*run, str(program), str(folder / "log")], check=True, timeout=200)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [*run, "-m", "tensorboard.main", "--logdir", str(folder / "log"), "--port", str(port)]
    with open(folder / "output", "w") as output:
        process = subprocess.Popen([*command, "--load_fast=false"], stdout=output, stderr=output)
    address = f"http://localhost:{port}"
    try:
        for _ in range(200):
            if process.poll() is None and asked(f"{address}/data/plugin/scalars/tags"):
                break
            time.sleep(0.5)
        else:
            pytest.fail((folder / "output").read_text())
        yield address
    finally:
        process.terminate()
        process.wait(30)


def asked(address: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON at an address; None where nobody answers yet."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError):
        return None


def plugin(board: str, path: str, body: dict[str, Any] | None = None) -> Any:
    return asked(f"{board}/data/plugin/{path}", body)


def test_scalars_have_every_step(board: str) -> None:
    assert list(plugin(board, "scalars/tags")["."]) == ["cost"]
    points = plugin(board, "scalars/scalars?run=.&tag=cost")
    assert [step for _, step, _ in points] == list(range(STEPS))
    assert all(later[2] < earlier[2] for earlier, later in itertools.pairwise(points))


@pytest.mark.parametrize("kind", ["histograms", "distributions"])
def test_histograms_and_distributions_have_every_step(board: str, kind: str) -> None:
    points = plugin(board, f"{kind}/{kind}?run=.&tag=weights")
    assert [step for _, step, _ in points] == list(range(STEPS))


def test_images_and_sounds_are_shown(board: str) -> None:
    assert set(plugin(board, "images/tags")["."]) == {"pictures/image/0", "pictures/image/1"}
    shown = plugin(board, "images/images?run=.&tag=pictures/image/0&sample=0")
    address = f"{board}/data/plugin/images/individualImage?{shown[-1]['query']}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert Image.open(io.BytesIO(answer.read())).size == (8, 8)
    assert list(plugin(board, "audio/tags")["."]) == ["beep/audio/0"]


def test_text_is_rendered(board: str) -> None:
    texts = plugin(board, "text/text?run=.&tag=note")
    assert "<strong>hello</strong>" in texts[0]["text"]


def test_the_graph_has_names_shapes_and_devices(board: str) -> None:
    with urllib.request.urlopen(f"{board}/data/plugin/graphs/graph?run=.", timeout=60) as answer:
        text = answer.read().decode()
    assert 'name: "layer/y"' in text
    assert "_output_shapes" in text and "size: 4" in text
    assert 'device: "/device:CPU:0"' in text
    assert plugin(board, "graphs/info")["."]["tags"]["last"]["profile"]


def test_plugins_of_tensorboard_itself_write_through_millrace(board: str) -> None:
    curve = plugin(board, "pr_curves/pr_curves?tag=curve/pr_curves&run=.")["."]
    assert len(curve) == STEPS and curve[0]["precision"][0] == pytest.approx(2 / 3)
    assert plugin(board, "custom_scalars/layout")["category"][0]["title"] == "losses"
    assert plugin(board, "hparams/experiment", {"experimentName": ""})["hparamInfos"][0]["name"] == "rate"


def test_the_projector_reads_the_checkpoint(board: str) -> None:
    found = plugin(board, "projector/info?run=.")
    assert found["embeddings"][0]["tensorName"] == "layer/w"
    with urllib.request.urlopen(
        f"{board}/data/plugin/projector/tensor?run=.&name=layer/w", timeout=60
    ) as answer:
        assert np.frombuffer(answer.read(), np.float32).shape == (12,)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_draws_each_page(board: str, tmp_path: pathlib.Path) -> None:
    seen: dict[str, np.ndarray] = {}
    for page in ("scalars", "images", "graphs", "distributions", "histograms", "text", "projector"):
        shot = tmp_path / f"{page}.png"
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000"]
        command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,700"]
        subprocess.run([*command, f"--screenshot={shot}", f"{board}/#{page}"], check=True, timeout=120)
        with Image.open(shot) as image:
            seen[page] = np.asarray(image.convert("RGB"), np.float32)[80:, 280:]  # beside the menus
        assert seen[page].std() > 10, f"{page} is empty"
    for one, other in itertools.combinations(seen, 2):
        assert not np.array_equal(seen[one], seen[other])
