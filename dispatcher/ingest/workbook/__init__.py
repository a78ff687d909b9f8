"""Workbooks (XLSX), read as a stream in bounded memory, with the cells as people see them.

Uses nothing but `ingest`'s own modules, expat and Babel. `table.py` is where to start.
"""
