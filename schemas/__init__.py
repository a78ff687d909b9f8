"""Every shape of data: states, tables, concurrency-critical SQL, the campaign payload, migrations."""
