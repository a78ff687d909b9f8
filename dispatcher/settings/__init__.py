"""The settings by concern: each file has the fields of one, their validators, and what is worked out from them.

Nothing here reads the environment: `dispatcher/config.py` puts the parts together and does. May use `domain` and
`provider`. A new setting goes into the file of its concern, and into the settings page.
"""
