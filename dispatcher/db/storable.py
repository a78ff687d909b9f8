"""Texts that Postgres can hold."""


def storable(words: str) -> str:
    """The same text without NUL, and with a question mark for half a character."""
    return words.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8")
