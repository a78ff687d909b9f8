"""When the provider may be asked for its date again."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add one column; no row is rewritten."""
    op.execute("ALTER TABLE account ADD COLUMN clock_ask_at timestamptz")
