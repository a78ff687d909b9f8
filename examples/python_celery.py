"""Hand a campaign in through the broker with Celery, and read its outcome in Postgres.

    pip install "celery[redis]" "psycopg[binary]"
    python python_celery.py [IDEMPOTENCY_KEY]

DISPATCHER_BROKER_URL and DISPATCHER_DATABASE_URL say where. Run it twice: the same key and payload are one campaign.
"""

import os
import sys
import time

import psycopg
from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

BROKER = os.environ.get("DISPATCHER_BROKER_URL", "redis://127.0.0.1:6379/0")
DATABASE = os.environ.get("DISPATCHER_DATABASE_URL", "postgresql://127.0.0.1/dispatcher")
PATIENCE = 300  # seconds
OPEN = ["pending", "submitted", "in_doubt", "held"]

payload = {
    "idempotency_key": sys.argv[1] if len(sys.argv) > 1 else "example-python-celery",
    "name": "Example: Python, Celery",
    "template": "Hola {nombre}, su factura vence el {dia}. Empresa SA",
    "recipients": [
        {"telefono": "1144445555", "nombre": "Ana", "dia": "10/12"},
        {"telefono": "011 15 4444-6666", "nombre": "José", "dia": "11/12"},
        {"telefono": "12", "nombre": "Nadie", "dia": "12/12"},
    ],
    "test": True,  # the provider validates and sends nothing; take it out to send
}


def enqueue() -> None:
    """Send the task. Sending it again is safe: whatever becomes of an attempt, one key is one campaign."""
    with Celery("billing", broker=BROKER) as app:
        if BROKER.startswith("amqp"):  # as the dispatcher declares it, or RabbitMQ refuses
            app.conf.task_queues = [Queue("control", queue_arguments={"x-queue-type": "quorum"})]
        # The queue must be named: your app does not know the dispatcher's routes.
        app.send_task(
            "dispatcher.create_campaign",
            args=[payload],
            queue="control",
            retry=False,
            argsrepr="(…)",  # keeps numbers and texts out of events, and so out of Flower
            kwargsrepr="{}",
        )


def wait(database: psycopg.Connection, ends: float) -> int:
    """The campaign's number, once every message of it has its outcome."""
    request = "SELECT state, campaign_id, error FROM campaign_request WHERE idempotency_key = %s"
    unfinished = "SELECT 1 FROM message_status WHERE campaign_id = %s AND status = ANY(%s) LIMIT 1"
    while time.monotonic() < ends:
        row = database.execute(request, [payload["idempotency_key"]]).fetchone()
        if row and row[2]:  # refused, failed, or another payload came under this key: that may have been this one
            sys.exit(f"{row[0]}: {row[2]}")
        if row and row[1] and not database.execute(unfinished, [row[1], OPEN]).fetchone():
            return int(row[1])
        time.sleep(1)
    sys.exit("no outcome yet; ask again with the same key")


def main() -> None:
    try:
        enqueue()
    except OperationalError as error:
        sys.exit(f"the broker does not answer, run this again: {error}")
    with psycopg.connect(DATABASE, autocommit=True) as database:
        campaign = wait(database, time.monotonic() + PATIENCE)
        counts = "SELECT status, count(*) FROM message_status WHERE campaign_id = %s GROUP BY status ORDER BY status"
        print(f"campaign {campaign}")
        for status, messages in database.execute(counts, [campaign]):
            print(f"  {status}: {messages}")


if __name__ == "__main__":
    main()
