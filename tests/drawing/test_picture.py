"""Pictures: well-formed, self-contained, small for big graphs, and showing what they should."""

import base64
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib

import pytest

import millrace as tf
from millrace.drawing import picture

SVG = "{http://www.w3.org/2000/svg}"


def labels(text):
    found = ElementTree.fromstring(text).iter(f"{SVG}text")
    return ["".join([e.text or "", *(inner.tail or "" for inner in e)]) for e in found]


def images(page):
    """The SVG documents of a page's images."""
    return [base64.b64decode(data).decode() for data in re.findall(r'svg\+xml;base64,([^"]*)"', page)]


def two_layers():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    for layer in ("one", "two"):
        with tf.name_scope(layer):
            x = tf.identity(tf.matmul(x, tf.zeros([3, 3], name="w")) + 1.0, name="y")
    return x


def scopes(count, size):
    for i in range(count):
        with tf.name_scope(f"s{i}"):
            x = tf.zeros([2])
            for _ in range(size):
                x = tf.identity(x)


def test_every_node_and_scope_of_a_small_graph_is_labelled():
    two_layers()
    shown = labels(picture.svg(tf.get_default_graph()))
    for label in ("x", "one", "two", "MatMul", "add", "y", "w"):
        assert label in shown
    assert any("?\u00d73" in text for text in shown)
    assert any("y = 1.0" in text for text in shown)
    assert "add/y" not in shown


def test_nothing_comes_from_outside_and_what_an_untrusted_notebook_keeps_has_no_script():
    two_layers()
    graph = tf.get_default_graph()
    shown = picture.html(graph)
    untrusted = re.sub(r"<(script|style)>.*?</\1>", "", shown, flags=re.S)
    for text in (picture.svg(graph), untrusted, *images(shown)):
        assert not re.search(r"<script|<link|href=|url\(|<foreignObject", text)
        assert set(re.findall(r"https?://[^\"]*", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link|href=|url\(|https?:|import\(", shown)


def test_notebooks_keep_the_picture_as_an_image_that_fits():
    two_layers()
    scopes(12, 30)
    page = tf.get_default_graph()._repr_html_()
    assert "<svg" not in page  # stripped from outputs that a notebook does not trust
    found = images(page)
    assert len(found) == 1 + page.count("<details")
    assert "MatMul" in labels(found[0])
    for text in found:
        assert float(re.search(r'width="(\d+)', text)[1]) <= 900
        assert "prefers-color-scheme: dark" in text


def test_equal_scopes_open_alike():
    for i in range(6):
        with tf.name_scope(f"block{i}"), tf.name_scope("conv2d"):
            x = tf.zeros([2])
            for _ in range(6):
                x = tf.identity(x)
    shown = labels(picture.svg(tf.get_default_graph(), limit=30))
    assert sum("operations" in text for text in shown) in (0, 6)
    assert shown.count("zeros") in (0, 6)


def test_labels_never_cut_a_shape():
    x = tf.placeholder(tf.float32, [None, 128, 128, 64], name="x")
    tf.space_to_batch_nd(x, [1, 1], [[0, 0], [0, 0]], name="a_long_name_of_an_operation")
    shown = labels(picture.svg(tf.get_default_graph()))
    assert any(text.endswith("float32 ?\u00d7128\u00d7128\u00d764") for text in shown)
    assert not [text for text in shown if "\u00d7" in text and "\u2026" in text]


def test_names_are_escaped():
    tf.constant("<b>&", name="a>b")
    root = ElementTree.fromstring(picture.svg(tf.get_default_graph()))
    assert "a>b" in [e.text for e in root.iter(f"{SVG}text")]


def test_big_graphs_are_folded():
    scopes(30, 40)
    graph = tf.get_default_graph()
    text = picture.svg(graph)
    assert len(labels(text)) < 100
    assert "41 operations" in labels(text)
    page = picture.html(graph)
    assert page.count("<details") == 30
    assert "1230 operations" in page
    assert len(page) < 3_000_000


def test_hovering_tells_type_inputs_and_place():
    y = two_layers()
    text = picture.svg(tf.get_default_graph())
    assert "two/y  (Identity)" in text
    assert "in: two/add:0" in text
    assert re.search(r"created at test_picture.py:\d+", text)
    assert y.op.user_location.startswith("test_picture.py")


def test_a_node_that_takes_from_very_many_has_a_note_instead_of_edges():
    scopes(12, 1)
    with tf.control_dependencies(tf.get_default_graph().get_operations()):
        tf.no_op(name="all")
    assert any("from 12 nodes" in text for text in labels(picture.svg(tf.get_default_graph(), limit=13)))


def test_scopes_that_take_from_each_other_are_drawn():
    with tf.name_scope("a"):
        first = tf.constant(1.0, name="first")
    with tf.name_scope("b"):
        second = tf.identity(first, name="second")
    with tf.name_scope("a/"):
        tf.identity(second, name="third")
    for limit in (1, 40):
        assert "b" in labels(picture.svg(tf.get_default_graph(), limit))


@pytest.mark.parametrize("build", [lambda: None, lambda: tf.no_op()])
def test_the_smallest_graphs(build):
    build()
    ElementTree.fromstring(picture.svg(tf.get_default_graph()))
    assert "Graph" in tf.get_default_graph()._repr_html_()


def test_the_command_draws_what_a_script_leaves(tmp_path):
    script = tmp_path / "model.py"
    script.write_text(
        "import sys\nimport tensorflow as tf\ntf.constant(1.0, name=sys.argv[1])\nsys.exit(3)\n"
    )
    output = tmp_path / "out.svg"
    command = [sys.executable, "-m", "millrace", "graph", "-o", str(output), str(script), "mine"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 3, ran.stderr
    assert "mine" in labels(output.read_text())
    script.write_text("pass\n")
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "leaves no operations" in ran.stderr


def test_every_closed_scope_has_a_picture_in_which_it_is_open():
    for i in range(3):
        with tf.name_scope(f"outer_{i}"), tf.name_scope("inner"):
            for k in range(50):
                tf.constant(k, name=f"c_{k}")
    page = picture.page(tf.get_default_graph(), 10)
    packed = json.loads(re.search(r'getElementById\("graph"\), (\{.*?\}), true', page)[1])
    drawn = {name: zlib.decompress(base64.b64decode(text)).decode() for name, text in packed.items()}
    closed = {name for text in drawn.values() for name in re.findall(r'data-scope="([^"]*)"', text)}
    assert closed and closed | {""} == set(drawn)
    assert all(f'data-open="{name}"' in text for name, text in drawn.items() if name)
