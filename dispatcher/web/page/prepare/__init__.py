"""A new campaign, step by step: list, columns, message, check, time, summary. One file a step, all on one preparation.

Start in `steps.py`. What was filled in is kept by `dispatcher/campaigns/preparations.py`.
"""
