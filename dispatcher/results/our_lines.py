"""Which result lines are ours: of a message of this account's campaigns, and of which of its chunks."""

from dataclasses import dataclass, field

import polars as pl
from sqlalchemy import ARRAY, BigInteger, Connection, Engine, any_, bindparam, literal, select

from dispatcher.domain.idinterno_column import decode_column
from schemas import tables

_chunk = tables.chunk.c
_ROOTS = (
    select(_chunk.first_seq, _chunk.last_seq, _chunk.chunk_no)
    .where(_chunk.campaign_id == bindparam("campaign"), _chunk.parent_no.is_(None))
    .order_by(_chunk.first_seq)
)


@dataclass
class OurCampaigns:
    """The campaigns of one account, with their chunks as loaded; they are read once, and again after an append."""

    engine: Engine
    account_id: int
    _prefixes: dict[int, str] = field(default_factory=dict)
    _roots: dict[int, pl.DataFrame] = field(default_factory=dict)

    def split(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Split lines into ours, with the number of the chunk that they were loaded in, and decoded others.

        Args:
            frame: columns idinterno, hash, fecha, text, code.

        Returns:
            Ours: hash, campaign_id, generation, seq, root_no, fecha, text, code. Others: what the idinterno holds is
            in the columns prefix, campaign_id, generation and seq.
        """
        decoded = decode_column(frame)
        known = self._campaigns(decoded["campaign_id"].unique().to_list())
        prefixes = pl.DataFrame(
            {"campaign_id": list(known), "own_prefix": list(known.values())},
            schema={"campaign_id": pl.Int64, "own_prefix": pl.String},
        )
        ours = decoded.join(prefixes, on="campaign_id", how="inner").filter(pl.col("prefix") == pl.col("own_prefix"))
        parts = []
        for (campaign_id,), lines in ours.group_by("campaign_id"):
            roots = self._roots_up_to(int(str(campaign_id)), lines["seq"].max())
            parts.append(
                lines.sort("seq")
                .join_asof(roots, left_on="seq", right_on="first_seq", strategy="backward")
                .filter(pl.col("seq") <= pl.col("last_seq"))
            )
        mapped = pl.concat(parts) if parts else ours.with_columns(root_no=pl.lit(0, pl.Int32))
        columns = ["hash", "campaign_id", "generation", "seq", "root_no", "fecha", "text", "code"]
        return mapped.select(columns), decoded.filter(~pl.col("hash").is_in(mapped["hash"].implode()))

    def _roots_up_to(self, campaign_id: int, seq: object) -> pl.DataFrame:
        """The chunks of a campaign as loaded, read again when a line lies behind them: a list was appended."""
        roots = self._roots[campaign_id]
        if isinstance(seq, int) and seq > (roots["last_seq"][-1] if roots.height else 0):
            with self.engine.connect() as connection:
                roots = self._roots[campaign_id] = _read_roots(connection, campaign_id)
        return roots

    def _campaigns(self, campaign_ids: list[int]) -> dict[int, str]:
        """Prefix of each of these campaigns that is the account's."""
        missing = [number for number in campaign_ids if number not in self._prefixes]
        if missing:
            campaign = tables.campaign.c
            with self.engine.connect() as connection:
                rows = connection.execute(
                    select(campaign.id, campaign.prefix).where(
                        campaign.account_id == self.account_id,
                        campaign.id == any_(literal(missing, ARRAY(BigInteger))),
                    )
                ).all()
                for row in rows:
                    self._roots[row.id] = _read_roots(connection, row.id)
            # What is not found may appear later only under the id of a restored database: ask again then.
            self._prefixes.update({row.id: row.prefix for row in rows})
        return {number: self._prefixes[number] for number in campaign_ids if number in self._prefixes}


def _read_roots(connection: Connection, campaign_id: int) -> pl.DataFrame:
    return pl.DataFrame(
        [tuple(root) for root in connection.execute(_ROOTS, {"campaign": campaign_id}).all()],
        schema={"first_seq": pl.Int32, "last_seq": pl.Int32, "root_no": pl.Int32},
        orient="row",
    )
