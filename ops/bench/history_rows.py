"""Years of history, made by Postgres itself in minutes: campaigns that have ended, opt-outs and replies."""

from dataclasses import dataclass

from dispatcher.db import ranges
from ops.bench.stack import Stack

WEEKS = 56
"""A year and a month."""


@dataclass(frozen=True)
class Size:
    """How much there is; `units` of the messages have a chunk of their own, as those of HTML campaigns have."""

    messages: int
    campaigns: int
    units: int
    optouts: int
    replies: int

    @classmethod
    def of(cls, messages: int) -> "Size":
        """In the proportion of 100 M messages in 3,000 campaigns, 60,000 of them units, 10 M opt-outs, 5 M replies."""
        return cls(messages, 3000, min(60_000, messages // 20), messages // 10, messages // 20)


def fill(running: Stack, size: Size) -> None:
    """Write the history, a week at a time in ranges as the tick would have made them, and seal those that are quiet."""
    execute = running.observer.execute
    each = size.messages // size.campaigns
    unit_campaigns = size.units // each
    done = 0
    for week in range(WEEKS):
        wanted = size.campaigns * (week + 1) // WEEKS - done
        write_week(running, wanted, each, weeks_ago=WEEKS - week, step=1 if done < unit_campaigns else 1000)
        done += wanted
    execute(_OPTOUTS, {"n": size.optouts})
    execute(_REPLIES, {"account": running.scalar("SELECT id FROM account"), "n": size.replies})
    execute("VACUUM ANALYZE")
    while ranges.seal_one(running.runtime.engine):
        pass


def begin(running: Stack) -> None:
    """What a new installation has after its first days: a list of campaigns that fills its page, and some opt-outs."""
    write_week(running, 50, 20, weeks_ago=1)
    running.observer.execute(_OPTOUTS, {"n": 1000})
    # The provider knows nothing of these campaigns, so how it reads fecha could not be found out by them.
    running.observer.execute("UPDATE account SET reading = 'since', reading_found_at = now()")


def write_week(running: Stack, campaigns: int, each: int, *, weeks_ago: int, step: int = 1000) -> None:
    """Campaigns of a week that is long over, of `each` messages in chunks of `step`, with all their results."""
    execute = running.observer.execute
    first = running.scalar("SELECT max(id) + 1 FROM campaign")
    account = running.scalar("SELECT id FROM account")
    week = {"account": account, "each": each, "first": first, "last": first + campaigns - 1}
    week |= {"weeks": weeks_ago, "step": step}
    # Made as of today, so that a range is as wide as a week; then they are moved back to theirs.
    execute(_CAMPAIGNS, week)
    execute("SELECT make_message_ranges(%(last)s, 2)", week)
    for statement in (_CHUNKS, _MESSAGES, _COUNTS, _BACK):
        execute(statement, week)
    execute("SELECT setval('campaign_id_seq', %(last)s)", week)


_CAMPAIGNS = """
INSERT INTO campaign (id, account_id, prefix, name, template, state, rows, messages, started_at, completed_at)
SELECT id, %(account)s, prefix, 'Campaign ' || id, 'Hola', 'completed', %(each)s, %(each)s, now(), now()
FROM installation, generate_series(%(first)s::bigint, %(last)s::bigint) AS id
"""
_CHUNKS = """
INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, first_seq, last_seq, messages, resulted, state, attempt,
                   first_post_at, posted_at, accepted_at, settled_at, resulted_at, traced_seq)
SELECT id, %(account)s, no, no, (no - 1) * %(step)s + 1, least(no * %(step)s, %(each)s), n, n, 'settled', 1,
       at, at, at, at, at, least(no * %(step)s, %(each)s)
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS id,
     generate_series(1, (%(each)s + %(step)s - 1) / %(step)s) AS no,
     LATERAL (SELECT least(no * %(step)s, %(each)s) - (no - 1) * %(step)s AS n,
                     now() - make_interval(weeks => %(weeks)s) AS at) AS c
"""
# Everybody hears once a week or so; one message in twenty was rejected.
_MESSAGES = """
INSERT INTO message (campaign_id, seq, chunk_no, line, result_code, processed_at, destino, texto, external_id,
                     result_text)
SELECT id, seq, (seq - 1) / %(step)s + 1, seq + 1, CASE WHEN seq %% 20 = 0 THEN -12 ELSE 0 END,
       now() - make_interval(weeks => %(weeks)s), '11' || 20000000 + (id * 7919 + seq * 31) %% 2000000,
       'Hola Martina, su saldo es $' || seq %% 90000 || ',50. Empresa SA', 'C' || seq,
       CASE WHEN seq %% 20 = 0 THEN 'El numero no pertenece a una red celular' END
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS id, generate_series(1, %(each)s) AS seq
"""
_COUNTS = """
INSERT INTO chunk_result (campaign_id, chunk_no, code, n)
SELECT campaign_id, chunk_no, code, n
FROM (SELECT campaign_id, chunk_no, last_seq / 20 - (first_seq - 1) / 20 AS bad, messages FROM chunk
      WHERE campaign_id BETWEEN %(first)s AND %(last)s) AS c,
     LATERAL (VALUES (0, messages - bad), (-12, bad)) AS r (code, n)
WHERE n > 0
"""
_BACK = """
UPDATE campaign SET created_at = at, started_at = at, completed_at = at
FROM (SELECT now() - make_interval(weeks => %(weeks)s) AS at) AS t WHERE id BETWEEN %(first)s AND %(last)s
"""
_OPTOUTS = """
INSERT INTO optout (destino, source, since)
SELECT '11' || 30000000 + n, 'import', now() - make_interval(secs => n) FROM generate_series(1, %(n)s) AS n
ON CONFLICT DO NOTHING
"""
_REPLIES = """
INSERT INTO reply (account_id, provider_id, origen, texto, plain, received_at, source, kind)
SELECT %(account)s, n, '11' || 20000000 + n %% 2000000, 'Gracias', 'Gracias', now() - make_interval(secs => n * 6),
       'pull', 'reply'
FROM generate_series(1, %(n)s) AS n
"""
