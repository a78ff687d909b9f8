"""Campaigns: a list and a template become chunks that may be claimed; operators then show, pause and repair them.

May use `sending` and every room below it. Start in `loading.py`; `lifecycle.py` shows, pauses, resumes and cancels.
"""
