"""What `millrace tour` tells: chapters of steps, each with a few sentences and the code that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One stop of the tour.

    Attributes:
      text: what to know, before the code; rich markup.
      code: Python, run in the namespace that all steps share. The value of a last expression is shown.
      after: what to see in the result.
      fails: the name of the exception that the code is there to show; "" for none.
    """

    text: str
    code: str
    after: str = ""
    fails: str = ""


@dataclass(frozen=True)
class Chapter:
    """Steps under one title."""

    title: str
    steps: tuple[Step, ...]


CHAPTERS = (
    Chapter(
        "Operations",
        (
            Step(
                "Programs here have two parts. The first writes a computation down, as a [b]graph[/b]; the "
                "second runs it. There is always a default graph to write into, and it starts empty.",
                """
import millrace as tf

graph = tf.get_default_graph()
graph.get_operations()
""",
            ),
            Step(
                "Each call adds [b]operations[/b], the nodes of the graph. What you get back is a "
                "[b]tensor[/b]: a name for the value that will travel along an edge. It knows a shape and a "
                "dtype, but no number.",
                """
pi = tf.constant(3.14)
root = tf.constant(1.414)
total = tf.add(pi, root)
total
""",
                "[b]Add:0[/b] reads: output 0 of the operation [b]Add[/b]. Nothing has been added up so far.",
            ),
        ),
    ),
    Chapter(
        "Sessions",
        (
            Step(
                "A [b]session[/b] runs a graph. Ask for a tensor and it computes what that tensor needs, no "
                "more, and it remembers no result: the next run computes everything again.",
                """
sess = tf.Session()
sess.run(total)
""",
            ),
            Step(
                "So ask for everything at once. Fetches may be lists, tuples, dicts, and these inside each "
                "other; the answer has the shape of the question.",
                """
sess.run({"parts": [pi, root], "all": (pi, root, total)})
""",
            ),
        ),
    ),
    Chapter(
        "Placeholders",
        (
            Step(
                "A constant says the same in each run. A [b]placeholder[/b] waits for a value that you "
                "feed. Without a declared shape it takes a number, a list or a whole matrix.",
                """
a = tf.placeholder(tf.float32)
b = tf.placeholder(tf.float32)
either = a + b
print(sess.run(either, {a: 1, b: 2}))
print(sess.run(either, {a: [1, 2], b: [10, 20]}))
print(sess.run(either, {a: [[1], [2]], b: [10, 20, 30]}))
""",
                "The third one broadcast a column over a row, by NumPy's rules.",
            ),
            Step(
                "Fed values last for one run. Leave one out and you are told which.",
                """
sess.run(either, {a: 1})
""",
                "Errors name the operation and the line of [i]your[/i] program that made it.",
                fails="InvalidArgumentError",
            ),
            Step(
                "Python's operators work on tensors, and each adds an operation. A long formula is a small "
                "graph.",
                """
distance = tf.sqrt(a * a + b * b)
sess.run(distance, {a: [3, 5, 8], b: [4, 12, 15]})
""",
            ),
        ),
    ),
    Chapter(
        "Variables",
        (
            Step(
                "The graph has become crowded. This replaces the default graph by an empty one; the old "
                "graph goes when nobody holds it any more. In the new one, a [b]variable[/b]: a value that "
                "outlives a run.",
                """
sess.close()
tf.reset_default_graph()

x = tf.Variable(42)
x
""",
                "One line, four operations: the initial value, the storage itself (its output is a "
                "[i]reference[/i], [b]int32_ref[/b]), an assignment that brings the two together, and a "
                "read.",
            ),
            Step(
                "The numbers live in the session, not in the graph, and this session has none for it so far.",
                """
one = tf.Session()
two = tf.Session()
one.run(x)
""",
                "Somebody has to run the assignment first. It is at hand as [b]x.initializer[/b].",
                fails="FailedPreconditionError",
            ),
            Step(
                "Running an operation for its effect gives None. Then the two sessions go separate ways.",
                """
more = tf.assign_add(x, 1)
print(one.run(x.initializer), two.run(x.initializer))
print(one.run(more), one.run(more))
print("session one holds", one.run(x), "and session two", two.run(x))
one.close()
two.close()
""",
            ),
        ),
    ),
    Chapter(
        "Gradients are more graph",
        (
            Step(
                "A graph remembers how each value comes about, so its derivatives can be written down as "
                "well. First something to differentiate.",
                """
tf.reset_default_graph()
a = tf.constant(5, name="a")
b = tf.constant(7, name="b")
y = a + 2 * b
y
""",
            ),
            Step(
                "Now [b]tf.gradients[/b] walks from y back to b and adds, for each operation on the way, "
                "the ones that compute its derivative. No numbers move here either.",
                """
dy_db = tf.gradients(y, b)
dy_db
""",
                "General machinery for a simple sum: [b]BroadcastGradientArgs[/b], [b]Sum[/b] and "
                "[b]Reshape[/b] would undo broadcasting, had there been any. Planning a run removes what a "
                "run does not need.",
            ),
            Step(
                "Ask for several derivatives at once, or give several y: their derivatives are added up.",
                """
z = a * b + b
sess = tf.Session()
print("dy/da, dy/db    ", sess.run(tf.gradients(y, [a, b])))
print("dz/da, dz/db    ", sess.run(tf.gradients(z, [a, b])))
print("of y and z both ", sess.run(tf.gradients([y, z], [a, b])))
sess.close()
""",
            ),
        ),
    ),
    Chapter(
        "Going downhill",
        (
            Step(
                "To make a loss small, step against its derivative, again and again. By hand: a loss, its "
                "derivative, and an assignment that moves x a tenth of the way.",
                """
tf.reset_default_graph()
x = tf.Variable(5.0)
loss = x * x
slope = tf.gradients(loss, x)[0]
step = tf.assign(x, x - 0.1 * slope)
""",
            ),
            Step(
                "One run is one step. The loss fetched beside it is the loss [i]before[/i] the step, "
                "always: where TensorFlow leaves the order of reads and writes to chance, millrace has one "
                "meaning.",
                """
with tf.Session() as sess:
    sess.run(x.initializer)
    for i in range(31):
        before, now = sess.run([loss, step])
        if i % 10 == 0:
            print(f"step {i:2}: loss {before:10.6f}, then x = {now:.6f}")
""",
            ),
            Step(
                "Optimizers build that part of the graph: [b]minimize[/b] is gradients, then one update for "
                "each variable. Compare the new operations with yours.",
                """
descend = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
with tf.Session() as sess:
    sess.run(x.initializer)
    for i in range(31):
        sess.run(descend)
    print(f"x = {sess.run(x):.6f}")
""",
            ),
            Step(
                "[b]Adam[/b] keeps running averages of the gradient, so it brings variables of its own. "
                "They want initial values too: [b]global_variables_initializer[/b] sets all there are.",
                """
adam = tf.train.AdamOptimizer(0.1).minimize(loss)
start = tf.global_variables_initializer()
print([v.op.name for v in tf.global_variables()])
with tf.Session() as sess:
    sess.run(start)
    for i in range(101):
        sess.run(adam)
    print(f"x = {sess.run(x):.6f}")
""",
            ),
        ),
    ),
    Chapter(
        "A line through the data",
        (
            Step(
                "All of it together. A tea shop has written down, for 1,000 days, the temperature at noon "
                "and the cups that it sold; the colder, the more. We make the numbers up, so that we know "
                "the truth: 420 cups at 0 °C, 9 fewer for each degree, and chance.",
                """
import numpy as np

chance = np.random.default_rng(7)
degrees = chance.normal(12, 8, 1000)
cups = 420 - 9 * degrees + chance.normal(0, 40, 1000)

scaled = (degrees - degrees.mean()) / degrees.std()
unseen_days, test_days = slice(800, 900), slice(900, 1000)
""",
            ),
            Step(
                "The model: data comes in through placeholders, a batch at a time; what is to be learned "
                "are variables; the loss is the mean squared error.",
                """
tf.reset_default_graph()
X = tf.placeholder(tf.float32, name="X")
y = tf.placeholder(tf.float32, name="y")
m = tf.Variable(0.0, name="m")
b = tf.Variable(0.0, name="b")
loss = tf.reduce_mean(tf.squared_difference(m * X + b, y), name="loss")
train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
start = tf.global_variables_initializer()
""",
            ),
            Step(
                "Train on batches of 100 days, and watch days that the training does not see.",
                """
def of(days):
    return {X: scaled[days], y: cups[days]}

with tf.Session() as sess:
    sess.run(start)
    for i in range(601):
        first = i % 8 * 100
        batch = of(slice(first, first + 100))
        _, seen, m_now, b_now = sess.run([train, loss, m, b], batch)
        if i % 100 == 0:
            unseen = sess.run(loss, of(unseen_days))
            print(f"step {i:3}: loss {seen:8.1f}, unseen {unseen:8.1f}, "
                  f"m {m_now:5.1f}, b {b_now:5.1f}")
    m_fit, b_fit, test_loss = sess.run([m, b, loss], of(test_days))

per_degree = m_fit / degrees.std()
at_zero = b_fit - per_degree * degrees.mean()
print(f"loss on the test days {test_loss:.1f}; chance alone gives 1600")
""",
            ),
        ),
    ),
)
