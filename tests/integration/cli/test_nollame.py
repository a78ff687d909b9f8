"""The No Llame registry from the command line, and what the commands for campaigns say of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.cli.commands import TEMPLATE, Run, answer
from tests.integration.cli.test_create_in_a_terminal import typed
from tests.integration.core_harness import CoreHarness

ANA, OTHER = "1144445555", "2215555555"
OLD = f"{datetime.now(UTC) - timedelta(days=40):%Y-%m-%d}"


@pytest.fixture
def registry(tmp_path: Path) -> str:
    path = tmp_path / "nollame.txt"
    path.write_text(f"{ANA}\n12\n{OTHER}\n")
    return str(path)


def test_the_registry_is_imported_asked_and_shown(run: Run, registry: str, core: CoreHarness) -> None:
    assert core.account
    nothing = answer(run("nollame", "show", "--json"))
    assert nothing["registry"] is None
    assert "There is no No Llame registry" in nothing["warnings"][0]
    done = answer(run("nollame", "import", registry, "--json"))
    assert (done["numbers"], done["before"], done["added"], done["removed"], done["invalid"]) == (2, 0, 2, 0, 1)
    assert (done["invalid_rows"][0]["line"], done["invalid_rows"][0]["code"], done["remarks"]) == (2, -7, [])
    known = answer(run("nollame", "show", "--json"))
    assert known["warnings"] == []
    assert (known["registry"]["numbers"], known["registry"]["source"]) == (2, "nollame.txt")
    assert answer(run("nollame", "check", "011 15 4444-5555", "--json"))["no_llame"] is True
    assert answer(run("nollame", "check", "1144446666", "--json"))["no_llame"] is False
    assert "gets no marketing" in run("nollame", "check", ANA).stdout
    assert "no marketing" in run("optout", "check", ANA).stdout
    assert "gets no marketing" in run("person", "show", ANA).stdout
    assert answer(run("person", "show", ANA, "--json"))["no_llame"] is True


def test_a_registry_is_replaced_and_a_file_that_was_cut_off_is_refused(
    run: Run, registry: str, core: CoreHarness, tmp_path: Path
) -> None:
    assert core.account
    answer(run("nollame", "import", registry, "--json"))
    Path(registry).write_text("\n".join(str(1_144_440_000 + n) for n in range(9)))
    assert answer(run("nollame", "import", registry, "--json"))["removed"] == 2
    Path(registry).write_text(f"{ANA}\n")
    refused = run("nollame", "import", registry)
    assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
    assert core.one("SELECT numbers FROM no_llame_registry") == 9
    readable = run("nollame", "import", registry, "--force")
    assert "The registry has 1 numbers; 1 are new, 9 are gone." in readable.stdout, readable
    Path(registry).write_text("")
    assert run("nollame", "import", registry, "--force").exit_code == 2
    assert core.one("SELECT numbers FROM no_llame_registry") == 1


@pytest.mark.parametrize(("taken", "said"), [(None, "no No Llame registry"), (OLD, "40 days old"), ("now", "")])
def test_marketing_warns_of_the_registry_and_counts_whom_it_leaves_out(
    run: Run, registry: str, good: str, core: CoreHarness, taken: str | None, said: str
) -> None:
    assert core.account
    if taken is not None:
        old = () if taken == "now" else ("--taken", taken)
        imported = answer(run("nollame", "import", registry, *old, "--json"))
        assert said in " ".join(imported["remarks"])
    left_out = {} if taken is None else {"no_llame_at_load": 1}
    create = ("campaign", "create", good, *TEMPLATE, "--intent", "marketing", "--json")
    looked = answer(run(*create, "--dry-run"))
    made = answer(run(*create, "--draft"))
    shown = answer(run("campaign", "show", str(made["campaign_id"]), "--json"))
    assert looked["left_out"] == made["left_out"] == shown["left_out"] == left_out
    assert shown["intent"] == "marketing"
    for warnings in (looked["remarks"], made["warnings"], shown["warnings"]):
        assert (said in " ".join(warnings), "nollame import" in " ".join(warnings)) == (True, bool(said)), warnings
    released = run("campaign", "send", str(made["campaign_id"]))
    assert ("dispatcher nollame import" in released.stderr) is bool(said)
    readable = run("campaign", "show", str(made["campaign_id"]))
    assert "; marketing." in readable.stdout
    assert ("dispatcher nollame import" in readable.stderr) is bool(said)
    service = answer(run("campaign", "create", good, "--template", "Su turno, {nombre}", "--json", "--dry-run"))
    assert service["left_out"] == {}
    assert "registry" not in " ".join(service["remarks"])


def test_the_question_in_a_terminal_comes_after_the_warning(
    environment: dict[str, str], core: CoreHarness, good: str
) -> None:
    assert core.account
    _, shown = typed(environment, Path(good), b"n\n", "--intent", "marketing")
    assert shown.index("There is no No Llame registry") < shown.index("Send 2 messages now")
    _, shown = typed(environment, Path(good), b"n\n")
    assert "No Llame" not in shown


def test_one_message_of_marketing_is_refused_for_a_number_of_the_registry(
    run: Run, registry: str, core: CoreHarness
) -> None:
    assert core.account
    answer(run("nollame", "import", registry, "--taken", OLD, "--json"))
    marketing = run("send", ANA, "Oferta. Empresa SA", "--intent", "marketing", "--json")
    refused = answer(marketing, 1)
    assert (refused["status"], refused["result_code"]) == ("refused", -14)
    assert "40 days old" in run("send", ANA, "Oferta. Empresa SA", "--intent", "marketing").stderr
    sent = answer(run("send", ANA, "Su turno es a las 15. Empresa SA", "--json"))
    assert sent["status"] == "accepted"
