"""Converted functions: of tensors they give what Python gives for numbers."""

import pytest

import millrace as tf


def if_else(x):
    if x > 0:
        y = x * 2
    else:
        y = -x
    return y


def one_sided(x):
    y = x
    if x > 3:
        y += 10
    return y


def returns(x):
    if x > 4:
        return x * 10
    if x > 2:
        return x
    return -x


def returns_in_else(x):
    if x > 4:
        y = x
    else:
        return -x
    y = y + 1
    return y * 2


def nested(x):
    if x > 0:
        if x > 3:
            return x * 100
        else:
            return x * 10
    elif x < -2:
        z = 1
    else:
        z = 2
    return z


def collatz(n):
    steps = 0
    while n > 1 and not steps > 90:
        steps += 1
        if n % 2 < 1:
            n = n // 2
        else:
            n = 3 * n + 1
    return steps


def breaks(n):
    i = 0
    s = 0
    while i < n:
        i += 1
        if i < 3:
            continue
        if s > 20:
            break
        s += i
    return s, i


def for_range(n):
    s = 0
    for i in range(n):
        if i > 6:
            break
        for j in range(i):
            if j < 2:
                continue
            s += j
    return s


def for_steps(n):
    s = 0
    for i in range(n, 0, -2):
        s = s * 3 + i
    return s


def with_else(n):
    i = 0
    while i < n:
        i += 1
        if i > 5:
            break
    else:
        i = -1
    return i


def conditional(x):
    return x if x > 3 else -x if x > 0 else x * 5


def logic(x):
    a = x > 0 and x < 5
    b = x > 3 or x < -1
    return not a or (a and not b)


def tuples(x):
    pair = (x, {"a": x + 1})
    if x > 2:
        pair = (x - 1, {"a": x * 2})
    return pair[0] * pair[1]["a"]


def swaps(x):
    a, b = x, 10 - x
    if a > b:
        a, b = b, a
    while a < b:
        a, b = a + 1, b - 1
    return a * 100 + b


def with_temporaries(x):
    if x > 1:
        t = x * 3
        y = t + 1
    else:
        y = 0
    for _ in range(2):
        u = y
        y = u + 1
    return y


def helper(x, by=2):
    return x if x > 3 else x * by


def calls(x):
    return helper(x) + helper(x, by=5)


def inner_function(x):
    def twice(v):
        if v > 2:
            return v * 2
        return v

    later = lambda v: twice(v) if v < 5 else 0  # noqa: E731
    return later(x) + twice(x)


def modified_in_inner(x):
    count = 0

    def bump():
        nonlocal count
        count += x

    if x > 0:
        bump()
    return count if x > 0 else 0


def recursive(x, left=3):
    if left < 1:
        return x
    if x > 4:
        x = x - 1
    return recursive(x, left - 1)


def tried(x):
    try:
        if x > 1:
            y = 1
        else:
            y = 2
    finally:
        z = 3
    return y + z


PROGRAMS = [
    if_else, one_sided, returns, returns_in_else, nested, collatz, breaks, for_range, for_steps, with_else,
    conditional, logic, tuples, swaps, with_temporaries, calls, inner_function, recursive, tried,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_as_python(program):
    converted = tf.autograph.to_graph(program)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.int32, [])
        fetches = converted(x)
        for number in (-7, -1, 0, 1, 2, 3, 4, 5, 6, 9, 12):
            assert session.run(fetches, {x: number}) == program(number), number


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_numbers_stay_with_python(program):
    converted = tf.autograph.to_graph(program)
    with tf.Graph().as_default() as graph:
        for number in (-7, 0, 3, 5, 12):
            assert converted(number) == program(number)
        assert graph.get_operations() == []


def test_a_loop_over_rows():
    def total(rows):
        s = tf.zeros([2])
        n = 0
        for row in rows:
            s += row
            if row[0] < 0:
                continue
            n += len(rows)
        return s, n

    with tf.Graph().as_default(), tf.Session() as session:
        rows = tf.placeholder(tf.float32, [None, 2])
        s, n = session.run(tf.autograph.to_graph(total)(rows), {rows: [[1.0, 2.0], [-1.0, 5.0], [3.0, 1.0]]})
        assert s.tolist() == [3.0, 8.0]
        assert n == 6


def test_gradients_flow_through():
    def power(x, n):
        y = x
        for _ in range(n):
            y = y * x
        if y > 100.0:
            y = y * 0.0
        return y

    with tf.Graph().as_default(), tf.Session() as session:
        x, n = tf.placeholder(tf.float32, []), tf.placeholder(tf.int32, [])
        y = tf.autograph.to_graph(power)(x, n)
        (slope,) = tf.gradients(y, x)
        assert session.run([y, slope], {x: 2.0, n: 3}) == [16.0, 32.0]
        assert session.run([y, slope], {x: 4.0, n: 3}) == [0.0, 0.0]


class Counter:
    def __init__(self):
        self.__total = 0
        self.limit = 3

    def add(self, x):
        if x > self.limit:
            self.__total = self.__total + x
        return self.__total

    def doubled(self, x):
        y = self.add(x)
        return y * 2 if x > 0 else x

    def __call__(self, x):
        return self.doubled(x)


class Child(Counter):
    def add(self, x):
        y = super().add(x)
        if x > 5:
            y += 1
        return y


@pytest.mark.parametrize("kind", [Counter, Child])
def test_methods_attributes_and_super(kind):
    def program(x):
        return kind()(x)

    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.int32, [])
        y = tf.autograph.to_graph(program)(x)
        for number in (-1, 2, 4, 8):
            assert session.run(y, {x: number}) == program(number)


def test_variables_are_shared_with_the_original():
    seen = []
    step = 1

    def program(x):
        seen.append("called")
        return x + step if x > 0 else x

    converted = tf.autograph.to_graph(program)
    step = 5
    assert converted(1) == 6
    assert seen == ["called"]


def test_datasets_are_gone_through():
    def total(limit):
        s = tf.constant(0, tf.int64)
        for i, element in enumerate(tf.data.Dataset.range(100)):
            if i > limit:
                break
            s += element
        return s

    def product():
        p = tf.constant(1, tf.int64)
        for element in tf.data.Dataset.range(1, 6):
            p *= element
        return p

    with tf.Graph().as_default(), tf.Session() as session:
        limit = tf.placeholder(tf.int64, [])
        assert session.run(tf.autograph.to_graph(total)(limit), {limit: 4}) == 10
        assert session.run(tf.autograph.to_graph(product)()) == 120


def test_what_is_converted_already_stays():
    once = tf.autograph.to_graph(returns)
    again = tf.autograph.to_graph(once)
    assert again(6) == 60
    assert again.__code__ is once.__code__
