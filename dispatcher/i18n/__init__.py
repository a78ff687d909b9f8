"""Words for the owner of a list, in Spanish or English; developers, help and logs speak English.

The code holds the English sentence; `catalogs/es.po` has the Spanish one. Start in `words.py`. It uses nothing of the
other rooms.
"""
