"""Migrations of a release that does not exist yet, after the newest of this one: what the tests upgrade to."""

from pathlib import Path

from dispatcher.db import migrations

_TEMPLATE = '''"""{words}."""

import os

import sqlalchemy as sa
from alembic import op

from schemas.migrations.steps import create_index

revision = "{number}"
down_revision = "{before}"
phase = "{phase}"


def upgrade() -> None:
    """Apply."""
    {body}
'''

ADD_COLUMN = 'op.add_column("campaign", sa.Column("note", sa.Text))'
ADD_INDEX = 'create_index("chunk_by_state", "chunk", ["campaign_id", "state"])'
DROP_COLUMN = 'op.drop_column("campaign", "note")'


class LaterRelease:
    """A folder of migrations, numbered 9001, 9002 and so on."""

    def __init__(self, folder: Path) -> None:
        """The folder is made; it has none yet."""
        folder.mkdir()
        self.folder = folder
        self._before = migrations.head_revision()
        self._number = 9000

    def add(self, body: str, phase: str = "pre") -> str:
        """Add a migration; its number."""
        self._number += 1
        number = str(self._number)
        source = _TEMPLATE.format(words=f"Step {number}", number=number, before=self._before, phase=phase, body=body)
        (self.folder / f"{number}_step.py").write_text(source, encoding="utf-8")
        self._before = number
        return number
