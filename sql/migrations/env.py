"""What Alembic runs: the revisions, on the connection it was handed, in its transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="plumbline",
    transactional_ddl=True,
)
context.run_migrations()
