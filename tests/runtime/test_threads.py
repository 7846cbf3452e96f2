"""BLAS has one thread while the interpreter runs, and as many as before afterwards."""

from threadpoolctl import ThreadpoolController

from millrace.runtime.threads import OneThread, libraries


def counts():
    return [c.get_num_threads() for c in ThreadpoolController().select(user_api="blas").lib_controllers]


def test_every_blas_has_one_thread_inside():
    before = counts()
    assert [library.get_num_threads() for library in libraries()][:1] == before[:1]
    one = OneThread()
    with one, one:
        assert counts()[:1] == [1]
    assert counts() == before
