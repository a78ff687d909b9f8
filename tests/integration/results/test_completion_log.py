"""The line that says that a campaign is complete: once, with its counts, and only when it is certain."""

import logging

import pytest

from dispatcher.db.certain import log_at_commit
from tests.integration.core_harness import CoreHarness


def test_a_completed_campaign_is_logged_once_with_its_counts(
    core: CoreHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dispatcher")
    campaign = core.load(3)
    core.send()
    results = ("OK", "OK", "El número es inválido.")
    core.settle(*((core.reference(campaign, seq), text) for seq, text in enumerate(results, 1)))
    assert core.state(campaign) == "completed"
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("completed ")]
    assert said == [f"completed campaign={campaign} messages=3 ok=2 simulated=0 rejected=1 other=0"]


def test_what_is_rolled_back_is_not_logged(core: CoreHarness, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("dispatcher.x")
    caplog.set_level(logging.INFO, "dispatcher")
    with core.engine.connect() as connection:
        log_at_commit(connection, log, "untrue")
        connection.rollback()
    with core.engine.begin() as connection:
        log_at_commit(connection, log, "true")
        assert not [record for record in caplog.records if record.name == log.name]
    assert [record.getMessage() for record in caplog.records if record.name == log.name] == ["true"]
