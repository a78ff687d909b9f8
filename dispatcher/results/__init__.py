"""Results: ask the provider what became of each message, and write a result code per message.

May use `accounts`, `suppression` and what lies below them. Start in `polling.py` (asks by fecha), `probing.py`
(asks by idinterno) and `settle.py` (writes).
"""
