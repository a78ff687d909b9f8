"""Loads `ops` when a command needs it: embedded servers, hints, supervisor and demo. Nothing else reaches `ops`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

from dispatcher.config import Settings


@contextmanager
def embedded(settings: Settings, *, broker: bool) -> Iterator[None]:
    """Run the embedded servers that the settings call for, for the length of a block."""
    need_database = settings.database_url is None
    need_broker = broker and settings.broker_url is None
    if not (need_database or need_broker):
        yield
        return
    servers: AbstractContextManager[Any] = (
        import_module("ops.embedded").Embedded(settings.home).using(database=need_database, broker=need_broker)
    )
    with servers:
        yield


def hint() -> None:
    """Tell the workers to look for due chunks now. Without a broker they look a little later."""
    import_module("ops.hints").tick()


def hint_request(key: str) -> None:
    """Tell the workers to load a stored campaign request now. Without a broker they do it a little later."""
    import_module("ops.hints").load_request(key)


def hint_check(check_id: str) -> None:
    """Tell the workers to check an uploaded list now. Without a broker they do it a little later."""
    import_module("ops.hints").check_list(check_id)


def queue_message(payload: dict[str, Any]) -> None:
    """Hand a single message to the workers; only the broker has it until one takes it.

    Raises:
        BrokerUnavailable: the broker did not take it.
    """
    import_module("ops.hints").queue_message(payload)


def only_up(settings: Settings) -> AbstractContextManager[None]:
    """Hold the home's lock of `up` for the length of a block; a second `up` is refused."""
    import_module("ops.nursery").find_command_line()
    lock: AbstractContextManager[None] = import_module("ops.up_lock").held(settings.home)
    return lock


def move_database(settings: Settings, url: str) -> dict[str, int]:
    """Move the embedded database to a server; the rows of each table."""
    moved: dict[str, int] = import_module("ops.moving").move(settings, url)
    return moved


def supervise(settings: Settings, say: Any) -> int:
    """Run the workers, beat, Flower and the listeners in the foreground until SIGTERM or Ctrl-C. Returns the code."""
    code: int = import_module("ops.supervisor").run(settings, say)
    return code


def demo(messages: int, output: Any) -> dict[str, Any]:
    """Run the demo; returns its JSON answer."""
    answer: dict[str, Any] = import_module("ops.demo").run(messages, output)
    return answer


def try_it(output: Any) -> int:
    """Run everything against the simulator, in a home of its own, until SIGTERM or Ctrl-C. Returns the exit code."""
    code: int = import_module("ops.try_it").run(output)
    return code
