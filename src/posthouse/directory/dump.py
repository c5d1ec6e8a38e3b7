"""What stands in a PostgreSQL directory, as SQL text: to have it before a migration changes the tables."""

# ruff: noqa: S608 - identifiers and literals are quoted by psycopg

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from posthouse.directory import schema
from posthouse.directory.postgresql import Connection


def lines(connection: Connection) -> Iterator[str] | None:
    """Return INSERT statements for all rows of our tables that are there, or None where there are none.

    Computed columns are left out, so that psql takes them into tables of the same version.
    """
    there = {name: found for name in schema.TABLES if (found := schema.columns(connection, name))}
    return _lines(connection, there) if there else None


def _lines(connection: Connection, tables: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for table, columns in tables.items():
        names = sql.SQL(", ").join(map(sql.Identifier, columns)).as_string(connection.raw)
        name = sql.Identifier(table).as_string(connection.raw)
        for row in connection.execute(f"SELECT {names} FROM public.{name}"):
            values = sql.SQL(", ").join(map(sql.Literal, row)).as_string(connection.raw)
            yield f"INSERT INTO {name} ({names}) VALUES ({values});"
