"""Tests: unit mirrors the source, contract talks over real sockets, integration and acceptance need servers."""
