"""What was done with a bundle, against which champion, and who answers for it."""

from alembic import op

from sql.migrations import statements

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # The driver's own connection: several statements in one string, nothing interpolated.
    op.get_bind().connection.driver_connection.execute(statements("0005_promotion.sql"))
