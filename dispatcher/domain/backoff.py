"""How long to wait after failures in a row: twice as long each time, up to a limit.

The schema has the same rule as the function `backoff`, for statements that read the failures themselves.
"""

_MOST_DOUBLINGS = 30  # enough for any limit; more would only make large numbers


def backoff(failures: int, first: float = 1.0, longest: float = 300.0) -> float:
    """Seconds to wait when there were `failures` before: first, 2 × first, 4 × first … longest."""
    doublings = max(0, min(failures, _MOST_DOUBLINGS))
    return float(min(longest, first * 2**doublings))
