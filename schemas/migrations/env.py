"""Alembic's entry: migrations run on the connection that `dispatcher.db.migration_run` hands over."""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=None,
    transaction_per_migration=True,
    on_version_apply=attributes["applied"],
)
with context.begin_transaction():
    context.run_migrations()
