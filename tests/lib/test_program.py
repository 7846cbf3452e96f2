"""What a program finds around the graph: flags, `tf.app.run`, files, logging, places."""

import logging
import os
import subprocess
import sys

import pytest

import millrace as tf

PROGRAM = """
import tensorflow as tf
tf.app.flags.DEFINE_integer("steps", 3, "how many")
tf.flags.DEFINE_string(flag_name="title", default_value="none", docstring="a title")
tf.flags.DEFINE_bool("fast", False, "whether")
FLAGS = tf.app.flags.FLAGS

def main(argv):
    print(FLAGS.steps, FLAGS.title, tf.flags.FLAGS.fast, argv[1:], sorted(f for f in FLAGS if f == "steps"))

if __name__ == "__main__":
    {end}
"""


@pytest.mark.parametrize(
    ("end", "words", "out"),
    [
        ("tf.app.run()", ["--steps=5", "--title", "x", "--fast", "rest"], "5 x True ['rest'] ['steps']"),
        ("tf.app.run(main=main)", [], "3 none False [] ['steps']"),
        ("main(['p'])", ["--steps=7"], "7 none False [] ['steps']"),
        ("FLAGS.steps = 9; main(['p'])", [], "9 none False [] ['steps']"),
    ],
)
def test_flags_of_a_program(tmp_path, end, words, out):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(end=end))
    command = [sys.executable, "-c", "import sys; from millrace.cli import main; sys.exit(main())", "run"]
    done = subprocess.run([*command, str(script), *words], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == out, done.stderr
    assert done.returncode == 0


def test_flags_module():
    values = tf.flags.FlagValues()
    tf.flags.DEFINE_enum("kind", "a", ["a", "b"], "which", flag_values=values)
    values(["p", "--kind=b"])
    assert values.kind == "b"
    with pytest.raises(tf.flags.IllegalFlagValueError):
        values(["p", "--kind=c"])
    assert tf.flags.DEFINE_integer is tf.app.flags.DEFINE_integer


class TestFiles:
    def test_reading_and_writing(self, tmp_path):
        path = str(tmp_path / "a.txt")
        with tf.gfile.GFile(path, "w") as file:
            file.write("one\ntwo\n")
            file.write(b"three")
            assert file.size() == 13
        with tf.gfile.Open(path) as file:
            assert file.readline() == "one\n"
            assert file.tell() == 4
            assert list(file) == ["two\n", "three"]
            file.seek(position=0)
            assert file.read(3) == "one"
            assert (file.name, file.mode, file.seekable()) == (path, "r", True)
        assert tf.gfile.FastGFile(path, "rb").read() == b"one\ntwo\nthree"
        with tf.io.gfile.GFile(path, "a") as file:
            file.write("!")
        assert tf.gfile.GFile(path).readlines() == ["one\n", "two\n", "three!"]
        assert tf.io.gfile.stat(path).length == 14
        assert not tf.gfile.Stat(path).is_directory
        with tf.gfile.GFile(str(tmp_path / "empty"), "w"):
            pass
        assert tf.gfile.Exists(tmp_path / "empty")

    def test_folders(self, tmp_path):
        top = str(tmp_path / "top")
        tf.gfile.MakeDirs(top + "/a/b")
        tf.io.gfile.makedirs(top + "/a/b")
        tf.gfile.MkDir(top + "/c")
        for name in ("x.txt", "y.txt"):
            tf.gfile.GFile(f"{top}/{name}", "w").write(name)
        tf.gfile.Copy(f"{top}/x.txt", f"{top}/c/z.txt")
        assert tf.gfile.ListDirectory(top) == ["a", "c", "x.txt", "y.txt"]
        assert tf.gfile.Glob(top + "/*.txt") == [f"{top}/x.txt", f"{top}/y.txt"]
        assert tf.io.gfile.glob([top + "/x*", top + "/c/*"]) == [f"{top}/x.txt", f"{top}/c/z.txt"]
        walked = list(tf.gfile.Walk(top))
        assert walked[0] == (top, ["a", "c"], ["x.txt", "y.txt"])
        assert [w[0] for w in tf.io.gfile.walk(top, topdown=False)][-1] == top
        tf.gfile.Rename(f"{top}/x.txt", f"{top}/y.txt", overwrite=True)
        tf.gfile.Remove(f"{top}/y.txt")
        assert tf.gfile.IsDirectory(top)
        assert tf.io.gfile.isdir("file://" + top)
        tf.gfile.DeleteRecursively(top)
        assert not tf.io.gfile.exists(top)

    def test_errors(self, tmp_path):
        path, gone = str(tmp_path / "a"), str(tmp_path / "gone")
        tf.gfile.GFile(path, "w").write("x")
        tf.gfile.MakeDirs(str(tmp_path / "d"))
        for call, kind in (
            (lambda: tf.gfile.GFile(gone).read(), tf.errors.NotFoundError),
            (lambda: tf.gfile.GFile(path).write("x"), tf.errors.PermissionDeniedError),
            (lambda: tf.gfile.GFile(path, "w").read(), tf.errors.PermissionDeniedError),
            (lambda: tf.gfile.GFile(path, "z"), tf.errors.InvalidArgumentError),
            (lambda: tf.gfile.Remove(gone), tf.errors.NotFoundError),
            (lambda: tf.gfile.Copy(gone, path), tf.errors.NotFoundError),
            (lambda: tf.gfile.Copy(path, path), tf.errors.AlreadyExistsError),
            (lambda: tf.io.gfile.rename(path, path), tf.errors.AlreadyExistsError),
            (lambda: tf.gfile.MkDir(str(tmp_path / "d")), tf.errors.AlreadyExistsError),
            (lambda: tf.gfile.MkDir(gone + "/e"), tf.errors.NotFoundError),
            (lambda: tf.gfile.ListDirectory(gone), tf.errors.NotFoundError),
            (lambda: tf.gfile.Stat(gone), tf.errors.NotFoundError),
            (lambda: tf.io.gfile.rmtree(gone), tf.errors.NotFoundError),
        ):
            with pytest.raises(kind):
                call()


def test_logging(capsys, caplog):
    before = tf.logging.get_verbosity()
    try:
        tf.logging.set_verbosity(tf.logging.INFO)
        assert tf.logging.get_verbosity() == tf.logging.INFO == logging.INFO
        with caplog.at_level(logging.DEBUG):
            tf.logging.info("a %d", 1)
            tf.logging.debug("not shown")
            tf.logging.warning("b")
            tf.logging.error("c")
            tf.logging.log(tf.logging.ERROR, "d")
            for i in range(5):
                tf.logging.log_every_n(tf.logging.INFO, "every %d", 2, i)
                tf.logging.log_first_n(tf.logging.INFO, "first %d", 2, i)
            tf.logging.log_if(tf.logging.INFO, "if", False)
        assert [r.getMessage() for r in caplog.records if r.name == "tensorflow"] == [
            "a 1", "b", "c", "d", "every 0", "first 0", "first 1", "every 2", "every 4",
        ]  # fmt: skip
        assert tf.get_logger().name == "tensorflow"
    finally:
        tf.logging.set_verbosity(before)


def test_places():
    here = os.path.dirname(os.path.abspath(__file__))
    assert tf.resource_loader.get_path_to_datafile("x.txt") == os.path.join(here, "x.txt")
    assert tf.resource_loader.get_data_files_path() == here
    assert b"OpError" in tf.resource_loader.load_resource("core/errors.py")
    assert tf.resource_loader.readahead_file_path("p") == "p"
    assert os.path.isdir(tf.sysconfig.get_lib())
    assert tf.sysconfig.get_compile_flags()[0] == f"-I{tf.sysconfig.get_include()}"
    assert tf.sysconfig.get_link_flags() == [f"-L{tf.sysconfig.get_lib()}"]
