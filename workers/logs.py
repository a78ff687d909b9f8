"""One log format for worker, beat and Flower, without phone numbers, texts and keys."""

import logging
from typing import Any

from celery.signals import setup_logging
from celery.worker.consumer import consumer

from dispatcher import config, error_reports
from dispatcher.logs import OURS, WithoutQuotes, formatter

_QUIET = ("celery.worker.strategy", "celery.app.trace", "celery.beat")
# At DEBUG they write whole URLs, which hold the key, and whole messages, which hold numbers and texts.
_NEVER_DEBUG = ("urllib3", "celery.pool", "kombu", "amqp")

_REFUSALS = {
    consumer.UNKNOWN_TASK_ERROR: "message_refused why=unknown task=%s",
    consumer.INVALID_TASK_ERROR: "message_refused why=invalid error=%s",
    consumer.MESSAGE_DECODE_ERROR: "message_refused why=undecodable error=%s",
    consumer.UNKNOWN_FORMAT: "message_refused why=no_task",
}
"""What Celery logs, with the whole body, of a message that no task of ours can take; and what we log instead."""


class _WithoutBodies(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        words = _REFUSALS.get(record.msg)
        if words is not None:
            # The first argument is the error. Of an unknown task that is its name, of all others it may quote the body.
            error = record.args[0] if isinstance(record.args, tuple) and "%s" in words else None
            named = record.msg == consumer.UNKNOWN_TASK_ERROR
            shown = () if error is None else ((str(error) if named else type(error).__name__)[:200],)
            record.msg, record.args, record.exc_info, record.exc_text = words, shown, None, None
        return True


@setup_logging.connect
def set_up(loglevel: int | str | None = None, **_: Any) -> None:
    """Celery's own set-up is replaced."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(config.settings().log, "%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(WithoutQuotes())
    logging.basicConfig(level=loglevel or logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    error_reports.start(config.settings())
    # Celery's own default is WARNING, and what happened to a campaign is INFO.
    for name in OURS:
        logging.getLogger(name).setLevel(min(logging.INFO, logging.root.level))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _NEVER_DEBUG:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.root.level))
    logging.getLogger(consumer.__name__).addFilter(_WithoutBodies())
