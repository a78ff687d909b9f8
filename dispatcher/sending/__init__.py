"""Sending: decide whether a chunk may go, claim it, POST it once, and write down what came of it.

May use `accounts` and every room below it. Start in `pump.py`, then `admission.py` (may it go?) and `claims.py`.
"""
