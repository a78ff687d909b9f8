"""Maintenance: what the system does every second by itself, and what it says about its own health.

May use every room below; only `cli`, `web` and `workers` use it. Start in `tick.py`; `doctor.py` runs the checks.
"""
