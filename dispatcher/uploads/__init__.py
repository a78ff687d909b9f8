"""The upload store: lists of recipients as they came, in the database, where every host can read them.

May use `config`, `ingest`, `db` and what is below them. Start in `store.py`; `reading.py` gives a list back as a file,
`dropping.py` lets old ones go.
"""
