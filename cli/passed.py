"""This file says which exports passed when last run; written by `python -m benchmarks.matrix`."""

# ruff: noqa: E501, RUF100
# fmt: off
PASSED: dict[str, dict[str, tuple[str, ...]]] = {
}
