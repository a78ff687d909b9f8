"""Labelled cases over real sockets."""
