"""This file says which exports passed when they were last run; written by `python -m benchmarks.matrix`."""

# ruff: noqa: E501
# fmt: off
PASSED: dict[str, dict[str, tuple[str, ...]]] = {
}
