"""The drawing, the code and the schema's CHECK constraints name the same states and the same moves."""

import re
from pathlib import Path

import pytest

import schemas
from schemas.states import (
    CAMPAIGN_TRANSITIONS,
    CHUNK_TRANSITIONS,
    DELIVERY_TRANSITIONS,
    FINAL_CHUNK_STATES,
    STATUS_OF_CHUNK_STATE,
    CampaignState,
    ChunkState,
    DeliveryState,
    MessageStatus,
    Transition,
)

DRAWING = Path(__file__).resolve().parents[3] / "docs" / "state_machine.md"
MIGRATIONS = Path(schemas.__file__).parent / "migrations" / "versions"
ARROW = re.compile(r"^\s*(\S+) --> (\S+)(?: : (.*))?$", re.MULTILINE)


def section(title: str) -> str:
    """The part of the document below a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DRAWING.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def arrows(title: str) -> list[tuple[str, str, str]]:
    """The arrows of a section's diagram, those from and to nowhere included."""
    diagram = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", section(title), re.DOTALL)
    assert diagram
    return [(a, b, c or "") for a, b, c in ARROW.findall(diagram[1])]


def drawn(title: str) -> set[Transition]:
    return {Transition(a, b, c) for a, b, c in arrows(title) if "[*]" not in (a, b)}


def test_the_campaigns_moves_are_drawn_as_they_are_coded() -> None:
    assert drawn("Campaign") == set(CAMPAIGN_TRANSITIONS)


def test_the_chunks_moves_are_drawn_as_they_are_coded() -> None:
    assert drawn("Chunk") == set(CHUNK_TRANSITIONS)


def test_the_deliveries_moves_are_drawn_as_they_are_coded() -> None:
    assert drawn("Delivery") == set(DELIVERY_TRANSITIONS)


@pytest.mark.parametrize(
    ("title", "first", "states", "transitions"),
    [
        ("Campaign", "loading", CampaignState, CAMPAIGN_TRANSITIONS),
        ("Chunk", "due", ChunkState, CHUNK_TRANSITIONS),
        ("Delivery", "due", DeliveryState, DELIVERY_TRANSITIONS),
    ],
)
def test_where_a_life_begins_and_ends_is_drawn(
    title: str,
    first: str,
    states: type[CampaignState] | type[ChunkState] | type[DeliveryState],
    transitions: tuple[Transition, ...],
) -> None:
    assert {b for a, b, _ in arrows(title) if a == "[*]"} == {first}
    ends = {str(state) for state in states} - {move.source for move in transitions}
    assert {a for a, b, _ in arrows(title) if b == "[*]"} == ends


def test_every_state_can_be_reached_and_only_named_states_are_used() -> None:
    for states, transitions, first in (
        ({str(s) for s in CampaignState}, CAMPAIGN_TRANSITIONS, "loading"),
        ({str(s) for s in ChunkState}, CHUNK_TRANSITIONS, "due"),
        ({str(s) for s in DeliveryState}, DELIVERY_TRANSITIONS, "due"),
    ):
        assert {end for move in transitions for end in (move.source, move.target)} == states
        reached = {first}
        while more := {t.target for t in transitions if t.source in reached} - reached:
            reached |= more
        assert reached == states


def test_nothing_leaves_a_final_state() -> None:
    assert {str(s) for s in ChunkState} - {t.source for t in CHUNK_TRANSITIONS} == FINAL_CHUNK_STATES


def test_no_move_is_listed_twice() -> None:
    for transitions in (CAMPAIGN_TRANSITIONS, CHUNK_TRANSITIONS, DELIVERY_TRANSITIONS):
        moves = [(t.source, t.target) for t in transitions]
        assert len(moves) == len(set(moves))


def test_every_chunk_state_gives_its_messages_a_status() -> None:
    assert set(STATUS_OF_CHUNK_STATE) == {str(state) for state in ChunkState}


def test_the_table_of_message_statuses_is_complete_and_tells_derived_from_final() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section("Message"), re.MULTILINE)
    assert [status for status, _ in rows] == [str(status) for status in MessageStatus]
    for status, comes_from in rows:
        named = set(re.findall(r"`(\w+)`", comes_from)) & {str(state) for state in ChunkState}
        assert named == {state for state, shown in STATUS_OF_CHUNK_STATE.items() if shown == status}, status


def sql() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.sql")))


@pytest.mark.parametrize(
    ("table", "states"), [("campaign", CampaignState), ("chunk", ChunkState), ("webhook_delivery", DeliveryState)]
)
def test_the_schema_checks_for_the_same_states(
    table: str, states: type[CampaignState] | type[ChunkState] | type[DeliveryState]
) -> None:
    created = re.search(rf"CREATE TABLE {table} \((.*?)\n\)", sql(), re.DOTALL)
    assert created
    check = re.search(r"CHECK \(state IN\s*\((.*?)\)", created[1], re.DOTALL)
    assert check
    assert set(re.findall(r"'(\w+)'", check[1])) == {str(state) for state in states}
