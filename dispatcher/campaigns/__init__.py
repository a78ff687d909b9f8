"""Campaigns: from a list and a template to chunks that may be claimed, and what an operator does with them afterwards.

May use `sending` and every room below it. Start in `loading.py`; `lifecycle.py` shows, pauses, resumes and cancels.
"""
