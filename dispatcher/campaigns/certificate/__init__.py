"""Certificates (constancias): what was sent, to whom, when, and what the provider said, as a PDF that can be checked.

`facts.py` reads what a certificate states, with the SHA-256 of the data; `document.py` lays it out, on the pages of
`paper.py`. The data is the JSONL export, so that anybody can make it again and compare the hashes.
"""
