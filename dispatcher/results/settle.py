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
from sqlalchemy import Connection, Engine, select, text

from dispatcher.accounts import staleness
from dispatcher.db.statements import query
from dispatcher.db.transactions import pin_key_lookups, pin_range_scan, retry_deadlocks
from dispatcher.domain import idinterno
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.provider.codes import account_scope, strip_number
from dispatcher.results.seen_lines import Seen
from dispatcher.suppression import from_results
from schemas import tables

log = logging.getLogger(__name__)

EARLY_TOLERANCE = timedelta(seconds=30)
"""A fecha may lie this much before the chunk's first POST: clocks are measured to a second, and may drift."""

MAX_REFUSALS = 5
"""So often lines go again after the account was refused for them; then the operator decides."""

_NEVER_POSTED = "the provider has {} results of lines that this database never posted"
_FINAL_GOOD = (0, 1)
_FEW_LINES = 1000
_DENSE = 0.4  # of a key range that a batch covers: from here on reading it whole is cheaper
_COPY = "COPY settle_line (campaign_id, seq, generation, root_no, code, fecha, text) FROM STDIN (FORMAT csv)"


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
    _prefixes: dict[int, str | None] = field(default_factory=dict)
    _boundaries: dict[int, pl.DataFrame] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)

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
        outcome = Settled()
        keyed = frame
        if "hash" not in frame.columns:
            keyed = frame.with_columns(hash=pl.struct("idinterno", "fecha", "text").hash())
        if skip_seen and not keyed.is_empty():
            keyed = keyed.filter(self.seen.unseen()(keyed["hash"]))
        fresh, unknown = self._ours(keyed, outcome)
        if fresh.is_empty() and unknown.is_empty() and also is None:
            return outcome

        def transaction() -> Settled:
            done = replace(outcome)
            with self.engine.begin() as connection:
                done.never_posted = _beyond_our_campaigns(connection, unknown)
                if not fresh.is_empty():
                    settle_ours(connection, self.account_id, fresh, done, refusals_count=refusals_count)
                if done.foreign or done.early:
                    _count_strangers(connection, self.account_id, done)
                if also:
                    also(connection, done)
            return done

        outcome = retry_deadlocks(transaction)
        if outcome.never_posted and staleness.stop(
            self.engine, self.account_id, _NEVER_POSTED.format(outcome.never_posted)
        ):
            self.seen = Seen()  # what is held now may have results among the lines that were passed over
            return outcome
        self.seen.add(fresh)
        return outcome

    def _ours(self, frame: pl.DataFrame, outcome: Settled) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Split lines into those of a message of this account's campaigns, with root_no, and decoded others."""
        decoded = idinterno.decode_column(frame)
        known = self._campaigns(decoded["campaign_id"].unique().to_list())
        prefixes = pl.DataFrame(
            {"campaign_id": list(known), "own_prefix": list(known.values())},
            schema={"campaign_id": pl.Int64, "own_prefix": pl.String},
        )
        ours = decoded.join(prefixes, on="campaign_id", how="inner").filter(pl.col("prefix") == pl.col("own_prefix"))
        parts = []
        for (campaign_id,), lines in ours.group_by("campaign_id"):
            roots = self._boundaries[int(str(campaign_id))]
            parts.append(
                lines.sort("seq")
                .join_asof(roots, left_on="seq", right_on="first_seq", strategy="backward")
                .filter(pl.col("seq") <= pl.col("last_seq"))
            )
        mapped = pl.concat(parts) if parts else ours.with_columns(root_no=pl.lit(0, pl.Int32))
        outcome.ours = mapped.height
        outcome.foreign = frame.height - mapped.height
        outcome.latest = mapped["fecha"].max() if mapped.height else None  # type: ignore[assignment]  # a datetime column
        columns = ["hash", "campaign_id", "generation", "seq", "root_no", "fecha", "text", "code"]
        return mapped.select(columns), decoded.filter(~pl.col("hash").is_in(mapped["hash"].implode()))

    def _campaigns(self, campaign_ids: list[int]) -> dict[int, str]:
        """Prefix of each of these campaigns that is the account's; their chunk boundaries are fetched once."""
        missing = [number for number in campaign_ids if number not in self._prefixes]
        if missing:
            with self.engine.connect() as connection:
                rows = connection.execute(
                    text("SELECT id, prefix FROM campaign WHERE account_id = :account AND id = ANY(:ids)"),
                    {"account": self.account_id, "ids": missing},
                ).all()
                for row in rows:
                    roots = connection.execute(
                        text(
                            "SELECT first_seq, last_seq, chunk_no FROM chunk "
                            "WHERE campaign_id = :id AND parent_no IS NULL ORDER BY first_seq"
                        ),
                        {"id": row.id},
                    ).all()
                    self._boundaries[row.id] = pl.DataFrame(
                        [tuple(root) for root in roots],
                        schema={"first_seq": pl.Int32, "last_seq": pl.Int32, "root_no": pl.Int32},
                        orient="row",
                    )
            # A campaign opens with all its chunks in one transaction, so what is found never changes;
            # what is not found may appear later only under the id of a restored database: ask again then.
            self._prefixes.update({row.id: row.prefix for row in rows})
        return {n: prefix for n in campaign_ids if (prefix := self._prefixes.get(n)) is not None}


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
    about_account = _about_account(timely)
    if about_account.height:
        _requeue_refused(connection, account_id, about_account, outcome)
        timely = timely.join(about_account.select("hash"), on="hash", how="anti")
    if timely.height:
        _settle_messages(connection, account_id, timely, outcome, refusals_count)


def _settle_messages(
    connection: Connection, account_id: int, timely: pl.DataFrame, outcome: Settled, refusals_count: bool
) -> None:
    """Settle lines that speak of their own message."""
    # One line an idinterno for the bulk update: a good one if there is one, else the earliest; -4 last, since on
    # a resent line it does not count, and must not stand before one that does.
    first, rest = timely, timely.clear()
    key = ["campaign_id", "seq", "generation"]
    if timely["seq"].n_unique() < timely.height:
        ranked = timely.with_columns(bad=~pl.col("code").is_in(_FINAL_GOOD), identical=pl.col("code") == -4)
        ranked = ranked.sort("bad", "identical", "fecha").drop("bad", "identical")
        first = ranked.unique(key, keep="first", maintain_order=True)
        rest = ranked.join(first.select("hash"), on="hash", how="anti").unique("hash")
    first = first.sort("campaign_id", "seq")
    _stage(connection, first, refusals_count)
    row = _settle_staged(connection, account_id, first)
    outcome.settled += row.settled
    codes = set(first["code"].unique())
    if row.delay is not None:
        connection.execute(query("note_delay"), {"account_id": account_id, "ms": max(0, round(row.delay * 1000))})
    if 0 in codes and connection.execute(query("end_block_by_result"), {"account_id": account_id}).first():
        log.info("account_open account=%s cause=result", account_id)
    from_results.apply_suppressions(connection, codes)
    if row.settled < first.height:
        _handle_others(connection, outcome)
    if rest.height:
        connection.exec_driver_sql("DELETE FROM settle_line")
        _stage(connection, rest, refusals_count)
        from_results.apply_suppressions(connection, set(rest["code"].unique()))
        _handle_others(connection, outcome)
    if row.campaigns:
        # Its own transaction would be enough; the chunks are locked before the campaigns everywhere.
        complete(connection, account_id)


def _beyond_our_campaigns(connection: Connection, lines: pl.DataFrame) -> int:
    """Count lines under this installation's prefix whose campaign, or whose line of it, this database does not have."""
    if lines.is_empty():
        return 0
    life = connection.execute(select(tables.installation.c.prefix)).scalar_one()
    own = lines.filter(pl.col("prefix") == life)
    if own.is_empty():
        return 0
    campaign = tables.campaign.c
    known = connection.execute(
        select(campaign.id, campaign.messages).where(campaign.id.in_(own["campaign_id"].unique().to_list()))
    ).all()
    rows = {row.id: row.messages for row in known}
    beyond = [line for line in own.select("campaign_id", "seq").iter_rows() if line[1] > rows.get(line[0], 0)]
    for campaign_id, seq in beyond[:10]:
        log.warning("never_posted campaign=%s seq=%s reason=not_in_database", campaign_id, seq)
    return len(beyond)


def _under_own_prefix(connection: Connection, campaign_ids: list[int]) -> set[int]:
    """Those of the campaigns whose idinternos carry the installation's present prefix."""
    campaign, life = tables.campaign.c, select(tables.installation.c.prefix).scalar_subquery()
    return set(
        connection.execute(select(campaign.id).where(campaign.id.in_(campaign_ids), campaign.prefix == life)).scalars()
    )


def complete(connection: Connection, account_id: int) -> list[int]:
    """Complete the campaigns whose chunks are all final. Returns their ids."""
    ids = list(connection.execute(query("lock_complete"), {"account_id": account_id}).scalars())
    return list(connection.execute(query("complete_campaigns"), {"ids": ids}).scalars()) if ids else []


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
    if unposted.height:
        own = _under_own_prefix(connection, unposted["campaign_id"].unique().to_list())
        ours = unposted.filter(pl.col("campaign_id").is_in(list(own)))
        for campaign_id, root_no in ours.select("campaign_id", "root_no").unique().iter_rows():
            log.warning("never_posted campaign=%s chunk=%s", campaign_id, root_no)
        outcome.never_posted += ours.height
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


def _stage(connection: Connection, lines: pl.DataFrame, refusals_count: bool) -> None:
    """COPY lines into the transaction's own table."""
    connection.exec_driver_sql(
        "CREATE TEMP TABLE IF NOT EXISTS settle_line (campaign_id bigint, seq int, generation smallint, "
        "root_no int, code smallint, fecha timestamptz, text text) ON COMMIT DELETE ROWS"
    )
    data = lines.select(
        "campaign_id",
        "seq",
        "generation",
        # With no root, a -4 on a resent line counts like any other.
        pl.lit(None, pl.Int32).alias("root_no") if refusals_count else pl.col("root_no"),
        "code",
        _of_distinct(lines["fecha"], lambda fechas: fechas.dt.strftime("%Y-%m-%d %H:%M:%S-03")),
        _of_distinct(lines["text"], _stored_words),
    ).write_csv(include_header=False, quote_style="necessary")
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(data)


def _of_distinct(column: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Change a column that has few distinct values."""
    distinct = column.unique()
    return column.replace_strict(distinct, change(distinct))


def _stored_words(texts: pl.Series) -> pl.Series:
    """What the table keeps of the provider's words: null for OK."""
    plain = texts.str.replace_all("\x00", " ", literal=True)
    return plain.set(texts.str.strip_chars().str.to_uppercase() == "OK", None)


def _handle_others(connection: Connection, outcome: Settled) -> None:
    """Lines that did not settle a message now: keep each distinct one, and let OK overwrite an error."""
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
                counter = {"campaign_id": row.campaign_id, "chunk_no": changed.chunk_no}
                connection.execute(query("move_count"), {**counter, "old": row.result_code, "new": row.code})
                old = {"fecha": row.processed_at, "code": row.result_code, "text": row.result_text or "OK"}
                connection.execute(query("keep_line"), {**line, **old})
                continue
        if row.generation > row.message_generation and _under_own_prefix(connection, [row.campaign_id]):
            log.warning("never_posted campaign=%s seq=%s generation=%s", row.campaign_id, row.seq, row.generation)
            outcome.never_posted += 1
        former = row.generation < row.message_generation and row.result_code is None
        if former and row.code in _FINAL_GOOD:
            good = {**line, "text": None if row.text.upper() == "OK" else row.text}
            outcome.settled += connection.execute(query("settle_former_line"), good).rowcount
        connection.execute(query("keep_line"), line)


def _about_account(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines whose words speak of the account (credit, contract) and not of their message."""
    others = lines.filter(pl.col("code") == -99)
    if others.is_empty():
        return others
    words = others["text"].unique()
    return others.filter(pl.col("text").is_in([text for text in words if _cause(text)]))


def _cause(words: str) -> str | None:
    scope = account_scope(words)
    return scope if scope in ("credit", "contract") else None


def _requeue_refused(connection: Connection, account_id: int, lines: pl.DataFrame, outcome: Settled) -> None:
    """Block the account by the newest of these lines, and make them due again under their next generation."""
    fecha, words = lines.sort("fecha").select("fecha", "text").row(-1)
    plain = strip_number(words)
    parameters = {
        "account_id": account_id,
        "words": plain,
        "cause": _cause(words),
        "fecha": fecha.replace(tzinfo=PROVIDER_ZONE),
    }
    begun = connection.execute(query("block_by_result"), parameters).first()
    if begun and begun.begun:
        log.error("account_blocked account=%s words=%r", account_id, plain[:200])
    for campaign_id in sorted(lines["campaign_id"].unique()):
        connection.execute(query("lock_campaign"), {"campaign_id": campaign_id})
    key = ["campaign_id", "seq", "generation"]
    _stage(connection, lines.sort("fecha").unique(key, keep="first", maintain_order=True), refusals_count=True)
    for child in connection.execute(query("requeue_refused"), {"most": MAX_REFUSALS}).all():
        outcome.changed += child.n
        log.warning(
            "account_refused campaign=%s chunk=%s child=%s state=%s lines=%s",
            child.campaign_id,
            child.parent_no,
            child.chunk_no,
            child.state,
            child.n,
        )
    _handle_others(connection, outcome)
    connection.exec_driver_sql("DELETE FROM settle_line")


def _count_strangers(connection: Connection, account_id: int, outcome: Settled) -> None:
    connection.execute(
        text(
            "UPDATE account SET foreign_lines = foreign_lines + :foreign, early_lines = early_lines + :early "
            "WHERE id = :id"
        ),
        {"foreign": outcome.foreign, "early": outcome.early, "id": account_id},
    )


def count_unmapped(connection: Connection, sentences: dict[str, int]) -> None:
    """Keep the sentences that no pattern knows, with how often they came."""
    for sentence, n in sorted(sentences.items()):
        connection.execute(
            text(
                "INSERT INTO unmapped_sentence AS u (sentence, n) VALUES (:sentence, :n) "
                "ON CONFLICT (sentence) DO UPDATE SET n = u.n + :n, last_seen = now()"
            ),
            {"sentence": sentence.replace("\x00", " ")[:500], "n": n},
        )
        log.warning("unmapped_sentence n=%s text=%r", n, sentence[:120])
