"""The floor among the models."""

from alembic import op

from sql.migrations import statements

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # The driver's own connection: several statements in one string, nothing interpolated.
    op.get_bind().connection.driver_connection.execute(statements("0003_floor.sql"))
