"""Suppression: who gets nothing, because they opted out or because the provider cannot reach them.

May use `ingest`, `db` and `domain`. Start in `optouts.py` and `do_not_send.py`, the two lists; `lists.py` is how a load
checks numbers against both, `from_results.py` how results put numbers on them.
"""
