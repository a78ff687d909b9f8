"""Hand a campaign in over HTTP with requests, wait for it, print how it went.

    pip install requests
    python python_http.py [IDEMPOTENCY_KEY]

DISPATCHER_API_URL and DISPATCHER_SERVICE_KEY say where. Run it twice: the same Idempotency-Key and body are one
campaign.
"""

import os
import sys
import time
from typing import Any

import requests

API = os.environ.get("DISPATCHER_API_URL", "http://127.0.0.1:8080")
PATIENCE = 300  # seconds

IDEMPOTENCY_KEY = sys.argv[1] if len(sys.argv) > 1 else "example-python-http"

payload = {
    "name": "Example: Python, HTTP",
    "template": "Hola {nombre}, su turno es el {dia}. Empresa SA",
    "recipients": [
        {"telefono": "1144445555", "nombre": "Ana", "dia": "10/12"},
        {"telefono": "011 15 4444-6666", "nombre": "José", "dia": "11/12"},
        {"telefono": "12", "nombre": "Nadie", "dia": "12/12"},
    ],
    "test": True,  # the provider validates and sends nothing; take it out to send
}


def ask(session: requests.Session, method: str, path: str, ends: float, **more: Any) -> dict[str, Any]:
    """Call until there is an answer that stands. Asking again is safe: one key is one campaign."""
    while True:
        try:
            answer = session.request(method, f"{API}/api/v1{path}", timeout=60, **more)
        except requests.RequestException as error:
            problem = str(error)
        else:
            if answer.status_code in (200, 201):
                return dict(answer.json())
            problem = f"{answer.status_code}: {answer.text}"
            if answer.status_code not in (202, 429, 502, 503, 504):  # what asking again would not change
                sys.exit(problem)
        if time.monotonic() > ends:
            sys.exit(f"gave up: {problem}")
        time.sleep(1)


def main() -> None:
    ends = time.monotonic() + PATIENCE
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {os.environ['DISPATCHER_SERVICE_KEY']}"
        number = ask(session, "POST", "/campaigns", ends, json=payload, headers={"Idempotency-Key": IDEMPOTENCY_KEY})[
            "campaign_id"
        ]
        while True:
            campaign = ask(session, "GET", f"/campaigns/{number}", ends)
            if campaign["state"] in ("completed", "cancelled"):
                break
            if time.monotonic() > ends:
                sys.exit(f"campaign {number} is still {campaign['state']}: {campaign['blocked'] or campaign['counts']}")
            time.sleep(1)
    print(f"campaign {number} {campaign['state']}, invalid rows: {campaign['invalid']}")
    for status, messages in sorted(campaign["counts"].items()):
        print(f"  {status}: {messages}")


if __name__ == "__main__":
    main()
