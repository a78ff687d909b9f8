"""When the provider may be asked for its date again."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add one column; no row is rewritten."""
    op.execute("ALTER TABLE account ADD COLUMN clock_ask_at timestamptz")
