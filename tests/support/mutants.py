"""Mutants of a cohort folder: a seed decides which file is spoilt, where, and in which way.

Each is made of a whole folder by one change to cells, rows, columns, bytes or the file itself. A
mutant that says the same as before in other words says so: it must be read as the same cohort.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

Rows = list[list[str]]
TABLES: Final = ("patients", "genomics", "visits", "events", "treatments", "variables")
PERSON: Final = "Hildegard Mustermann"
CELLS: Final = (
    "", "NA", "NaN", "None", "null", ".", "-", "-1", "0", "1e999", "inf", "-inf", "1e-400",
    "2020-03-01", "01.03.2020", "3/1/20", "12,5", "<5", ">500", "ten", "0x1F", "1_000", "١٢", "½",
    " 1", "1 ", "1\n2", "a\x00b", "\u200b1", "\ufeff", "TRUE", "=1+1", PERSON, "é" * 500,
    "9" * 20_000, "9" * 20_000 + "x", "x" * 140_000, '"', "'", "a,b", "1e5", "+3", "3.", ".5",
)  # fmt: skip

type Mutation = Callable[[Rows, random.Random], Rows]


def _cell(rows: Rows, chance: random.Random) -> tuple[int, int]:
    row = chance.randrange(1, len(rows))
    return row, chance.randrange(len(rows[row]))


def replaced(rows: Rows, chance: random.Random) -> Rows:
    i, j = _cell(rows, chance)
    rows[i][j] = chance.choice(CELLS)
    return rows


def deleted(rows: Rows, chance: random.Random) -> Rows:
    i, j = _cell(rows, chance)
    del rows[i][j]
    return rows


def doubled(rows: Rows, chance: random.Random) -> Rows:
    i, j = _cell(rows, chance)
    rows[i].insert(j, rows[i][j])
    return rows


def shifted(rows: Rows, chance: random.Random) -> Rows:
    i, _ = _cell(rows, chance)
    rows[i] = [*rows[i][1:], rows[i][0]]
    return rows


def shifted_from_a_cell(rows: Rows, chance: random.Random) -> Rows:
    i, j = _cell(rows, chance)
    rows[i] = [*rows[i][:j], "", *rows[i][j:-1]]
    return rows


def column_shifted_down(rows: Rows, chance: random.Random) -> Rows:
    _, j = _cell(rows, chance)
    cells = [row[j] for row in rows[1:]]
    for row, cell in zip(rows[1:], [cells[-1], *cells[:-1]], strict=True):
        row[j] = cell
    return rows


def exchanged(rows: Rows, chance: random.Random) -> Rows:
    (i, j), (k, _) = _cell(rows, chance), _cell(rows, chance)
    rows[i][j], rows[k][j] = rows[k][j], rows[i][j]
    return rows


def neighbours_exchanged(rows: Rows, chance: random.Random) -> Rows:
    i, j = _cell(rows, chance)
    rows[i][j], rows[i][j - 1] = rows[i][j - 1], rows[i][j]
    return rows


def row_dropped(rows: Rows, chance: random.Random) -> Rows:
    del rows[_cell(rows, chance)[0]]
    return rows


def row_repeated(rows: Rows, chance: random.Random) -> Rows:
    i, _ = _cell(rows, chance)
    return [*rows, list(rows[i])]


def row_blanked(rows: Rows, chance: random.Random) -> Rows:
    i, _ = _cell(rows, chance)
    rows[i] = chance.choice([[], [""] * len(rows[i]), [" "] * len(rows[i])])
    return rows


def column_filled(rows: Rows, chance: random.Random) -> Rows:
    _, j = _cell(rows, chance)
    value = chance.choice(CELLS)
    return [rows[0], *([*row[:j], value, *row[j + 1 :]] for row in rows[1:])]


def column_dropped(rows: Rows, chance: random.Random) -> Rows:
    _, j = _cell(rows, chance)
    return [[*row[:j], *row[j + 1 :]] for row in rows]


def column_repeated(rows: Rows, chance: random.Random) -> Rows:
    _, j = _cell(rows, chance)
    return [[*row, row[j]] for row in rows]


def column_renamed(rows: Rows, chance: random.Random) -> Rows:
    _, j = _cell(rows, chance)
    name = rows[0][j]
    other = (name.upper(), f" {name}", name[:-1], f"{name}s", PERSON, "", name.replace("_", " "))
    rows[0][j] = chance.choice(other)
    return rows


def column_of_a_person(rows: Rows, chance: random.Random) -> Rows:
    return [[*row, PERSON if k == 0 else "1"] for k, row in enumerate(rows)]


def header_dropped(rows: Rows, chance: random.Random) -> Rows:
    return rows[1:]


def header_repeated(rows: Rows, chance: random.Random) -> Rows:
    i, _ = _cell(rows, chance)
    return [*rows[:i], list(rows[0]), *rows[i:]]


def rows_all_dropped(rows: Rows, chance: random.Random) -> Rows:
    return rows[:1]


def transposed(rows: Rows, chance: random.Random) -> Rows:
    return [list(column) for column in zip(*rows, strict=True)]


OF_ROWS: Final[tuple[Mutation, ...]] = (
    replaced, replaced, replaced, deleted, doubled, shifted, shifted_from_a_cell,
    column_shifted_down, exchanged, neighbours_exchanged, row_dropped, row_repeated, row_blanked,
    column_filled, column_dropped, column_repeated, column_renamed, column_of_a_person,
    header_dropped, header_repeated, rows_all_dropped, transposed,
)  # fmt: skip


def _bytes_flipped(content: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(content)
    for _ in range(chance.choice([1, 5, 50])):
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    return bytes(spoilt)


OF_BYTES: Final[dict[str, Callable[[bytes, random.Random], bytes]]] = {
    "flipped": _bytes_flipped,
    "truncated": lambda content, chance: content[: chance.randrange(len(content))],
    "twice": lambda content, chance: content + content,
    "utf-16": lambda content, chance: content.decode().encode("utf-16"),
    "utf-7": lambda content, chance: content.decode().replace("a", "ä").encode("utf-7"),
    "latin-1": lambda content, chance: content.decode().replace("e", "é").encode("latin-1"),
    "compressed": lambda content, chance: gzip.compress(content),
    "semicolons": lambda content, chance: content.replace(b",", b";"),
    "tabs": lambda content, chance: content.replace(b",", b"\t"),
    "decimal commas": lambda content, chance: content.replace(b".", b","),
    "a quotation left open": lambda content, chance: content.replace(b"\n", b'\n"', 3),
    "nothing": lambda content, chance: b"",
    "NULs": lambda content, chance: bytes(1000),
}
SAME_IN_OTHER_BYTES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "lines end as on Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "a mark of the byte order": lambda content: b"\xef\xbb\xbf" + content,
    "no end of the last line": lambda content: content.rstrip(b"\n"),
    "every cell quoted": lambda content: _quoted(content),
}
DESCRIPTORS: Final = (
    b"", b"{}", b"[]", b"null", b"[" * 5000 + b"]" * 5000, b'{"a": ' + b"[" * 90 + b"]" * 90 + b"}",
    b"7" * 5000, b'{"name": "\\ud800"}', b'{"twinbayes": []}', b'{"resources": 3}', b"\xff\xfe",
    b'{"twinbayes": {"contract": "cohort/v1"}, "resources": [{"path": "../../events.csv"}]}',
    b'{"twinbayes": {"contract": "cohort/v1"}, "resources": [[[1]], {"path": {}}]}',
    b'{"twinbayes": {"contract": "cohort/v1", "source": {"a": [1]}}, "sources": [{"title": []}]}',
)  # fmt: skip


def _quoted(content: bytes) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        csv.reader(io.StringIO(content.decode(), newline=""))
    )
    return out.getvalue().encode()


def mutate(folder: Path, seed: int) -> tuple[str, bool]:
    """Spoil a copy of a valid folder; return what was done, and whether it says the same still."""
    chance = random.Random(seed)  # noqa: S311 - mutants are no secret
    path = folder / f"{chance.choice(TABLES)}.csv"
    kind = chance.random()
    if kind < 0.7:
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
        mutation = chance.choice(OF_ROWS)
        rows = mutation(rows, chance)
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        return f"{mutation.__name__} in {path.stem}", False
    if kind < 0.85:
        name = chance.choice(sorted(OF_BYTES))
        path.write_bytes(OF_BYTES[name](path.read_bytes(), chance))
        return f"{name} in {path.stem}", False
    if kind < 0.9:
        name = chance.choice(sorted(SAME_IN_OTHER_BYTES))
        path.write_bytes(SAME_IN_OTHER_BYTES[name](path.read_bytes()))
        return f"{name} in {path.stem}", True
    if kind < 0.95:
        k = chance.randrange(len(DESCRIPTORS))
        (folder / "datapackage.json").write_bytes(DESCRIPTORS[k])
        return f"descriptor {k}", False
    return _file_itself(folder, path, chance), False


def _file_itself(folder: Path, path: Path, chance: random.Random) -> str:
    what = chance.choice(("gone", "pipe", "folder", "link", "renamed", "parquet", "of a person"))
    content = path.read_bytes()
    if what != "of a person":
        path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        outside = folder.parent / f"{folder.name}-{path.name}"
        outside.write_bytes(content)
        path.symlink_to(outside)
    elif what == "renamed":
        path.with_suffix(chance.choice((".CSV", ".tsv", ".csv.bak"))).write_bytes(content)
    elif what == "parquet":
        path.with_suffix(".parquet").write_bytes(content)
    elif what == "of a person":
        (folder / f"{PERSON}.csv").write_bytes(content)
    descriptor = folder / "datapackage.json"
    if chance.random() < 0.5:  # otherwise its list of tables is wrong as well
        plain = json.loads(descriptor.read_text()) | {"resources": []}
        descriptor.write_text(json.dumps(plain))
    return f"{path.stem} is {what}"
