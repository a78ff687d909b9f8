"""Code -99 says nothing: what the provider said is shown instead, with its counts."""

from dispatcher.campaigns import summary
from tests.integration.core_harness import CoreHarness


def test_the_providers_words_are_counted_for_messages_without_a_code(core: CoreHarness) -> None:
    campaign = core.load(20)
    for _ in range(2):
        core.send()
    words = ["La operadora no responde."] * 3 + ["Rechazado por el filtro.", "OK"]
    lines = [(core.reference(campaign, seq), f"{1120000000 + seq - 1}: {said}") for seq, said in enumerate(words, 11)]
    core.settle(*lines, (core.reference(campaign, 1), "OK"))
    with core.engine.connect() as connection:
        shown = summary.show(connection, campaign)
        (listed,) = summary.listing(connection)
    assert shown.other_words == {"La operadora no responde.": 3, "Rechazado por el filtro.": 1}
    assert list(shown.other_words) == ["La operadora no responde.", "Rechazado por el filtro."]
    assert shown.result_codes[-99] == 4
    assert listed.other_words == {}
    assert shown.as_json()["other_words"] == shown.other_words
