"""Domain rules without a database and without a clock: values in, values out.

Uses only `errors`. Numbers are in `phone.py`, texts in `sms_text.py`, the sending window and dates in `window.py`, the
reference of each line in `idinterno.py`.
"""
