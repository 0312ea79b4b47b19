"""The exit codes of the command, which the errors carry too, and what each means."""

DONE, BUG, BAD_INPUT, NOT_EXPORTABLE, DISAGREES, OVER_BUDGET, DEVICE, REGRESSED = range(8)

EXIT_CODES = {
    DONE: "done",
    BUG: "a bug in edgeport (with a traceback)",
    BAD_INPUT: "usage or bad input",
    NOT_EXPORTABLE: "the model cannot be exported",
    DISAGREES: "exported, but the artifact disagrees with the reference (kept, and marked in its manifest)",
    OVER_BUDGET: "the accuracy budget is missed",
    DEVICE: "the device failed",
    REGRESSED: "a report is worse than its baseline by more than the limits",
}
"""{exit code: what it means}."""
