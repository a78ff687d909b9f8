"""Who may use the API: its keys, and what each lets do.

May use `db` and what is below. Start in `keys.py`.
"""
