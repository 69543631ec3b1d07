"""The registry's tables."""

from alembic import op

from sql.migrations import statements

revision = "0001"
down_revision = None


def upgrade() -> None:
    # The driver's own connection: several statements in one string, nothing interpolated.
    op.get_bind().connection.driver_connection.execute(statements("0001_registry.sql"))
