"""The statement over a range of the key."""

from plumbline.extract.ordering import KeyRange, ordered
from plumbline.extract.query import Query
from plumbline.extract.types import source_column

QUERY = Query(file="q.sql", text="SELECT id, name FROM t", parameters={})
COLUMNS = [source_column("id", "bigint", "N", "q.sql"), source_column("name", "text", "S", "q.sql")]


def test_ranges_follow_each_other_in_the_total_order(postgres):
    """Compared as rows, so that an index over the key finds where a range begins."""
    with postgres.connect() as connection:
        statement = ordered(
            QUERY, COLUMNS, ["name", "id"], connection,
            within=KeyRange(start=("it's", "5"), stop=("z", "7")),
        )  # fmt: skip
    assert statement == (
        'SELECT q."id" AS "id", q."name"::text AS "name"\n'
        "FROM (\nSELECT id, name FROM t\n) AS q\n"
        """WHERE ("q"."name"::text COLLATE "C", "q"."id") >= ('it''s', '5') AND """
        """("q"."name"::text COLLATE "C", "q"."id") < ('z', '7')\n"""
        """ORDER BY "q"."name"::text COLLATE "C", "q"."id\""""
    )
