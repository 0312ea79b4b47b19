"""The columns of a report's table, for every form that it takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..artifacts.manifest import RANDOM
from ..runtime.output_kinds import MAX_SNR_DB
from .records import LOCAL, Row


@dataclass(frozen=True)
class Column:
    """A column: what sorts and the text of a cell; `figure` is the name under which changes are known."""

    figure: str
    head: str
    key: Callable[["Row", "Twins"], float | str | None]
    shown: Callable[..., str] = str
    numeric: bool = True
    always: bool = False


class Twins:
    """The float artifact that each row is compared with: the same model, target and device, of its folder at best."""

    def __init__(self, rows: Sequence[Row]):
        timed = [row for row in rows if row.precision == "fp32" and row.latency]
        self._float = {(row.model, row.target, row.device): row for row in timed}
        self._beside = {(row.model, row.target, row.device, folder_of(row)): row for row in timed}

    def ratio(self, row: Row) -> float | None:
        """The median in medians of the float twin, of as many threads."""
        same = (row.model, row.target, row.device)
        twin = self._beside.get((*same, folder_of(row)), self._float.get(same))
        own = row.latency.get("median_ms")
        if twin is None or own is None or twin.latency.get("threads") != row.latency.get("threads"):
            return None
        return own / twin.latency["median_ms"] if twin.latency.get("median_ms") else None


def folder_of(row: Row) -> str:
    """The folder that the artifact lies in, "" where it is not known."""
    return PurePosixPath(row.artifact).parent.as_posix() if row.artifact else ""


def short_weights(row: Row) -> str | None:
    """Where the weights came from, without the path or the seed."""
    return row.weights and (RANDOM if RANDOM in row.weights else PurePosixPath(row.weights).name)


def short_cpu(row: Row) -> str | None:
    """What a latency was taken on, without the marks of trade."""
    cpu = row.device_facts.get("cpu") if row.latency else None
    return cpu and " ".join(cpu.replace("(R)", " ").replace("(TM)", " ").split())


def _latency(name: str):
    return lambda row, twins: row.latency.get(name)


def _agreement(name: str):
    return lambda row, twins: row.agreement.get(name)


def decibels(value: float) -> str:
    """With one decimal; "exact" for no difference at all."""
    return "exact" if value >= MAX_SNR_DB else f"{value:.1f}"


def milliseconds(value: float) -> str:
    """Three significant digits, and no exponent."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


COLUMNS = (
    Column("model", "model", lambda row, twins: row.model or row.artifact, numeric=False, always=True),
    Column("target", "target", lambda row, twins: row.target or "", numeric=False, always=True),
    Column("precision", "precision", lambda row, twins: row.precision or "", numeric=False, always=True),
    Column("variant", "variant", lambda row, twins: row.variant or None, numeric=False),
    Column("folder", "folder", lambda row, twins: folder_of(row) or None, numeric=False),
    Column("weights", "weights", lambda row, twins: short_weights(row), numeric=False),
    Column("device", "device", lambda row, twins: row.device or LOCAL, numeric=False),
    Column("size_bytes", "size MB", lambda row, twins: row.size_bytes, lambda size: f"{size / 1e6:.2f}"),
    Column("median_ms", "median ms", _latency("median_ms"), milliseconds),
    Column("p90_ms", "p90 ms", _latency("p90_ms"), milliseconds),
    Column("ratio", "of fp32's time", lambda row, twins: twins.ratio(row), "{:.2f}".format),
    Column("cpu", "CPU", lambda row, twins: short_cpu(row), numeric=False),
    Column("instructions", "M instructions", lambda row, twins: row.instructions, lambda n: f"{n / 1e6:.2f}"),
    Column("kernels", "kernels", lambda row, twins: row.kernels, numeric=False),
    Column("snr_db", "SNR dB", _agreement("snr_db"), decibels),
    Column("max_abs_over_std", "max error / std", _agreement("max_abs_over_std"), "{:.2g}".format),
    Column("top1", "top-1 agrees", _agreement("top1"), "{:.1%}".format),
    Column("answers", "task", lambda row, twins: row.answers, numeric=False),
    Column("equal", "equal values", _agreement("equal"), "{:.1%}".format),
    Column("validation", "compared on", lambda row, twins: row.validation, numeric=False),
    Column("verdict", "verdict", lambda row, twins: row.said, numeric=False, always=True),
)


def shown_columns(rows: Sequence[Row], twins: Twins) -> list[Column]:
    """Those that say something: the devices where there are several, figures where at least one row has them.

    The folders, where two rows would look the same without them.
    """
    columns = []
    for column in COLUMNS:
        values = {column.key(row, twins) for row in rows}
        if column.figure == "device":
            says = values != {LOCAL}
        elif column.figure == "folder":
            says = look_alike(rows)
        else:
            says = bool(values - {None})
        if column.always or says:
            columns.append(column)
    return columns


def look_alike(rows: Sequence[Row]) -> bool:
    """Whether two rows are the same in all that names them but where they lie."""
    named = [(row.model or row.artifact, row.target, row.precision, row.variant or "", row.device) for row in rows]
    return len(set(named)) < len(named)


def cell(column: Column, row: Row, twins: Twins) -> str:
    """The text of a cell, "" for what is not known."""
    value = column.key(row, twins)
    if value is None:
        return "emulated" if column.figure == "median_ms" and row.emulated else ""
    return column.shown(value)
