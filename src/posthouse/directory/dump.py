"""What stands in a PostgreSQL directory, as SQL text: to have it before a migration changes the tables."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from posthouse.directory.postgresql import Connection

TABLES = ("transport", "users", "virtual", "grants")


def lines(connection: Connection) -> Iterator[str] | None:
    """Return INSERT statements for all rows of our tables that are there, or None where there are none.

    Generated columns are left out, so that psql takes them into tables of the same version.
    """
    there = [name for name in TABLES if _columns(connection, name)]
    return _lines(connection, there) if there else None


def _lines(connection: Connection, tables: list[str]) -> Iterator[str]:
    for table in tables:
        columns = _columns(connection, table)
        names = sql.SQL(", ").join(map(sql.Identifier, columns)).as_string(connection.raw)
        name = sql.Identifier(table).as_string(connection.raw)
        for row in connection.execute(f"SELECT {names} FROM public.{name}"):  # noqa: S608 - identifiers
            values = sql.SQL(", ").join(map(sql.Literal, row)).as_string(connection.raw)
            yield f"INSERT INTO {name} ({names}) VALUES ({values});"  # noqa: S608 - literals


def _columns(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(
        """SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0
           AND NOT attisdropped AND attgenerated = '' ORDER BY attnum""",
        (f"public.{table}",),
    )
    return [row[0] for row in rows]
