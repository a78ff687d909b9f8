"""What every table is made with: the names of constraints, and the types that they share."""

from sqlalchemy import DateTime, MetaData

metadata = MetaData(
    naming_convention={  # the names that Postgres gives by itself
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)

Moment = DateTime(timezone=True)

GUIDE_CODE = "code BETWEEN -12 AND 1 OR code IN (-14, -99)"
"""The condition that `code` is one of the guide's result codes."""
