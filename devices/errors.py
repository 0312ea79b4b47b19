"""This file is the error of whatever goes wrong with a device."""


class DeviceError(Exception):
    """A device cannot be reached, went away, or failed at its job. The message is one sentence, naming it."""
