"""Audits, findings and guard drills."""

from alembic import op

from sql.migrations import statements

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # The driver's own connection: several statements in one string, nothing interpolated.
    op.get_bind().connection.driver_connection.execute(statements("0002_audit.sql"))
