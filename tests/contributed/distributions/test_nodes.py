"""Default seeds that follow calls of distributions: those of 1.15, which count the operations."""

import pytest

import millrace as tf

contrib = tf.contrib.distributions

METHODS = {
    "sample": lambda d, x: d.sample(),
    "log_prob": lambda d, x: d.log_prob(x),
    "cdf": lambda d, x: d.cdf(x),
    "log_survival": lambda d, x: d.log_survival_function(x),
    "mean": lambda d, x: d.mean(),
    "variance": lambda d, x: d.variance(),
    "mode": lambda d, x: d.mode(),
    "entropy": lambda d, x: d.entropy(),
    "kl": lambda d, x: d.kl_divergence(d),
    "scalar_batch": lambda d, x: d.is_scalar_batch(),
}

# How it is made, a value, the seeds after each method with checks and known parameters, and those without
# checks, of placeholders; "-" where there is no such method.
CASES = {
    "StudentT": (
        lambda p, **kw: tf.distributions.StudentT(p([3.0, 4.0]), p([0.0, 1.0]), p([1.0, 2.0]), **kw),
        [0.3, 0.6],
        "68 62 50 52 60 79 32 76 - 32",
        "54 40 28 30 33 60 10 58 - 10",
    ),
    "GammaB": (
        lambda p, **kw: tf.distributions.Gamma(p(2.0), p([1.0, 2.0]), **kw),
        [0.3, 0.6],
        "67 84 76 78 52 53 79 60 88 52",
        "23 18 10 12 8 9 18 16 25 8",
    ),
    "Exponential": (
        lambda p, **kw: tf.distributions.Exponential(p([1.0, 2.0]), **kw),
        [0.3, 0.6],
        "71 82 74 84 50 51 77 58 86 50",
        "29 18 10 20 8 9 18 16 25 8",
    ),
    "Beta": (
        lambda p, **kw: tf.distributions.Beta(p([2.0, 3.0]), p([1.5, 2.0]), **kw),
        [0.3, 0.6],
        "85 112 52 54 51 58 104 70 92 51",
        "41 22 8 10 7 14 20 26 29 7",
    ),
    "Dirichlet": (
        lambda p, **kw: tf.distributions.Dirichlet(p([2.0, 3.0, 4.0]), **kw),
        [0.2, 0.3, 0.5],
        "70 119 - - 55 65 89 74 94 51",
        "26 20 - - 11 21 32 34 31 7",
    ),
    "Bernoulli": (
        lambda p, **kw: tf.distributions.Bernoulli(probs=p([0.3, 0.6]), **kw),
        [0, 1],
        "76 93 - - 56 59 58 63 88 56",
        "30 30 - - 10 13 12 17 23 10",
    ),
    "Categorical": (
        lambda p, **kw: tf.distributions.Categorical(probs=p([0.3, 0.6, 0.1]), **kw),
        1,
        "85 96 95 97 - - 66 69 90 65",
        "35 34 33 35 - - 16 19 21 15",
    ),
    "Multinomial": (
        lambda p, **kw: tf.distributions.Multinomial(p(4.0), probs=p([0.3, 0.6, 0.1]), **kw),
        [1.0, 2.0, 1.0],
        "240 275 - - 114 123 - - - 114",
        "142 27 - - 12 21 - - - 12",
    ),
    "DirichletMultinomial": (
        lambda p, **kw: tf.distributions.DirichletMultinomial(p(4.0), p([2.0, 3.0, 4.0]), **kw),
        [1.0, 2.0, 1.0],
        "115 176 - - 82 97 - - - 77",
        "50 34 - - 13 28 - - - 8",
    ),
    "Poisson": (
        lambda p, **kw: contrib.Poisson(rate=p([1.0, 2.0]), **kw),
        [1.0, 2.0],
        "38 81 78 80 28 28 28 - - 28",
        "17 13 10 12 7 7 7 - - 7",
    ),
    "NegativeBinomial": (
        lambda p, **kw: contrib.NegativeBinomial(p([3.0, 4.0]), probs=p([0.3, 0.6]), **kw),
        [1.0, 2.0],
        "99 194 132 134 81 84 88 - - 80",
        "31 32 17 19 13 16 20 - - 12",
    ),
    "Binomial": (
        lambda p, **kw: contrib.Binomial(p([3.0, 4.0]), probs=p([0.3, 0.6]), **kw),
        [1.0, 2.0],
        "- 266 188 190 104 107 107 - - 104",
        "- 31 28 30 11 14 14 - - 11",
    ),
    "Geometric": (
        lambda p, **kw: contrib.Geometric(probs=p([0.3, 0.6]), **kw),
        [1.0, 2.0],
        "101 142 140 142 79 80 80 105 - 78",
        "34 29 27 29 12 13 13 13 - 11",
    ),
    "HalfNormal": (
        lambda p, **kw: contrib.HalfNormal(p([1.0, 2.0]), **kw),
        [0.3, 0.6],
        "47 44 33 35 31 31 30 38 - 28",
        "25 22 11 13 9 9 8 16 - 6",
    ),
    "InverseGamma": (
        lambda p, **kw: contrib.InverseGamma(p([2.0, 3.0]), p([1.0, 2.0]), **kw),
        [0.3, 0.6],
        "69 86 76 78 79 83 54 60 - 52",
        "25 20 10 12 18 22 10 16 - 8",
    ),
    "Logistic": (
        lambda p, **kw: contrib.Logistic(p([0.0, 1.0]), p([1.0, 2.0]), **kw),
        [0.3, 0.6],
        "55 40 33 34 33 38 33 36 - 30",
        "35 18 11 12 11 16 11 14 - 8",
    ),
    "Cauchy": (
        lambda p, **kw: contrib.Cauchy(p([0.0, 1.0]), p([1.0, 2.0]), **kw),
        [0.3, 0.6],
        "55 39 37 39 - - 33 36 - 30",
        "35 17 15 17 12 13 11 14 - 8",
    ),
    "Chi2": (
        lambda p, **kw: contrib.Chi2(p([2.0, 3.0]), **kw),
        [0.3, 0.6],
        "90 107 99 101 75 76 102 83 111 75",
        "26 21 13 15 11 12 21 19 28 11",
    ),
    "Deterministic": (
        lambda p, **kw: contrib.Deterministic(p([0.3, 0.6]), **kw),
        [0.3, 0.6],
        "22 12 10 12 7 7 7 9 - 7",
        "22 12 10 12 7 7 7 9 - 7",
    ),
    "VectorDeterministic": (
        lambda p, **kw: contrib.VectorDeterministic(p([0.3, 0.6]), **kw),
        [0.3, 0.6],
        "22 38 - - 7 7 7 9 - 7",
        "22 14 - - 7 7 7 9 - 7",
    ),
    "OneHotCategorical": (
        lambda p, **kw: contrib.OneHotCategorical(probs=p([0.3, 0.6, 0.1]), **kw),
        [0, 1, 0],
        "90 - - - - 69 70 71 92 67",
        "35 64 - - - 14 15 16 18 12",
    ),
    "RelaxedBernoulli": (
        lambda p, **kw: contrib.RelaxedBernoulli(p(0.5), probs=p([0.3, 0.6]), **kw),
        [0.3, 0.6],
        "170 170 141 142 - - - - - 134",
        "83 81 52 53 - - - - - 45",
    ),
    "ExpRelaxedOneHot": (
        lambda p, **kw: contrib.ExpRelaxedOneHotCategorical(p(0.5), logits=p([0.3, 0.6]), **kw),
        [-0.5, -0.6],
        "72 - - - - - - - - 39",
        "49 47 - - - - - - - 16",
    ),
}


def _placed(value):
    return tf.placeholder(tf.float32, [None] * (1 if isinstance(value, list) else 0))


@pytest.mark.parametrize("name", CASES)
def test_seeds_after_calls(name):
    make, value, checked, open_ = CASES[name]
    for place, seeds, checks in ((lambda v: v, checked, True), (_placed, open_, False)):
        for (method, call), expected in zip(METHODS.items(), seeds.split(), strict=True):
            if expected == "-":
                continue
            with tf.Graph().as_default():
                tf.set_random_seed(1)
                call(make(place, validate_args=checks, allow_nan_stats=not checks), value)
                later = tf.random_normal([1]).op.inputs[0].op.inputs[0].op.get_attr("seed2")
            assert (method, later) == (method, int(expected))


def test_names_after_calls():
    with tf.Graph().as_default() as graph:
        contrib.Poisson(rate=[1.0], validate_args=True).cdf([1.0])
        names = [op.name for op in graph.get_operations() if op.type in ("Assert", "Cast", "Identity")]
    counts = "Poisson/cdf/embed_check_nonnegative_integer_form/"
    whole = counts + "assert_integer_form/"
    assert [n for n in names if "Assert" not in n] == [
        "Poisson/rate_1",
        whole + "Cast",
        whole + "Cast_1",
        counts + "control_dependency",
    ]


@pytest.mark.parametrize("name", ["Poisson", "HalfNormal"])
def test_divergences_that_a_program_registers_itself(name):
    kind = getattr(contrib, name)
    with pytest.raises(NotImplementedError):
        kind([1.0]).kl_divergence(kind([2.0]))


def test_classes_are_checked():
    with pytest.raises(ValueError, match="2 classes"):
        contrib.OneHotCategorical(logits=[1.0], validate_args=True)
    logits = tf.placeholder(tf.float32, [None])
    probs = tf.distributions.Categorical(logits=logits, validate_args=True).probs
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="2 classes"):
        session.run(probs, {logits: [1.0]})
