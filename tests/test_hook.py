"""`import tensorflow` under the hook, and `millrace run`."""

import importlib
import os
import subprocess
import sys

import pytest

import millrace
from millrace import hook


def python(*words: str, cwd=None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def hooked():
    hook.install("hooked_flow")
    yield
    hook.uninstall("hooked_flow")


def test_spellings_of_import(hooked):
    import hooked_flow as tf
    import hooked_flow.compat.v1 as tf1
    import hooked_flow.compat.v1.version as nested
    import hooked_flow.version
    from hooked_flow.version import VERSION

    assert tf is tf1 is millrace.api
    assert hooked_flow.version is nested is tf.version is millrace.version
    assert VERSION == tf.__version__ == "1.15.5"


def test_missing_modules_are_named(hooked):
    with pytest.raises(ModuleNotFoundError, match=r"millrace offers no module 'hooked_flow\.no_such'"):
        importlib.import_module("hooked_flow.no_such")
    with pytest.raises(ImportError, match="no_such_function"):
        exec("from hooked_flow import no_such_function")


def test_uninstall_leaves_nothing():
    hook.install("hooked_flow")
    assert importlib.import_module("hooked_flow") is millrace.api

    hook.uninstall("hooked_flow")
    assert "hooked_flow" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("hooked_flow")


def test_install_refuses_when_the_name_is_taken():
    with pytest.raises(ImportError, match=r"'json' must not be imported before.*json"):
        hook.install("json")


def test_run_is_like_python(tmp_path):
    (tmp_path / "beside.py").write_text("value = 7\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, tensorflow as tf, beside\n"
        "def double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    import pickle, os\n"
        "    assert pickle.loads(pickle.dumps(double)) is double\n"
        "    print(tf.__version__, beside.value, sys.argv[1:], os.path.basename(__file__))\n"
    )
    done = python("-m", "millrace", "run", str(script), "--alpha", "1", "-b")
    assert done.stdout == "1.15.5 7 ['--alpha', '1', '-b'] script.py\n", done.stderr


def test_run_reports_errors_as_python_does(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys\ndef f():\n    raise ValueError('as it is')\nf()\n")
    ours, pythons = (
        python("-m", "millrace", "run", "script.py", cwd=tmp_path),
        python("script.py", cwd=tmp_path),
    )
    assert ours.returncode == pythons.returncode == 1
    drop_path = [line.replace(str(tmp_path) + "/", "") for line in pythons.stderr.splitlines()]
    assert ours.stderr.splitlines() == drop_path


def test_run_passes_on_the_exit_status(tmp_path):
    (tmp_path / "leave.py").write_text("raise SystemExit(3)\n")
    assert python("-m", "millrace", "run", "leave.py", cwd=tmp_path).returncode == 3
    absent = python("-m", "millrace", "run", "absent.py", cwd=tmp_path)
    assert absent.returncode == 2
    assert "absent.py" in absent.stderr


def test_private_paths_give_the_same_objects(hooked):
    from hooked_flow.core.framework import graph_pb2, types_pb2
    from hooked_flow.python.framework import dtypes, errors_impl, ops
    from hooked_flow.python.ops import array_ops, gen_math_ops, math_ops, standard_ops
    from hooked_flow.python.ops.rnn_cell_impl import BasicLSTMCell

    tf = millrace.api
    assert ops.Tensor is tf.Tensor
    assert dtypes.float32 is tf.float32
    assert errors_impl.NotFoundError is tf.errors.NotFoundError
    assert array_ops.concat is standard_ops.concat is tf.concat
    assert math_ops.reduce_sum is tf.reduce_sum
    assert BasicLSTMCell is tf.nn.rnn_cell.BasicLSTMCell
    assert graph_pb2.GraphDef is tf.GraphDef
    assert types_pb2.DT_FLOAT == 1
    product = gen_math_ops.mat_mul([[1.0, 2.0]], [[3.0], [4.0]], name="p")
    assert product.op.type == "MatMul"
    assert product.op.name == "p"
    assert "mat_mul" in dir(gen_math_ops)
    assert "Tensor" in ops.__all__


def test_modules_of_contrib_have_what_the_core_generates(hooked):
    """Speech models take their spectrograms from there."""
    from hooked_flow.contrib.framework.python.ops import audio_ops

    energies = audio_ops.audio_spectrogram([[0.5]] * 600, window_size=480, stride=60, magnitude_squared=True)
    assert audio_ops.mfcc(energies, 16000, dct_coefficient_count=13).shape == (1, 3, 13)


def test_every_private_path_is_a_module_whose_names_are_there_or_said_to_be_absent():
    from millrace.hook import table

    for path in table.table():
        module = importlib.import_module(f"millrace.api.{path}")
        for name in list(table.names(path))[:3]:
            try:
                getattr(module, name)
            except AttributeError as error:
                said = str(error)
                assert "TensorFlow 1.15 has tf." in said or "is not offered, because" in said


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("from hooked_flow import mul", "TensorFlow 1.0 renamed it tf.multiply"),
        ("from hooked_flow import reduce_summ", "Did you mean 'reduce_sum'"),
        ("from hooked_flow.python.framework.ops import Tensorr", "Did you mean 'Tensor'"),
        ("import hooked_flow.python.no_such", "millrace offers no module 'hooked_flow.python.no_such'"),
        ("import hooked_flow.compat.v2.estimator", "from hooked_flow.compat.v2 import estimator"),
        ("from hooked_flow.nn import softmaxx", "Did you mean 'softmax'"),
    ],
)
def test_absent_names_say_what_is_near(hooked, statement, message):
    with pytest.raises(ImportError, match=message):
        exec(statement)


def test_compat_of_compat_and_reload(hooked):
    import hooked_flow.compat.v1.compat.v1 as again

    assert again is millrace.api
    assert importlib.reload(again) is millrace.api


def test_children_inherit_the_hook(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, subprocess, sys\n"
        "import tensorflow as tf\n"
        "def work(x):\n"
        "    import tensorflow as tf\n"
        "    return tf.MILLRACE_VERSION, x\n"
        "if __name__ == '__main__':\n"
        "    for method in ('spawn', 'forkserver'):\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool:\n"
        "            print(pool.map(work, [1]))\n"
        "    code = 'import tensorflow; print(tensorflow.__version__)'\n"
        "    print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout)\n"
    )
    done = python("-m", "millrace", "run", str(script))
    assert done.returncode == 0, done.stderr
    version = millrace.MILLRACE_VERSION
    assert done.stdout.split("\n")[:3] == [f"[('{version}', 1)]"] * 2 + ["1.15.5"]


def test_run_a_module(tmp_path):
    (tmp_path / "program.py").write_text(
        "import sys, tensorflow as tf\nprint(__name__, sys.argv[1:], tf.__version__)\n"
    )
    done = python("-m", "millrace", "run", "-m", "program", "--flag", "x", cwd=tmp_path)
    assert done.stdout == "__main__ ['--flag', 'x'] 1.15.5\n", done.stderr
    missing = python("-m", "millrace", "run", "-m", "no_such_program", cwd=tmp_path)
    assert missing.returncode == 2
    assert "millrace run: No module named no_such_program" in missing.stderr


def test_old_names_are_restored_and_can_be_left_out(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import collections, fractions, inspect, time\n"
        "import numpy as np\n"
        "print(isinstance({}, collections.Mapping), fractions.gcd(6, 4), time.clock() > 0)\n"
        "print(inspect.getargspec(lambda a, b=1, *c: 0))\n"
        "print(np.float_ is np.float64, np.asscalar(np.ones(1)), np.float, np.alltrue([1]))\n"
        "from distutils.version import LooseVersion\n"
        "print(LooseVersion('1.10') > LooseVersion('1.9.1'))\n"
        "import imp\n"
    )
    done = python("-W", "ignore", "-m", "millrace", "run", str(script))
    assert done.stdout.splitlines() == [
        "True 2 True",
        "ArgSpec(args=['a', 'b'], varargs='c', keywords=None, defaults=(1,))",
        "True 1.0 <class 'float'> True",
        "True",
    ], done.stderr
    plain = python("-m", "millrace", "run", "--shims", "none", str(script))
    assert "AttributeError" in plain.stderr
    assert "numpy.float_: gone since NumPy 2.0" in python("-m", "millrace", "run", "--explain-shims").stdout


def test_stand_ins_for_modules_that_python_lost(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from millrace.hook import shims\n"
        "here = shims._Completing(frozenset({'default'}))\n"
        "here._elsewhere = lambda name: None\n"
        "sys.meta_path.insert(0, here)\n"
        "import imp\n"
        "from distutils.util import strtobool\n"
        "from distutils.version import StrictVersion\n"
        "from distutils.spawn import find_executable\n"
        "from distutils.dir_util import mkpath\n"
        "open('beside.py', 'w').write('value = 3')\n"
        "print(imp.load_source('beside', 'beside.py').value, strtobool('Yes'))\n"
        "print(StrictVersion('1.0a1') < StrictVersion('1.0'), find_executable('no such program'))\n"
    )
    done = python(str(script), cwd=tmp_path)
    assert done.stdout.splitlines() == ["3 1", "True None"], done.stderr


def test_numpy_copies_where_it_must(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import numpy as np\nprint(np.array([1, 2], copy=False))\n")
    assert python("-m", "millrace", "run", str(script)).stdout == "[1 2]\n"


def test_enable_and_disable(monkeypatch, tmp_path):
    from millrace.hook import environment

    monkeypatch.setattr(environment.sysconfig, "get_path", lambda name: str(tmp_path))
    assert "gives millrace" in environment.enable()
    assert environment.is_enabled()
    assert (tmp_path / "millrace-tensorflow.pth").read_text() == "import millrace.hook.startup\n"
    environment.disable()
    assert not environment.is_enabled()
    assert "not in force" in environment.disable()


def test_run_says_which_one_answers_beside_a_real_one(tmp_path):
    installed = tmp_path / "packages" / "tensorflow-2.21.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow\nVersion: 2.21.0\n")
    script = tmp_path / "script.py"
    script.write_text("import tensorflow as tf\nprint(tf.__version__)\n")
    path = os.pathsep.join([str(installed.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "millrace", "run", str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    assert done.stdout == "1.15.5\n"
    assert "gives millrace here, not tensorflow 2.21.0" in done.stderr


@pytest.mark.parametrize(
    ("alias", "space"),
    [
        ("contrib.keras", "keras"),
        ("contrib.slim.layers", "contrib.layers"),
        ("contrib.slim.losses", "contrib.losses"),
        ("contrib.slim.metrics", "contrib.metrics"),
        ("contrib.slim.nn", "nn"),
    ],
)
def test_other_names_of_whole_namespaces(alias, space):
    code = (
        "import millrace.hook; millrace.hook.install(); import importlib, tensorflow\n"
        f"one = importlib.import_module('tensorflow.{alias}')\n"
        f"assert one is importlib.import_module('tensorflow.{space}')\n"
        f"assert one is tensorflow.{alias}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
