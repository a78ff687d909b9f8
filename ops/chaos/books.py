"""The count of `tally.py` for millions of messages, in columns. Pure."""

import io

import polars as pl

from ops.chaos.tally import FINAL, NEVER_SENT, WITH_RESULT, Tally
from ops.simulator import sentences

PAIR = ["destino", "texto"]
_TEXT = dict.fromkeys(("verdict", "idinterno", "destino", "texto"), pl.String)
LEDGER = {"post": pl.Int64, "in_window": pl.Int64, "processed": pl.Int64, **_TEXT}
"""The simulator's lines, in the order of `ops.simulator.ledger.Ledger.table`."""
MESSAGES = {
    "campaign_id": pl.Int64,
    "seq": pl.Int64,
    "destino": pl.String,
    "texto": pl.String,
    "idinterno": pl.String,
    "status": pl.String,
    "result_code": pl.Int64,
    "result_text": pl.String,
}
"""What the database says of each message, as `message_status` has it."""


def read(data: bytes, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """Rows parted by TABs, with no heading and no quotes."""
    if not data:
        return pl.DataFrame(schema=schema)
    return pl.read_csv(
        io.BytesIO(data), separator="\t", has_header=False, quote_char=None, schema=schema, null_values="\\N"
    )


def count(wanted: pl.DataFrame, messages: pl.DataFrame, ledger: pl.DataFrame) -> Tally:
    """Compare the three, as `tally.count` does.

    Args:
        wanted: campaign_id, destino and texto of each row that was handed in; no pair of the two comes twice.
        messages: the columns of MESSAGES.
        ledger: the columns of LEDGER. A line of nobody here counts as sent twice: it belongs to an earlier campaign.
    """
    tally = Tally(messages=wanted.height)
    ledger = ledger.with_columns(
        pl.col("idinterno").str.to_uppercase(), good=(pl.col("verdict") == sentences.OK).fill_null(False)
    )
    tally.lost += _complain(tally, "lost: no message", wanted.join(messages, on=PAIR, how="anti"))
    tally.wrong += _complain(tally, "wrong: never handed in", messages.join(wanted, on=PAIR, how="anti"))
    tally.twice += _complain(tally, "twice: taken of an earlier campaign", ledger.join(wanted, on=PAIR, how="anti"))
    tally.outside += _complain(tally, "outside: the window", ledger.filter(pl.col("in_window") == 0))
    _count_copies(tally, ledger)
    _judge(tally, messages, ledger)
    return tally


def _count_copies(tally: Tally, ledger: pl.DataFrame) -> None:
    """A line counts once under each idinterno, and as sent under one of them."""
    copies = ledger.filter(pl.struct(PAIR).is_duplicated())
    if copies.is_empty():
        return
    good = pl.col("idinterno").filter("good").n_unique()
    each = copies.group_by(PAIR).agg(
        "post", more=pl.len() - pl.col("idinterno").n_unique() + pl.max_horizontal(good.cast(pl.Int64) - 1, 0)
    )
    _complain(tally, "twice: taken in these posts", each.filter(pl.col("more") > 0))
    tally.twice += int(each["more"].sum())


def _judge(tally: Tally, messages: pl.DataFrame, ledger: pl.DataFrame) -> None:
    """Each message against the provider's best word for the idinterno that it has now."""
    best = (
        ledger.sort("good", "processed", descending=[True, False])
        .unique("idinterno", keep="first", maintain_order=True)
        .select("idinterno", "verdict", "processed")
    )
    judged = messages.join(best, on="idinterno", how="left")
    codes = {verdict: sentences.code_of(verdict) for verdict in best["verdict"].unique().drop_nulls().to_list()}
    known = pl.col("processed").is_not_null()
    sentence = pl.col("verdict")
    judged = judged.with_columns(
        known=known,
        code=sentence.replace_strict(codes, default=None, return_dtype=pl.Int64),
        words=pl.when(sentence == sentences.OK).then(sentence).otherwise(pl.format("{}: {}", "destino", "verdict")),
    )
    held = pl.col("status") == "held"
    final = pl.col("status").is_in(FINAL)
    missing = final & ~pl.col("known") & pl.col("status").is_in([*WITH_RESULT, "unknown"])
    same = pl.col("result_code").eq_missing(pl.col("code")) & pl.col("result_text").eq_missing(pl.col("words"))
    wrong = pl.col("known") & final & (pl.col("status").is_in(NEVER_SENT) | ~same)
    tally.held += judged.filter(held).height
    tally.lost += _complain(tally, "lost: not final", judged.filter(~held & ~final))
    tally.lost += _complain(tally, "lost: the provider never had it", judged.filter(missing))
    tally.wrong += _complain(tally, "wrong: the provider said something else", judged.filter(wrong))


def _complain(tally: Tally, words: str, rows: pl.DataFrame) -> int:
    for row in rows.head(3).iter_rows(named=True):
        tally.complain(f"{words}: {row}")
    return rows.height
