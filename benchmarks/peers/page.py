"""This file renders the results: docs/benchmarks.md."""


def write() -> None:
    pass
