"""Maintenance: what the system does every second by itself, and what it says about its own health.

May use every room below; only `cli`, `web` and `workers` use it. Start in `tick.py` for the work that is due, in
`doctor.py` for the checks.
"""
