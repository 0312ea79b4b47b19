"""`edgeport.report`: manifests and results in a folder become one page, and are held to a baseline."""

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import BAD_INPUT, DONE, REGRESSED
from ..artifacts.staging import Staging
from .columns import Twins, cell, shown_columns
from .comparison import Comparison, Limits, compare, name
from .folder import Findings, findings
from .markdown import markdown
from .page import page
from .records import Row
from .summary import about_random

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class ReportResult:
    """The report of a folder.

    Attributes:
        heading: of the page.
        findings: the rows, the layers, and what could not be read.
        comparison: with the baseline; None without one.
        problems: one sentence for each file that cannot be read or is not there.
        page: the HTML page.
    """

    heading: str
    findings: Findings = field(repr=False)
    comparison: Comparison | None = field(repr=False)
    problems: tuple[str, ...]
    page: Path

    @property
    def rows(self) -> tuple[Row, ...]:
        """One for each artifact and device."""
        return self.findings.rows

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        worse = bool(self.comparison and self.comparison.regressions)
        return max(REGRESSED if worse else DONE, BAD_INPUT if self.problems else DONE)

    def to_markdown(self) -> str:
        """The report without its charts."""
        return markdown(self.heading, self.findings, self.comparison)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport report --json` prints."""
        value: dict[str, Any] = {
            "rows": [dataclasses.asdict(row) | {"state": row.state} for row in self.rows],
            "layers": [each.artifact for each in self.findings.layers],
            "problems": list(self.problems),
            "page": str(self.page),
        }
        comparison = self.comparison
        if comparison:
            value["baseline"] = {
                "folder": comparison.baseline,
                "limits": dataclasses.asdict(comparison.limits),
                "compared": comparison.compared,
                "worse": [{"row": name(each.row), "text": each.text} for each in comparison.regressions],
                "better": [{"row": name(each.row), "text": each.text} for each in comparison.improvements],
                "new": [name(row) for row in comparison.new],
                "not_compared": list(comparison.apart),
            }
        return value

    def table(self) -> tuple[list[str], list[list[str]]]:
        """(the heads of the columns, the cells of each row), for a terminal."""
        return make_table(self.rows)

    def about_random(self) -> str:
        """What the random weights of some artifacts mean for their figures; "" where there are none."""
        return about_random(self.rows)

    def regressions(self) -> list[tuple[str, str]]:
        """(row, what is worse) of everything that is worse than the baseline."""
        found = self.comparison.regressions if self.comparison else ()
        return [(name(each.row), each.text) for each in found]


def make_table(rows: tuple[Row, ...]) -> tuple[list[str], list[list[str]]]:
    """(the heads of the columns, the cells of each row) that say something of these rows."""
    twins = Twins(rows)
    columns = shown_columns(rows, twins)
    cells = [[cell(column, row, twins) or "-" for column in columns] for row in rows]
    return [column.head for column in columns], cells


def report(
    folder: str | Path,
    *,
    output: str | Path | None = None,
    baseline: str | Path | None = None,
    max_slowdown: float = 0.1,
    max_snr_drop: float = 1.0,
    max_top1_drop: float = 0.01,
    max_growth: float = 0.02,
) -> ReportResult:
    """Makes one HTML page of a folder's manifests and results, and compares it with another run.

    Args:
        folder: where manifests and results (.json, .jsonl) lie, at any depth.
        output: the page; None for report.html in the folder.
        baseline: the folder of a former run; what is worse is marked.
        max_slowdown: slower by a larger share of the time, in the median and in the fastest run, is worse.
        max_snr_drop: so is an SNR below 80 dB that is lower by more decibels.
        max_top1_drop: so is a top-1 agreement that is lower by more.
        max_growth: so is a size that is larger by a larger share.

    Returns:
        What was found, and the page.

    Raises:
        UsageError: no such folder, or nothing of edgeport's in it.
        WriteError: the page cannot be written.

    Example:
        >>> edgeport.report("artifacts/", baseline="artifacts-of-yesterday/").comparison.regressions
    """
    folder = Path(folder)
    path = Path(output) if output else folder / PAGE
    if os.path.isdir(path):
        raise UsageError(f"{path}: is a folder; --output takes the name of the page")
    found = findings(folder)
    comparison, problems = None, list(found.problems)
    if baseline:
        before = findings(Path(baseline), artifacts=False)
        problems += before.problems
        limits = Limits(max_slowdown, max_snr_drop, max_top1_drop, max_growth)
        comparison = compare(found.rows, before.rows, str(baseline), limits)
    heading = folder.resolve().name or str(folder)
    found = dataclasses.replace(found, problems=tuple(problems))
    with Staging(path.parent) as staging:
        staging.write(path.name, page(heading, found, comparison))
        staging.publish([path.name])
    return ReportResult(heading=heading, findings=found, comparison=comparison, problems=tuple(problems), page=path)
