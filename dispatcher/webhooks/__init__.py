"""Webhooks: other services are told of events, at least once, in order per campaign, and signed.

`outbox.py` writes an event in the transaction that it tells of; rooms above call it. `delivering.py` makes the calls.
May use `runtime` and what is below. Start in `outbox.py`, then `delivering.py`.
"""
