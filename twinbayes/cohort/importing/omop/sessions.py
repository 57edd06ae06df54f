"""Databases that answer queries, opened to read: DuckDB, or what SQLAlchemy connects to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from twinbayes.cohort.contract.raw_tables import is_ordinary_file
from twinbayes.errors import CohortError

_AT_ONCE: Final = 10_000  # rows that are fetched together
# No file but the database itself is opened, nothing is loaded, and nothing is written beside it.
_CONFINED: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "4GB",
    "temp_directory": "",
}
# What makes a transaction unable to write, where a database can be told so.
_READ_ONLY: Final = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


class Session(Protocol):
    """A database that answers queries.

    Attributes
    ----------
    mark
        What begins the name of a bound value.
    schema
        The schema with its point, quoted, or nothing.
    as_text
        Whether ids are text, as in CSV files.
    """

    mark: str
    schema: str
    as_text: bool

    def tables(self) -> set[str]:
        """Names of its tables and views in small letters."""
        ...

    def run(
        self, sql: str, bound: Mapping[str, Any]
    ) -> tuple[list[str], Iterator[Sequence[object]]]:
        """Header in small letters, and rows."""
        ...

    def close(self) -> None:
        """Let the database go."""
        ...


class DuckSession:
    """A DuckDB file opened to read, or tables in memory; it reaches no other file."""

    mark = "$"

    def __init__(
        self, path: Path | None, schema: str | None, tables: Mapping[str, Any], *, as_text: bool
    ) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise CohortError(
                "Reading an OMOP database needs DuckDB. Install twinbayes[omop]."
            ) from error
        self.as_text, self._named = as_text, schema
        self.schema = "" if schema is None else f"{quoted(schema)}."
        place = ":memory:" if path is None else str(path.resolve())
        self._connection = duckdb.connect(place, read_only=path is not None, config=_CONFINED)
        self._given = tables

    def tables(self) -> set[str]:
        """Names of its tables and views in small letters."""
        if self._given:
            return set(self._given)
        sql = "SELECT table_schema, table_name FROM information_schema.tables"
        found = self._connection.execute(sql).fetchall()
        # Without a schema, the database looks a table up wherever it looks by itself.
        return {str(t).lower() for s, t in found if self._named is None or s == self._named}

    def run(
        self, sql: str, bound: Mapping[str, Any]
    ) -> tuple[list[str], Iterator[Sequence[object]]]:
        """Header in small letters, and rows."""
        cursor = self._connection.cursor()
        for name in (name for name in self._given if name in sql):
            cursor.register(name, self._given[name])  # which is of this cursor alone
        cursor.execute(sql, dict(bound))
        header = [str(column[0]).lower() for column in cursor.description or ()]
        return header, _fetched(cursor)

    def close(self) -> None:
        """Let the database go."""
        self._connection.close()


class UrlSession:
    """A database at a connection URL of SQLAlchemy."""

    mark = ":"
    as_text = False

    def __init__(self, url: str, schema: str | None) -> None:
        try:
            import sqlalchemy
        except ImportError as error:
            raise CohortError(
                "database: connecting by URL needs SQLAlchemy. Install twinbayes[omop]."
            ) from error
        self._sqlalchemy = sqlalchemy
        self._engine = _engine(sqlalchemy, url)
        self._named = schema
        preparer = self._engine.dialect.identifier_preparer
        self.schema = "" if schema is None else f"{preparer.quote_identifier(schema)}."
        self._connection = self._engine.connect()
        if (statement := _READ_ONLY.get(self._engine.dialect.name)) is not None:
            self._connection.execute(sqlalchemy.text(statement))

    def tables(self) -> set[str]:
        """Names of its tables and views in small letters."""
        found = self._sqlalchemy.inspect(self._connection)
        names = [*found.get_table_names(self._named), *found.get_view_names(self._named)]
        return {name.lower() for name in names}

    def run(
        self, sql: str, bound: Mapping[str, Any]
    ) -> tuple[list[str], Iterator[Sequence[object]]]:
        """Header in small letters, and rows."""
        given = self._sqlalchemy.text(sql)
        result = self._connection.execute(
            given, dict(bound), execution_options={"stream_results": True}
        )
        return [str(key).lower() for key in result.keys()], _fetched(result)  # noqa: SIM118

    def close(self) -> None:
        """Undo whatever a query may have done, and let the database go."""
        self._connection.rollback()
        self._connection.close()
        self._engine.dispose()


def quoted(name: str) -> str:
    """A name as SQL quotes it.

    Examples
    --------
    >>> quoted('a"; DROP TABLE person')
    '"a""; DROP TABLE person"'
    """
    return '"' + name.replace('"', '""') + '"'


def _engine(sqlalchemy: Any, url: str) -> Any:
    """An engine; an SQLite file is opened to read, and never made."""
    try:
        parsed = sqlalchemy.make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return sqlalchemy.create_engine(parsed)
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise CohortError(
            "database: the driver that the URL names is not installed. Install it, such as psycopg "
            "for postgresql+psycopg://; a DuckDB file is given by its path."
        ) from error
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise CohortError(
            "database: the URL cannot be read. Write it as SQLAlchemy does, such as "
            "postgresql+psycopg://reader@host/cdm."
        ) from None
    path = Path(parsed.database or "")
    if not parsed.database or not is_ordinary_file(path):
        raise CohortError("database: there is no such SQLite file. Give the path after sqlite:///.")
    place = f"file:{quote(str(path.resolve()))}?mode=ro"

    def opened() -> Any:
        import sqlite3

        return sqlite3.connect(place, uri=True)

    return sqlalchemy.create_engine("sqlite://", creator=opened)


def _fetched(cursor: Any) -> Iterator[Sequence[object]]:
    try:
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows
    finally:  # some drivers answer nothing else while rows are left
        cursor.close()
