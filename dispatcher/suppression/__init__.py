"""Suppression: who gets nothing, because they opted out or because the provider cannot reach them.

May use `ingest`, `db` and `domain`. Start in `optouts.py`; `lists.py` is how a load looks both lists up.
"""
