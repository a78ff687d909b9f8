"""How much the database was asked: it writes every statement into its log, which costs a campaign about 1 %.

pg_stat_statements would be cheaper, but the embedded server does not come with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ops.bench.stack import Stack

_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (COMMIT)?")


@dataclass(frozen=True)
class Counters:
    """Statements, BEGIN and COMMIT among them; transactions that were committed; bytes of write-ahead log."""

    statements: int
    transactions: int
    wal_bytes: int

    def __sub__(self, before: Counters) -> Counters:
        return Counters(
            self.statements - before.statements,
            self.transactions - before.transactions,
            self.wal_bytes - before.wal_bytes,
        )


def switch_on(stack: Stack) -> None:
    """Log the statements of every session that begins from now on."""
    stack.observer.execute("ALTER DATABASE dispatcher SET log_statement = 'all'")
    stack.observer.execute("ALTER DATABASE dispatcher SET log_parameter_max_length = 0")


def counters(stack: Stack) -> Counters:
    """What was counted so far."""
    found = [match[1] for match in _STATEMENT.finditer(stack.postgres_log.read_text(errors="replace"))]
    wal = stack.scalar("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    return Counters(len(found), sum(word is not None for word in found), wal)
