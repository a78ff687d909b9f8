"""What reads strangers' bytes, fed with bytes that nobody would write: `make fuzz`, and a short run in `make test-all`."""
