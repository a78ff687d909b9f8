"""The main job with real processes: from a file to the provider's codes, compared with the provider's ledger."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from tests.processes import Cluster

TEMPLATE = "Hola {nombre}, su saldo es ${saldo}. Empresa SA"


def write_list(path: Path, rows: int) -> Path:
    """A clean list."""
    lines = ["telefono,nombre,saldo", *(f"11{20000000 + n},Nombre{n},{n}.50" for n in range(rows))]
    path.write_text("\n".join(lines) + "\n")
    return path


def statuses(runtime: Runtime, campaign_id: int) -> dict[str, Any]:
    """message_status of a campaign by idinterno."""
    with runtime.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT * FROM message_status WHERE campaign_id = :id"), {"id": campaign_id}
        ).all()
    return {row.idinterno: row for row in rows}


def assert_ledger_agrees(simulator: SimulatorProcess, runtime: Runtime, campaign_id: int) -> None:
    """Every message was taken once, with its text and number, and has the provider's own result."""
    ours = statuses(runtime, campaign_id)
    taken = list(simulator.ledger())
    assert len(taken) == len(ours)
    for line in taken:
        message = ours[line["idinterno"].upper()]
        assert (message.destino, message.texto) == (line["destino"], line["texto"])
        expected = line["verdict"] if line["verdict"] == "OK" else f"{line['destino']}: {line['verdict']}"
        assert message.result_text == expected
    assert simulator.sent()["taken_twice"] == {}


@pytest.mark.parametrize("reading", ["since", "second", "day"])
def test_ledger_and_message_status_agree_under_each_reading_of_fecha(
    reading: str, simulator: SimulatorProcess, cluster: Cluster, make_runtime: Callable[..., Runtime], tmp_path: Path
) -> None:
    simulator.set_option(
        fecha_reading=reading, delay_min=0.5, delay_max=3, mix={"-1": 0.1, "-10": 0.1}, trailing_crlf=True
    )
    runtime = make_runtime()
    cluster.environment["DISPATCHER_CHUNK_SIZE"] = "100"
    created = cluster.cli("campaign", "create", str(write_list(tmp_path / "a.csv", 1000)), "--template", TEMPLATE)
    assert (created["messages"], created["invalid"]) == (1000, 0)
    cluster.start()
    done = cluster.cli("campaign", "watch", str(created["campaign_id"]), "--timeout", "60")
    assert done["state"] == "completed"
    assert sum(done["counts"].values()) == 1000
    assert_ledger_agrees(simulator, runtime, created["campaign_id"])
