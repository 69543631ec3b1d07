"""Networks of further seeds, and who asked for the test rows."""

from alembic import op

from sql.migrations import statements

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # The driver's own connection: several statements in one string, nothing interpolated.
    op.get_bind().connection.driver_connection.execute(statements("0004_verdict.sql"))
