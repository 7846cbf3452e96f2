"""What building an operation costs, counted in Python calls: the same on every machine."""

import sys

import millrace as tf


def calls(function):
    """How many Python functions `function` calls."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    function()  # the first time imports the room
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count - 1


def test_a_matmul_takes_at_most_40_calls():
    x = tf.placeholder(tf.float32, [3, 3])
    assert calls(lambda: tf.matmul(x, x)) <= 40


def test_an_operator_with_its_constant_takes_at_most_50_calls():
    x = tf.placeholder(tf.float32, [3, 3])
    assert calls(lambda: x + 1.0) <= 50
