"""A batch's results as the status pages show them."""

from __future__ import annotations

from ops.simulator import clock
from ops.simulator.ledger import Batch


def rows_of(batch: Batch) -> bytes:
    """The batch's status rows, `idinterno TAB fecha TAB answer CRLF`, as ISO-8859-1, each `copies` times."""
    if batch.fecha is None:
        raise ValueError("the batch has not been processed")
    fecha = b"\t" + clock.stamp(batch.fecha).encode() + b"\t"
    good = fecha + b"OK\r\n"
    if batch.verdicts is None:
        rows = batch.packed_ids.replace(b"\n", good) + good
    else:
        rows = b"".join(
            idinterno + (good if verdict is None else fecha + _refusal(rest, verdict))
            for idinterno, rest, verdict in zip(batch.ids, batch.rests, batch.verdicts, strict=True)
        )
    return rows * batch.copies


def _refusal(rest: bytes, sentence: str) -> bytes:
    destino = rest.partition(b"\t")[0].decode("utf-8")
    return f"{destino}: {sentence}\r\n".encode("latin-1", "replace")
