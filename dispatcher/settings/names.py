"""Names that begin with DISPATCHER_ and are no setting: a typing error must not quietly mean the default."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

PREFIX = "DISPATCHER_"

OF_OTHERS = frozenset({"NO_DOTENV", "API_URL", "SERVICE_KEY"})
"""NO_DOTENV is read before there are settings; API_URL and SERVICE_KEY are for programs that call the HTTP API."""

# Kubernetes adds these to every container beside a Service whose name begins with "dispatcher".
_OF_KUBERNETES = re.compile(
    r"^PORT$|(?:^|(?<=\w_))(?:SERVICE_HOST$|SERVICE_PORT(?:$|_\w)|PORT_\d+_(?:TCP|UDP)(?:$|_\w))"
)


def complaints(names: Iterable[str], fields: Iterable[str]) -> list[str]:
    """A sentence for each of `names` that is no setting; `fields` are the settings, in lower case, without prefix."""
    settings = [field.upper() for field in fields]
    known = {*settings, *(f"{name}_FILE" for name in settings), *OF_OTHERS}
    found = []
    for given in sorted(set(names)):
        name = given.upper().removeprefix(PREFIX)
        if given.upper().startswith(PREFIX) and name not in known and not _OF_KUBERNETES.search(name):
            found.append(_complaint(given, name, settings))
    return found


def _complaint(given: str, name: str, settings: list[str]) -> str:
    ending = "_FILE" if name.endswith("_FILE") else ""
    close = get_close_matches(name.removesuffix("_FILE"), settings, n=1)
    return f"{given} is not a setting" + (f"; did you mean {PREFIX}{close[0]}{ending}?" if close else "")
