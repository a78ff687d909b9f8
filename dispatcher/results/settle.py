"""Results: the provider's lines settle their messages, whatever the chunk's state.

A batch is settled in one transaction: families locked in ascending order, first results by key look-ups, the
per-chunk counters with exactly the rows that changed, then the few lines that say something else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, bindparam, update

from dispatcher.accounts import staleness
from dispatcher.db.statements import query
from dispatcher.db.transactions import pin_key_lookups, pin_range_scan, retry_deadlocks
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.results import account_refusals, never_posted, staging, telling
from dispatcher.results.completion import complete
from dispatcher.results.our_lines import OurCampaigns
from dispatcher.results.seen_lines import Seen
from dispatcher.suppression import from_results
from schemas import tables

log = logging.getLogger(__name__)

EARLY_TOLERANCE = timedelta(minutes=2)
"""A fecha may lie this much before the chunk's first POST: it may be cut to minutes, and its clock may lag."""

_FINAL_GOOD = (0, 1)
_FEW_LINES = 1000
_DENSE = 0.4  # of a key range that a batch covers: from here on reading it whole is cheaper
_COUNT_STRANGERS = (
    update(tables.account)
    .where(tables.account.c.id == bindparam("account"))
    .values(
        foreign_lines=tables.account.c.foreign_lines + bindparam("foreign"),
        early_lines=tables.account.c.early_lines + bindparam("early"),
    )
)


@dataclass(slots=True)
class Settled:
    """What a batch of lines did."""

    settled: int = 0
    changed: int = 0
    foreign: int = 0
    early: int = 0
    latest: datetime | None = None  # the latest fecha among our lines
    ours: int = 0
    never_posted: int = 0  # lines under our own prefix that nothing of ours was posted for

    def add(self, other: "Settled") -> None:
        """Sum up two batches."""
        self.settled += other.settled
        self.changed += other.changed
        self.foreign += other.foreign
        self.early += other.early
        self.ours += other.ours
        self.never_posted += other.never_posted
        self.see(other.latest)

    def see(self, latest: datetime | None) -> None:
        """Take note of a fecha."""
        if latest and (self.latest is None or latest > self.latest):
            self.latest = latest


@dataclass
class Settler:
    """Settles the lines of one account; remembers, in this process, which lines it has settled before."""

    engine: Engine
    account_id: int
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        """Begin without campaigns; each is read when its first line comes."""
        self._campaigns = OurCampaigns(self.engine, self.account_id)

    def settle(
        self,
        frame: pl.DataFrame,
        *,
        skip_seen: bool = True,
        refusals_count: bool = False,
        also: Callable[[Connection, Settled], None] | None = None,
    ) -> Settled:
        """Settle lines (columns idinterno, fecha naive provider-local, text, code) in one transaction.

        Args:
            frame: its column `hash`, when there is one, says which line of an answer each row was.
            skip_seen: pass over lines that this process settled before.
            refusals_count: a -4 on a resent line counts (its first line's result has been asked for).
            also: runs in the same transaction, last; the poll moves its cursor there.
        """
        keyed = frame
        if "hash" not in frame.columns:
            keyed = frame.with_columns(hash=pl.struct("idinterno", "fecha", "text").hash())
        if skip_seen and not keyed.is_empty():
            keyed = keyed.filter(self.seen.unseen()(keyed["hash"]))
        fresh, unknown = self._campaigns.split(keyed)
        outcome = Settled(ours=fresh.height, foreign=keyed.height - fresh.height, latest=_latest(fresh))
        if fresh.is_empty() and unknown.is_empty() and also is None:
            return outcome

        def transaction() -> Settled:
            done = replace(outcome)
            with self.engine.begin() as connection:
                done.never_posted = never_posted.count_beyond_campaigns(connection, unknown)
                if not fresh.is_empty():
                    settle_ours(connection, self.account_id, fresh, done, refusals_count=refusals_count)
                if done.foreign or done.early:
                    _count_strangers(connection, self.account_id, done)
                if also:
                    also(connection, done)
            return done

        outcome = retry_deadlocks(transaction)
        if outcome.never_posted and staleness.stop(
            self.engine, self.account_id, never_posted.STALE_WORDS.format(outcome.never_posted)
        ):
            self.seen = Seen()  # what is held now may have results among the lines that were passed over
            return outcome
        self.seen.add(fresh)
        return outcome


def _latest(lines: pl.DataFrame) -> datetime | None:
    return lines["fecha"].max() if lines.height else None  # type: ignore[return-value]  # a datetime column


def settle_ours(
    connection: Connection, account_id: int, lines: pl.DataFrame, outcome: Settled, *, refusals_count: bool
) -> None:
    """Settle lines known to be of this account's campaigns, in the caller's transaction; see `Settler.settle`.

    Columns: hash (any number a line of its own), campaign_id, generation, seq, root_no, fecha, text, code.
    """
    pin_key_lookups(connection)
    timely = _lock_and_drop_early(connection, lines, outcome)
    if timely.is_empty():
        return
    about_account = account_refusals.about_account(timely)
    if about_account.height:
        outcome.changed += account_refusals.requeue(connection, account_id, about_account)
        telling.tell_few(connection, _handle_others(connection, outcome))
        staging.clear(connection)
        timely = timely.join(about_account.select("hash"), on="hash", how="anti")
    if timely.height:
        _settle_messages(connection, account_id, timely, outcome, refusals_count)


def _settle_messages(
    connection: Connection, account_id: int, timely: pl.DataFrame, outcome: Settled, refusals_count: bool
) -> None:
    """Settle lines that speak of their own message."""
    # One line an idinterno for the bulk update: a good one if there is one, else the earliest; -4 last, since on
    # a resent line it does not count, and must not come before one that does.
    first, rest = timely, timely.clear()
    key = ["campaign_id", "seq", "generation"]
    if timely["seq"].n_unique() < timely.height:
        ranked = timely.with_columns(bad=~pl.col("code").is_in(_FINAL_GOOD), identical=pl.col("code") == -4)
        ranked = ranked.sort("bad", "identical", "fecha").drop("bad", "identical")
        first = ranked.unique(key, keep="first", maintain_order=True)
        rest = ranked.join(first.select("hash"), on="hash", how="anti").unique("hash")
    first = first.sort("campaign_id", "seq")
    staging.stage(connection, first, refusals_count=refusals_count)
    row = _settle_staged(connection, account_id, first)
    outcome.settled += row.settled
    codes = set(first["code"].unique())
    if row.delay is not None:
        connection.execute(query("note_delay"), {"account_id": account_id, "ms": max(0, round(row.delay * 1000))})
    if 0 in codes and connection.execute(query("end_block_by_result"), {"account_id": account_id}).first():
        log.info("account_open account=%s cause=result", account_id)
    from_results.apply_suppressions(connection, codes)
    if row.settled:
        telling.tell(connection, first)
    others = _handle_others(connection, outcome) if row.settled < first.height else []
    if rest.height:
        staging.clear(connection)
        staging.stage(connection, rest, refusals_count=refusals_count)
        from_results.apply_suppressions(connection, set(rest["code"].unique()))
        others += _handle_others(connection, outcome)
    telling.tell_few(connection, others)
    if row.campaigns:
        # Its own transaction would be enough; the chunks are locked before the campaigns everywhere.
        complete(connection, account_id)


def _lock_and_drop_early(connection: Connection, lines: pl.DataFrame, outcome: Settled) -> pl.DataFrame:
    """Lock the families of a batch in ascending order, and drop lines from before their chunk's first POST."""
    roots = lines.select("campaign_id", "root_no").unique()
    rows = connection.execute(
        query("lock_roots"), {"campaigns": roots["campaign_id"].to_list(), "chunks": roots["root_no"].to_list()}
    ).all()
    posted = pl.DataFrame(
        [
            (
                row.campaign_id,
                row.chunk_no,
                (row.first_post_at.astimezone(PROVIDER_ZONE) - EARLY_TOLERANCE).replace(tzinfo=None)
                if row.first_post_at
                else None,
            )
            for row in rows
        ],
        schema={"campaign_id": pl.Int64, "root_no": pl.Int32, "not_before": pl.Datetime("us")},
        orient="row",
    )
    # A chunk that was never posted has no results of its own: whatever comes for it is early.
    timely = lines.join(posted, on=["campaign_id", "root_no"], how="inner").filter(
        pl.col("fecha") >= pl.col("not_before")
    )
    outcome.early += lines.height - timely.height
    unposted = lines.join(posted.filter(pl.col("not_before").is_null()), on=["campaign_id", "root_no"], how="semi")
    outcome.never_posted += never_posted.count_in_unposted_chunks(connection, unposted)
    return timely.drop("not_before")


def _settle_staged(connection: Connection, account_id: int, lines: pl.DataFrame) -> Any:
    """Settle what is staged, `lines` in the order of their keys, by the cheaper of two plans."""
    latest = connection.execute(query("latest_moment"), {"account_id": account_id}).scalar_one()
    campaign_id, first_seq, last_seq = lines["campaign_id"][0], lines["seq"][0], lines["seq"][-1]
    if (
        campaign_id != lines["campaign_id"][-1]
        or lines.height < _FEW_LINES
        or lines.height < _DENSE * (last_seq - first_seq)
    ):
        return connection.execute(query("settle_lines"), {"latest": latest}).one()
    pin_range_scan(connection)
    row = connection.execute(
        query("settle_range"),
        {"campaign_id": campaign_id, "first_seq": first_seq, "last_seq": last_seq, "latest": latest},
    ).one()
    pin_key_lookups(connection)
    return row


def _handle_others(connection: Connection, outcome: Settled) -> list[tuple[int, int]]:
    """Lines that did not settle a message now: keep each distinct one, and let OK overwrite an error.

    Returns the messages, (campaign, seq), whose result is another one now.
    """
    told: list[tuple[int, int]] = []
    for row in connection.execute(query("unsettled_lines")).all():
        line = {
            "campaign_id": row.campaign_id,
            "seq": row.seq,
            "generation": row.generation,
            "fecha": row.fecha,
            "code": row.code,
            "text": row.text,
        }
        if row.generation == row.message_generation and row.code in _FINAL_GOOD and row.result_code is not None:
            changed = connection.execute(
                query("overwrite_error"), {**line, "text": None if row.text.upper() == "OK" else row.text}
            ).first()
            if changed:
                outcome.changed += 1
                told.append((row.campaign_id, row.seq))
                counter = {"campaign_id": row.campaign_id, "chunk_no": changed.chunk_no}
                connection.execute(query("move_count"), {**counter, "old": row.result_code, "new": row.code})
                old = {"fecha": row.processed_at, "code": row.result_code, "text": row.result_text or "OK"}
                connection.execute(query("keep_line"), {**line, **old})
                continue
        if row.generation > row.message_generation and never_posted.is_later_generation(
            connection, row.campaign_id, row.seq, row.generation
        ):
            outcome.never_posted += 1
        former = row.generation < row.message_generation and row.result_code is None
        if former and row.code in _FINAL_GOOD:
            good = {**line, "text": None if row.text.upper() == "OK" else row.text}
            if connection.execute(query("settle_former_line"), good).rowcount:
                outcome.settled += 1
                told.append((row.campaign_id, row.seq))
        connection.execute(query("keep_line"), line)
    return told


def _count_strangers(connection: Connection, account_id: int, outcome: Settled) -> None:
    connection.execute(_COUNT_STRANGERS, {"foreign": outcome.foreign, "early": outcome.early, "account": account_id})
