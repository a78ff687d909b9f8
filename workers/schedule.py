"""What beat sends."""

EXPIRY = 300
"""Seconds after which a hint that no worker took is dropped unread; clocks of hosts may differ by as much."""

SCHEDULE = {
    "tick": {"task": "dispatcher.tick", "schedule": 1.0, "options": {"queue": "tick", "expires": EXPIRY}},
}
