"""The errors of running a graph: `tf.errors`.

Building a graph raises Python's own TypeError and ValueError. Running one raises an `OpError`, which knows
the operation that failed and the line of the user's program that created it. Each class below shows a program
that fails with it and the same program put right.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, final

from millrace.core.public import public

OK = public("errors.OK")(0)
CANCELLED = public("errors.CANCELLED")(1)
UNKNOWN = public("errors.UNKNOWN")(2)
INVALID_ARGUMENT = public("errors.INVALID_ARGUMENT")(3)
DEADLINE_EXCEEDED = public("errors.DEADLINE_EXCEEDED")(4)
NOT_FOUND = public("errors.NOT_FOUND")(5)
ALREADY_EXISTS = public("errors.ALREADY_EXISTS")(6)
PERMISSION_DENIED = public("errors.PERMISSION_DENIED")(7)
RESOURCE_EXHAUSTED = public("errors.RESOURCE_EXHAUSTED")(8)
FAILED_PRECONDITION = public("errors.FAILED_PRECONDITION")(9)
ABORTED = public("errors.ABORTED")(10)
OUT_OF_RANGE = public("errors.OUT_OF_RANGE")(11)
UNIMPLEMENTED = public("errors.UNIMPLEMENTED")(12)
INTERNAL = public("errors.INTERNAL")(13)
UNAVAILABLE = public("errors.UNAVAILABLE")(14)
DATA_LOSS = public("errors.DATA_LOSS")(15)
UNAUTHENTICATED = public("errors.UNAUTHENTICATED")(16)


@final
class OpSite:
    """What an error keeps of its operation when it is pickled, since a graph does not travel.

    Attributes:
      name: the operation's name.
      type: its op type.
      user_location: the user's line that created it, such as `"model.py:42"`; None when not known.
    """

    __slots__ = ("name", "type", "user_location")

    def __init__(self, name: str, type: str, user_location: str | None = None) -> None:
        self.name = name
        self.type = type
        self.user_location = user_location


@public("OpError", "errors.OpError")
class OpError(Exception):
    """The base class of everything that can go wrong while a graph runs. Catch it to catch them all.

    Fails:
        sess.run(x)                       # some OpError ends the program

    Fixed:
        try:
            sess.run(x)
        except tf.errors.OpError as e:
            print(e.op.name, e.message)   # which operation, and why
    """

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int) -> None:
        """Makes an error.

        Args:
          node_def: the NodeDef of the operation that failed, or None.
          op: the operation, or None. Needs `name` and `type`; `user_location` is used when there is one.
          message: who broke which rule, and what was received.
          error_code: one of this module's code constants.
        """
        super().__init__(message)
        self._node_def = node_def
        self._op = op
        self._message = message
        self._error_code = error_code
        self.hint = ""  # what the user can do about it; shown with the error, not a part of `message`

    @property
    def op(self) -> Any:
        """The operation that failed; None when the failure belongs to none."""
        return self._op

    @property
    def node_def(self) -> Any:
        """The NodeDef of the operation that failed; None when the failure belongs to none."""
        if self._node_def is None:
            return getattr(self._op, "node_def", None)
        return self._node_def

    @property
    def message(self) -> str:
        """What went wrong, without the operation's name and place."""
        return self._message

    @property
    def error_code(self) -> int:
        """The code constant that stands for this kind of error."""
        return self._error_code

    def __str__(self) -> str:
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        if self._op is None:
            return f"{self._message}{hint}"
        location = getattr(self._op, "user_location", None)
        created = f", created at {location}" if location else ""
        return f"{self._message}{hint}\n  in {self._op.type} {self._op.name!r}{created}"

    def __reduce__(self) -> tuple[Any, ...]:
        op = self._op
        if op is not None and not isinstance(op, OpSite):
            op = OpSite(op.name, op.type, getattr(op, "user_location", None))
        return _restore, (type(self), self._message, {**self.__dict__, "_op": op})


def _restore(cls: type[OpError], message: str, state: dict[str, Any]) -> OpError:
    """Rebuilds a pickled error without its constructor, whose signature differs between classes."""
    error = cls.__new__(cls, message)
    error.__dict__.update(state)
    return error


@public("errors.CancelledError")
@final
class CancelledError(OpError):
    """The operation was stopped before it finished, for example by closing its queue.

    Fails:
        run = threading.Thread(target=sess.run, args=(queue.enqueue(x),))   # waits: the queue is full
        run.start()
        sess.run(queue.close(cancel_pending_enqueues=True))

    Fixed:
        coord.request_stop()                     # let the producers end first,
        coord.join(threads)
        sess.run(queue.close())                  # then close
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code CANCELLED."""
        super().__init__(node_def, op, message, CANCELLED)


@public("errors.UnknownError")
@final
class UnknownError(OpError):
    """Something failed that no other class describes, such as an exception in a Python function.

    Fails:
        y = tf.py_func(lambda a: a / table["missing"], [x], tf.float32)
        sess.run(y)

    Fixed:
        y = tf.py_func(lambda a: a / table.get("missing", 1.0), [x], tf.float32)
        sess.run(y)
    """

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int = UNKNOWN) -> None:
        """Takes what `OpError` takes; `error_code` may be one that has no class of its own."""
        super().__init__(node_def, op, message, error_code)


@public("errors.InvalidArgumentError")
@final
class InvalidArgumentError(OpError):
    """An operation received a value it cannot work with, or a placeholder received none.

    Fails:
        p = tf.placeholder(tf.float32, [2])
        sess.run(p + 1.0)

    Fixed:
        p = tf.placeholder(tf.float32, [2])
        sess.run(p + 1.0, feed_dict={p: [1.0, 2.0]})
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code INVALID_ARGUMENT."""
        super().__init__(node_def, op, message, INVALID_ARGUMENT)


@public("errors.DeadlineExceededError")
@final
class DeadlineExceededError(OpError):
    """A step took longer than its time limit.

    Fails:
        options = tf.RunOptions(timeout_in_ms=100)
        sess.run(queue.dequeue(), options=options)   # nobody enqueues

    Fixed:
        sess.run(queue.enqueue(1.0))
        sess.run(queue.dequeue(), options=options)
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code DEADLINE_EXCEEDED."""
        super().__init__(node_def, op, message, DEADLINE_EXCEEDED)


@public("errors.NotFoundError")
@final
class NotFoundError(OpError):
    """A file, a checkpoint entry or another named thing does not exist.

    Fails:
        saver.restore(sess, "/models/run1")                            # a folder, not a checkpoint

    Fixed:
        saver.restore(sess, tf.train.latest_checkpoint("/models/run1"))
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code NOT_FOUND."""
        super().__init__(node_def, op, message, NOT_FOUND)


@public("errors.AlreadyExistsError")
@final
class AlreadyExistsError(OpError):
    """Something with this name was created before.

    Fails:
        tf.gfile.MkDir("/models/run1")
        tf.gfile.MkDir("/models/run1")

    Fixed:
        tf.gfile.MakeDirs("/models/run1")        # content with a folder that exists
        tf.gfile.MakeDirs("/models/run1")
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code ALREADY_EXISTS."""
        super().__init__(node_def, op, message, ALREADY_EXISTS)


@public("errors.PermissionDeniedError")
@final
class PermissionDeniedError(OpError):
    """The operating system does not allow this access.

    Fails:
        saver.save(sess, "/etc/model")

    Fixed:
        saver.save(sess, os.path.expanduser("~/model"))
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code PERMISSION_DENIED."""
        super().__init__(node_def, op, message, PERMISSION_DENIED)


@public("errors.ResourceExhaustedError")
@final
class ResourceExhaustedError(OpError):
    """Memory, disk space or another limited resource ran out.

    Fails:
        sess.run(loss, {images: all_images})

    Fixed:
        for batch in np.array_split(all_images, 100):
            sess.run(loss, {images: batch})
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code RESOURCE_EXHAUSTED."""
        super().__init__(node_def, op, message, RESOURCE_EXHAUSTED)


@public("errors.FailedPreconditionError")
@final
class FailedPreconditionError(OpError):
    """The session is not in the state that the operation needs; most often a variable has no value yet.

    Fails:
        v = tf.Variable(1.0)
        sess.run(v)

    Fixed:
        v = tf.Variable(1.0)
        sess.run(tf.global_variables_initializer())
        sess.run(v)
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code FAILED_PRECONDITION."""
        super().__init__(node_def, op, message, FAILED_PRECONDITION)


@public("errors.AbortedError")
@final
class AbortedError(OpError):
    """The step lost a conflict with a concurrent one and may be tried again.

    Fails:
        sess.run(train_op)                       # a worker went away meanwhile

    Fixed:
        with tf.train.MonitoredTrainingSession() as sess:
            sess.run(train_op)                   # recovers and runs the step again
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code ABORTED."""
        super().__init__(node_def, op, message, ABORTED)


@public("errors.OutOfRangeError")
@final
class OutOfRangeError(OpError):
    """The input has no more elements: a dataset ended, or a closed queue is empty.

    Fails:
        while True:
            sess.run(next_element)

    Fixed:
        try:
            while True:
                sess.run(next_element)
        except tf.errors.OutOfRangeError:
            pass                                 # one pass over the data is done
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code OUT_OF_RANGE."""
        super().__init__(node_def, op, message, OUT_OF_RANGE)


@public("errors.UnimplementedError")
class UnimplementedError(OpError):
    """The operation exists, but not for these types, options or this place.

    Fails:
        sess.run(tf.nn.conv2d(x, w, strides=[1, 1, 1, 2], padding="SAME"))   # stride over channels

    Fixed:
        sess.run(tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME")[..., ::2])
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code UNIMPLEMENTED."""
        super().__init__(node_def, op, message, UNIMPLEMENTED)


@public("errors.InternalError")
@final
class InternalError(OpError):
    """The runtime broke a promise to itself. The program is not at fault: please report it.

    Fails:
        sess.run(fetches)

    Fixed:
        config = tf.ConfigProto()                # until then, another tier may do
        config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.OFF
        tf.Session(config=config).run(fetches)
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code INTERNAL."""
        super().__init__(node_def, op, message, INTERNAL)


@public("errors.UnavailableError")
@final
class UnavailableError(OpError):
    """A service, such as another worker, does not answer now; it may later.

    Fails:
        tf.Session("grpc://worker1:2222").run(step)          # worker1 has not started

    Fixed:
        tf.train.MonitoredTrainingSession(master="grpc://worker1:2222")   # waits for it
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code UNAVAILABLE."""
        super().__init__(node_def, op, message, UNAVAILABLE)


@public("errors.DataLossError")
@final
class DataLossError(OpError):
    """Stored data is damaged or cut short.

    Fails:
        records = tf.python_io.tf_record_iterator("data.tfrecord.gz")
        next(records)

    Fixed:
        gzip = tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.GZIP)
        next(tf.python_io.tf_record_iterator("data.tfrecord.gz", gzip))
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code DATA_LOSS."""
        super().__init__(node_def, op, message, DATA_LOSS)


@public("errors.UnauthenticatedError")
@final
class UnauthenticatedError(OpError):
    """A service did not accept who the program says it is.

    Fails:
        tf.gfile.Open("gs://private/data.csv").read()

    Fixed:
        # with credentials for the bucket in the environment
        tf.gfile.Open("gs://private/data.csv").read()
    """

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        """Takes what `OpError` takes, with the code UNAUTHENTICATED."""
        super().__init__(node_def, op, message, UNAUTHENTICATED)


@final
class InaccessibleTensorError(ValueError):
    """A tensor was used outside of the place where it has a value.

    Fails:
        graph.prevent_fetching(x.op)
        sess.run(x)

    Fixed:
        y = tf.identity(x)                       # fetch something made from it
        graph.prevent_fetching(x.op)
        sess.run(y)
    """


_CLASS_OF_CODE: Final[dict[int, type[OpError]]] = {
    CANCELLED: CancelledError,
    UNKNOWN: UnknownError,
    INVALID_ARGUMENT: InvalidArgumentError,
    DEADLINE_EXCEEDED: DeadlineExceededError,
    NOT_FOUND: NotFoundError,
    ALREADY_EXISTS: AlreadyExistsError,
    PERMISSION_DENIED: PermissionDeniedError,
    RESOURCE_EXHAUSTED: ResourceExhaustedError,
    FAILED_PRECONDITION: FailedPreconditionError,
    ABORTED: AbortedError,
    OUT_OF_RANGE: OutOfRangeError,
    UNIMPLEMENTED: UnimplementedError,
    INTERNAL: InternalError,
    UNAVAILABLE: UnavailableError,
    DATA_LOSS: DataLossError,
    UNAUTHENTICATED: UnauthenticatedError,
}
_CODE_OF_CLASS: Final = {cls: code for code, cls in _CLASS_OF_CODE.items()}


@public("errors.exception_type_from_error_code")
def exception_type_from_error_code(error_code: int) -> type[OpError]:
    """Returns the class of errors with this code; KeyError when there is none (as for `OK`)."""
    try:
        return _CLASS_OF_CODE[error_code]
    except KeyError:
        raise KeyError(f"error codes with a class are 1 to 16, got {error_code!r}") from None


@public("errors.error_code_from_exception_type")
def error_code_from_exception_type(cls: type[BaseException]) -> int:
    """Returns the code of errors of class `cls`, and `UNKNOWN` for classes outside of this module."""
    return _CODE_OF_CLASS.get(cls, UNKNOWN)  # type: ignore[call-overload]


@final
class Status:
    """The outcome of a call that reports by code.

    Attributes:
      code: `OK` or one of the error codes.
      message: what went wrong.
    """

    __slots__ = ("code", "message")

    def __init__(self, code: int = OK, message: str = "") -> None:
        self.code = code
        self.message = message


@public("errors.raise_exception_on_not_ok_status")
@final
class raise_exception_on_not_ok_status:  # noqa: N801 - TensorFlow's name
    """Context manager that gives a `Status` to fill in and raises the error that its code stands for."""

    def __init__(self) -> None:
        """Starts with the status `OK`."""
        self.status = Status()

    def __enter__(self) -> Status:
        return self.status

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = self.status
        if exc_type is None and status.code != OK:
            cls = _CLASS_OF_CODE.get(status.code)
            if cls is None or cls is UnknownError:
                raise UnknownError(None, None, status.message, status.code)
            raise cls(None, None, status.message)  # type: ignore[call-arg]


@public("python.framework.errors_impl.OperatorNotAllowedInGraphError")
class OperatorNotAllowedInGraphError(TypeError):
    """A tensor was used as a Python bool or iterated over while the graph is built."""


def refusal(message: str) -> InvalidArgumentError:
    """The error of a kernel that refuses its data; the runtime adds which operation it was, and where from.

    Args:
      message: the rule that was broken, and what was received.
    """
    return InvalidArgumentError(None, None, message)
