"""The provider's other side: an SMS Masivos that runs here, strict as the guide and nasty as the real one.

`python -m ops.simulator --help` starts it by hand, `ops.simulator.process` from Python. Reading order:
`server` (routes) -> `forms` -> `bloque` -> `account` -> `dealing` (when) -> `verdicts` (what) -> `status`; single
messages come by `unit`, which `soap` and `mail` dress; `plan` has saldo and envios; `inbox` and `push` bring replies.
`faults` and `wire` break answers on purpose, `control` is the way in for tests, which take it by `remote`, `ledger`
remembers every line taken.
"""
