"""Domain rules without a database and without a clock: values in, values out.

Uses nothing but `errors`. `phone.py`, `sms_text.py`, `window.py`, `idinterno.py`: each is what its name says.
"""
