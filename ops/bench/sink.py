"""The design that is not ours, to compare with: one Celery task a message, which posts it and writes its result.

`celery -A ops.bench.sink:app worker` runs it; the addresses come in the environment, set by the measurement alone.
"""

import os
from functools import lru_cache
from typing import Any

import psycopg
import requests
from celery import Celery

app = Celery("sink", broker=os.environ.get("BENCH_BROKER_URL"))
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    task_default_queue="sink",
    broker_connection_retry_on_startup=True,
)


@lru_cache(maxsize=1)
def _connections() -> tuple[requests.Session, psycopg.Connection[Any]]:
    session = requests.Session()
    session.trust_env = False
    return session, psycopg.connect(os.environ["BENCH_DATABASE_URL"], autocommit=True)


@app.task(name="sink.send")  # type: ignore[untyped-decorator]
def send(campaign_id: int, seq: int) -> None:
    """Read one message, post it as a bulk of one line, write down that it went."""
    session, database = _connections()
    row = database.execute(
        "SELECT idinterno, destino, texto FROM message_status WHERE campaign_id = %s AND seq = %s", (campaign_id, seq)
    ).fetchone()
    assert row is not None
    fields = {"apikey": os.environ["BENCH_APIKEY"], "separadorcampos": "tab", "bloque": "\t".join(row)}
    answer = session.post(os.environ["BENCH_PROVIDER_URL"] + "/enviar_sms_bloque.asp", data=fields, timeout=60)
    if answer.text.strip() == "OK":
        database.execute(
            "UPDATE message SET result_code = 0, processed_at = now() WHERE campaign_id = %s AND seq = %s",
            (campaign_id, seq),
        )
