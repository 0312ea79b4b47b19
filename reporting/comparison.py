"""Compares a run with a baseline, row by row, and says what became worse by more than the limits."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .records import LOCAL, Row

ENOUGH_DB = 80.0  # what fp32 has to reach; of two figures above it none is worse


@dataclass(frozen=True)
class Limits:
    """How much worse a figure may be.

    Attributes:
        slowdown, growth: shares of the baseline's latency and size.
        snr_drop: decibels, of what lies below ENOUGH_DB.
        top1_drop: a share of the samples.
    """

    slowdown: float = 0.10
    snr_drop: float = 1.0
    top1_drop: float = 0.01
    growth: float = 0.02

    def __str__(self) -> str:
        return (
            f"slower by over {100 * self.slowdown:g}% (median and fastest run), SNR lower by over {self.snr_drop:g} dB "
            f"(below {ENOUGH_DB:g} dB), top-1 lower by over {100 * self.top1_drop:g} points, larger by over "
            f"{100 * self.growth:g}%"
        )


@dataclass(frozen=True)
class Change:
    """A figure of a row beside the baseline's.

    Attributes:
        text: what became of what.
        sign: -1 where it is worse by more than the limit, +1 where it is better by more.
        was: the baseline's figure, "" where it is no figure.
    """

    row: Row
    figure: str
    text: str
    sign: int
    was: str = ""

    @property
    def worse(self) -> bool:
        return self.sign < 0


@dataclass(frozen=True)
class Comparison:
    """What changed against a baseline. `new`: rows that it does not have; `apart`: why a latency was not compared."""

    baseline: str
    limits: Limits
    changes: tuple[Change, ...]
    new: tuple[Row, ...]
    apart: tuple[str, ...]
    compared: int

    @property
    def regressions(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.worse)

    @property
    def improvements(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.sign > 0)

    def of(self, row: Row, figure: str) -> Change | None:
        """The change of one figure of one row."""
        return next((each for each in self.changes if each.row is row and each.figure == figure), None)


def compare(rows: Sequence[Row], before: Sequence[Row], baseline: str, limits: Limits) -> Comparison:
    """Every row beside the one of the same model, target, precision and device (and path, where there are several)."""
    ours, theirs = keyed(rows), keyed(before)
    changes: list[Change] = []
    apart: list[str] = []
    for key, row in ours.items():
        if key in theirs:
            changes += _changes(row, theirs[key], limits, apart)
    for key, row in theirs.items():
        if key not in ours:
            changes.append(Change(row, "verdict", "is gone: the baseline has it, this run has not", -1))
    new = tuple(row for key, row in ours.items() if key not in theirs)
    return Comparison(baseline, limits, tuple(changes), new, tuple(apart), len(ours.keys() & theirs.keys()))


def keyed(rows: Sequence[Row]) -> Mapping[tuple[str, ...], Row]:
    """The rows by what names them; by their path, too, where several have the same name."""
    names = [tuple(part or "" for part in (row.model, row.target, row.precision, row.device)) for row in rows]
    count = Counter(names)
    return {
        (*name, row.artifact or "") if count[name] > 1 else name: row for name, row in zip(names, rows, strict=True)
    }


def _changes(row: Row, before: Row, limits: Limits, apart: list[str]) -> list[Change]:
    found = []
    for figure, measure in FIGURES.items():
        now, then = measure.value(row), measure.value(before)
        if then is None:
            continue
        if now is None:
            found.append(Change(row, figure, f"{measure.words} is no longer measured", -1, measure.shown(then)))
            continue
        if figure == "median_ms" and (why := _not_comparable(row, before)):
            apart.append(f"{name(row)}: its latency is not compared, {why}")
            continue
        limit = getattr(limits, measure.limit)
        sign = measure.judge(row, before, limit)
        if sign:
            text = f"{measure.words} {measure.shown(then)} to {measure.shown(now)}"
            found.append(Change(row, figure, text, sign, measure.shown(then)))
    if row.state == "fail" != before.state:
        found.append(Change(row, "verdict", f"was {before.said!r}, is {row.said!r}", -1))
    elif before.state == "fail" != row.state:
        found.append(Change(row, "verdict", f"was {before.said!r}, is {row.said!r}", +1))
    return found


def name(row: Row) -> str:
    """What a row is called in a sentence."""
    device = f" on {row.device}" if row.device not in (None, LOCAL) else ""
    variant = f" ({row.variant})" if row.variant else ""
    return f"{row.model or row.artifact} {row.target or ''} {row.precision or ''}".strip() + variant + device


def _not_comparable(row: Row, before: Row) -> str:
    """Why two latencies were measured under different conditions, or ""."""
    now, then = row.latency.get("threads"), before.latency.get("threads")
    if None not in (now, then) and now != then:
        return f"{now:g} threads here and {then:g} there"
    cpu, other = row.device_facts.get("cpu"), before.device_facts.get("cpu")
    return f"{cpu} here and {other} there" if cpu and other and cpu != other else ""


@dataclass(frozen=True)
class Figure:
    """A figure that is compared.

    Attributes:
        limit: the name of its limit in Limits.
        judge: (row, baseline's row, limit) -> -1 worse by more than that, +1 better by more, 0 else.
    """

    words: str
    limit: str
    value: Callable[[Row], float | None]
    shown: Callable[[float], str]
    judge: Callable[[Row, Row, float], int]


def _latency(row: Row, before: Row, share: float) -> int:
    """A busy machine slows single runs, and so the median: the fastest run has to have changed, too."""
    both = [(row.latency.get(key), before.latency.get(key)) for key in ("median_ms", "min_ms")]
    signs = {_sign(then * share, now - then) for now, then in both if now is not None and then is not None}
    return signs.pop() if len(signs) == 1 else 0


def _sign(room: float, more: float) -> int:
    """-1 where there is more by over the room, +1 where less."""
    room += 1e-9
    return -1 if more > room else 1 if -more > room else 0


def _snr(row: Row, before: Row, drop: float) -> int:
    now, then = (min(each.agreement["snr_db"], ENOUGH_DB) for each in (row, before))
    return _sign(drop, then - now)


def _top1(row: Row, before: Row, drop: float) -> int:
    return _sign(drop, before.agreement["top1"] - row.agreement["top1"])


def _size(row: Row, before: Row, share: float) -> int:
    now, then = row.size_bytes or 0, before.size_bytes or 0
    return _sign(then * share, now - then)


FIGURES = {
    "median_ms": Figure("median", "slowdown", lambda r: r.latency.get("median_ms"), "{:.3g} ms".format, _latency),
    "snr_db": Figure("SNR", "snr_drop", lambda r: r.agreement.get("snr_db"), "{:.1f} dB".format, _snr),
    "top1": Figure("top-1", "top1_drop", lambda r: r.agreement.get("top1"), "{:.1%}".format, _top1),
    "size_bytes": Figure("size", "growth", lambda r: r.size_bytes, lambda size: f"{size / 1e6:.2f} MB", _size),
}
