"""Tasks that carry a payload: kept until the payload is stored, whatever becomes of the database or the worker.

Celery acknowledges a late task that raised, and drops one that is rejected without being put back. So the body of such
a task raises nothing while the database is away: it waits a while, then hands the payload over to a fresh message and
ends. That way no waiting task holds a slot for long, no broker takes the message for a dead worker's (Redis after its
visibility timeout, RabbitMQ after half an hour), and none counts its deliveries (a quorum queue drops a message after
twenty). A worker that stops puts the message back; one that dies leaves it with the broker, and the next one to start
takes it.

Phone numbers and texts are in the payload, so events, logs and `celery inspect` show nothing of the arguments, whatever
the producer put into the message's headers.
"""

import logging
import mmap
import time
from collections.abc import Callable
from typing import Any, TypeVar

from celery import Task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.signals import worker_init, worker_ready, worker_shutting_down

from dispatcher.db.errors import DRIVER_ERRORS
from workers.hints import QuietRequest

log = logging.getLogger(__name__)

T = TypeVar("T")

HIDDEN = "(…)"
"""What is shown in place of arguments."""
WAITS = (1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Seconds between two tries to store a payload; after the last one a fresh message takes over."""
_DAY = 86_400  # seconds: a limit of its own, so that no limit of the worker ends a task that waits
_AGAIN = "dispatcher_again"


WRONG_CALL = "the task takes one argument: the payload, an object"
"""What is wrong with a call of other arguments."""


def the_payload(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, str | None]:
    """The payload of a call, and what is wrong with the call, if anything is.

    A task that took its argument by name would end a wrong call with a TypeError, which Celery acknowledges: what the
    producer handed in would be gone. Fields that are given by name are plainly meant as a payload.
    """
    if len(arguments) == 1 and not named:
        return arguments[0], None
    if not arguments and named:
        return (named["payload"] if set(named) == {"payload"} else named), None
    objects = [value for value in (*arguments, *named.values()) if isinstance(value, dict)]
    return (objects[0] if objects else None), WRONG_CALL


class _Shared:
    """One byte of memory that a worker shares with the processes of its pool, which are told of no signal."""

    stopping = mmap.mmap(-1, 1)


@worker_init.connect
def _share(**_: Any) -> None:
    """Each worker has its own: workers may be forks of one process that has imported this."""
    _Shared.stopping = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def _tell_the_pool(**_: Any) -> None:
    _Shared.stopping[0] = 1


@worker_ready.connect
def _take_over(sender: Any, **_: Any) -> None:
    """Put back what workers that died have not acknowledged, which Redis alone would do an hour later.

    A living worker's payload comes twice then, which changes nothing: it is acknowledged only once it is stored, or has
    been handed over. RabbitMQ needs no help.
    """
    qos = sender.task_consumer.channel.qos
    if not hasattr(qos, "restore_by_tag"):
        return
    with qos.channel.conn_or_acquire() as client:
        for tag in client.zrange(qos.unacked_index_key, 0, -1):
            qos.restore_by_tag(tag, client)


class PayloadRequest(QuietRequest):
    """A message on its way through the worker, with its arguments out of sight."""

    def __init__(self, message: Any, **options: Any) -> None:
        """Take the message; what its producer wrote for others to see is replaced."""
        super().__init__(message, **options)
        self._argsrepr = self._kwargsrepr = HIDDEN
        self._request_dict.update(argsrepr=HIDDEN, kwargsrepr=HIDDEN)

    def info(self, safe: bool = False) -> dict[str, Any]:
        """What `celery inspect` shows."""
        return dict(super().info(safe=True))


class PayloadTask(Task):
    """A task whose message is kept until it is stored."""

    abstract = True
    Request = PayloadRequest
    acks_late = True
    acks_on_timeout = False
    reject_on_worker_lost = True
    time_limit = _DAY
    soft_time_limit = _DAY

    @property
    def again(self) -> bool:
        """Whether an earlier run of this task may have begun."""
        return bool((self.request.delivery_info or {}).get("redelivered") or self.request.get(_AGAIN))

    def until_stored(self, store: Callable[[], T]) -> T | None:
        """Carry out `store`, and again while the database is away; None when a fresh message has taken over.

        `store` must raise an error of the database only when it did nothing that may not be done twice.
        """
        while True:
            for wait in WAITS:
                try:
                    return store()
                except DRIVER_ERRORS as error:
                    why = type(getattr(error, "orig", None) or error).__name__
                    log.warning("payload_waits task=%s id=%s why=%s", self.name, self.request.id, why)
                self._pause(wait)
            if self._hand_over():
                return None

    def _pause(self, seconds: float) -> None:
        """Wait; a worker that stops, or a task out of time, puts the message back at once."""
        try:
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                if _Shared.stopping[0]:
                    raise Reject("the worker stops", requeue=True)
                time.sleep(0.1)
        except SoftTimeLimitExceeded:
            raise Reject("the task's time is over", requeue=True) from None

    def _hand_over(self) -> bool:
        """Publish the same task again; only then may this message be acknowledged."""
        try:
            self.apply_async(
                self.request.args,
                self.request.kwargs,
                task_id=self.request.id,
                expires=self.request.expires,
                headers={_AGAIN: True} if self.again else None,
                argsrepr=HIDDEN,
                kwargsrepr=HIDDEN,
            )
        except Exception as error:
            log.warning("payload_kept task=%s id=%s why=%s", self.name, self.request.id, type(error).__name__)
            return False
        return True
