"""The whole schema, as of the first release."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
phase = "pre"


def upgrade() -> None:
    """Create every table, index, function and view of `0001_baseline.sql`."""
    # On the driver's own connection: no placeholders, so a literal % stays one.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
