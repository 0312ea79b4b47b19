"""This file says what each exit code of the command means, and which error ends with which."""

DONE, BUG, BAD_INPUT, NOT_EXPORTABLE, DISAGREES, OVER_BUDGET, DEVICE, REGRESSED = range(8)

MEANING = {
    DONE: "done",
    BUG: "a bug in edgeport (with a traceback)",
    BAD_INPUT: "usage or bad input",
    NOT_EXPORTABLE: "the model cannot be exported",
    DISAGREES: "exported, but the artifact disagrees with the reference (kept, and marked in its manifest)",
    OVER_BUDGET: "the accuracy budget is missed",
    DEVICE: "the device failed",
    REGRESSED: "a report is worse than its baseline by more than the limits",
}

# By name, so that telling them apart imports nothing: the classes live beside heavy imports.
_ERRORS = {
    "UsageError": BAD_INPUT,
    "UnknownModel": BAD_INPUT,
    "UnknownCheckpoint": BAD_INPUT,
    "DownloadError": BAD_INPUT,
    "WeightsError": BAD_INPUT,
    "ImageError": BAD_INPUT,
    "ArtifactError": BAD_INPUT,
    "ManifestError": BAD_INPUT,
    "ModelFileError": BAD_INPUT,
    "InputShapeError": BAD_INPUT,
    "FeedError": BAD_INPUT,
    "RuntimeUnavailable": BAD_INPUT,
    "WriteError": BAD_INPUT,
    "ExportError": NOT_EXPORTABLE,
    "QuantizeError": NOT_EXPORTABLE,
    "DeviceError": DEVICE,
}


class UsageError(Exception):
    """The command line, or a file it names, is wrong. The message is one sentence."""


def exit_code(error: BaseException) -> int:
    """The code that an exception ends the command with; BUG for one that is not meant for the user."""
    for kind in type(error).__mro__:
        if kind.__module__.startswith("edgeport.") and kind.__name__ in _ERRORS:
            return _ERRORS[kind.__name__]
    return BUG
