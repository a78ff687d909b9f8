"""The simulator: its pure parts, and the running server over TCP."""
