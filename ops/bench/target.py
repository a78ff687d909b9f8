"""A figure beside what it must be, and tables in Markdown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A figure, and what it must be: at least `limit`, or at most when `most`."""

    name: str
    value: float
    limit: float
    unit: str = ""
    most: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is good enough."""
        return self.value <= self.limit if self.most else self.value >= self.limit

    def row(self) -> list[str]:
        """The cells of a table."""
        bound = "<=" if self.most else ">="
        return [
            self.name,
            f"{self.value:,.{3 if self.value < 10 else 1}f}{self.unit}",
            f"{bound} {self.limit:,.10g}{self.unit}",
            "met" if self.met else "MISSED",
        ]


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def side_by_side(name: str, messages: int, ours: float, raw: float, against: str) -> str:
    """One measurement next to its limit."""
    return table(
        ["", "seconds", "messages/s"],
        [
            [name, f"{ours:.2f}", f"{messages / ours:,.0f}"],
            [against, f"{raw:.2f}", f"{messages / raw:,.0f}"],
            ["ratio", f"{raw / ours:.2f}", ""],
        ],
    )
