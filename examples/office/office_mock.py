"""The office that MOCK sees: one made-up row a table, so that arguments are checked without any office."""

from office_store import TABLES, Row

SAMPLES = {
    "events": ("00000000", "A meeting", "a.colleague@example.com", "2023-12-01 10:00:00", "30"),
    "emails": ("0", "inbox", "a.colleague@example.com", "A subject", "2023-11-29 10:00:00", "A body"),
    "customers": (
        "00000000", "a.colleague@example.com", "A Customer", "a.customer@example.com", "",
        "2023-11-29", "Software", "Lead", "2023-12-15", "",
    ),
    "tasks": ("00000000", "A task", "a.colleague@example.com", "Backlog", "2023-12-15", "Design"),
    "visits": ("2023-11-29", "0000", "3", "30", "direct", "True"),
    "staff": ("a.colleague@example.com",),
}  # fmt: skip


class Samples:
    """Records of which every question finds one."""

    def rows(
        self, table: str, where: str = "1", *params: str, order: str = "rowid", limit: int = -1
    ) -> list[Row]:
        """Return the table's one row; one asked for by its id has that id."""
        row = dict(zip(TABLES[table], SAMPLES[table], strict=True))
        key = TABLES[table][0]
        return [{**row, key: params[0]} if where == f"{key} = ?" else row]

    def by_day(self, measure: str, where: str = "1", *params: str) -> dict[str, float]:
        """Return one visit on one day."""
        return {"2023-11-29": 1}

    def next_id(self, table: str) -> str:
        """Return a number that no row of an office has."""
        return "0"
