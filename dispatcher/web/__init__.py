"""The HTTP listeners: routes parse, call a room of `dispatcher`, and answer; they hold no rules and no SQL.

May use every other room but `cli`. Start in `app.py`; `incoming.py` has what all routes ask of a request.
"""
