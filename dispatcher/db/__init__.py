"""The database: connections, the named statements of `schemas/queries.sql`, COPY, migrations.

Knows nothing of campaigns. Start in `engine.py` (connections) and `statements.py` (named SQL).
"""
