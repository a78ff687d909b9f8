"""Replies: what people write back, pulled or pushed, stored once and linked to the message that it answers.

May use `single_messages` and every room below it. Start in `store.py`; `pull.py` and `push.py` bring replies to it.
"""
