"""What is logged of a transaction is logged when it commits: a line about what was rolled back would be untrue."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, event


def log_at_commit(connection: Connection, log: logging.Logger, line: str, *values: object) -> None:
    """Write a line at INFO when the connection's transaction commits; never when it is rolled back."""

    def write(_: Connection) -> None:
        log.info(line, *values)

    event.listen(connection, "commit", write, once=True)
