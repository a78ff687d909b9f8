"""Provider: SMS Masivos' API as typed calls, one file per transport, one for answers, one for result codes.

Uses `domain` and `errors` alone: no database, no settings. Every transport reads in one order: build the request, call,
read the answer, return a typed result. Start in `http.py` (bulk and status) or `unit.py` (one message).
"""
