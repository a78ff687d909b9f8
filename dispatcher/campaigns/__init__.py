"""Campaigns: a list and a template become chunks that may be claimed; operators then show, pause and repair them.

May use `sending` and every room below it. Start in `loading.py`;
`summary.py` shows a campaign, `lifecycle.py` pauses, resumes and cancels.
"""
