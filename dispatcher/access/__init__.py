"""Who may use the API and the page: keys with their scopes, users with their roles and sessions.

May use `db` and what is below. Start in `keys.py` for the API, `users.py` and `sign_in.py` for the page.
"""
