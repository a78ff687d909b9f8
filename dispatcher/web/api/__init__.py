"""The API, version 1: one file a resource, each with a `routes`; the document is made from them.

How a resource is added: a file here with `routes = api_router("Replies")` and typed functions (`def`, never `async`:
they may wait), each under `@routes.get("/replies", operation_id="list_replies", **needs(Scope.RESULTS_READ, …))`.
Add it to `ROUTERS` in `resources.py` and run `make docs`. `routing.py` checks key, scope, rate, body and
Idempotency-Key before the function runs: `needs(…, idempotency="own")` where the resource's own row keeps the key.
Raise `Problem("code", …)` with a code of `problems.py`; a `UsageError` that passes through is 422 `refused`. Lists are
`Page[Model]` (`pages.py`), which takes a `PageOf`. `RuntimeOf` and `CallerOf` (`routing.py`) are who serves and calls.
"""
