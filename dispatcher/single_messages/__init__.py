"""Single messages: one message now, checked, recorded before its call, and never called again by itself.

May use `accounts`, `suppression` and what lies below them. Start in `send.py`.
"""
