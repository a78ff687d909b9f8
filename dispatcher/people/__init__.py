"""People: everything that is known about one telephone number.

May use `replies`, `suppression` and what lies below them. Start in `history.py`.
"""
