"""Accounts: the provider's URL with a credential, its clock, its info and its blocks.

May use `suppression` and every room below it. Start in `binding.py`; `provider_clock.py` measures the provider's time.
"""
