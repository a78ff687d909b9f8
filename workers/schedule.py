"""What beat sends. Expiry keeps ticks from piling up while no worker runs."""

SCHEDULE = {
    "tick": {"task": "dispatcher.tick", "schedule": 1.0, "options": {"queue": "control", "expires": 5}},
}
