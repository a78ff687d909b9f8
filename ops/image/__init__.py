"""The container image: its Dockerfile, and the health checks that the compose file runs in it."""
