"""`import tensorflow` under the hook, and `millrace run`."""

import importlib
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
