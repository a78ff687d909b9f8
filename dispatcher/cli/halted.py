"""What the commands say of POSTs that were already on their way when something was stopped."""

from dispatcher.i18n.words import counted


def in_flight(posts: int) -> str:
    """How many there are, in a sentence."""
    return counted(
        posts,
        "{n:,} POST was already on its way; its outcome is not in yet.",
        "{n:,} POSTs were already on their way; their outcomes are not in yet.",
    )
