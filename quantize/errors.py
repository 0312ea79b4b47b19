"""This file names the way in which a quantisation can fail; the message says where, what, and what would work."""


class QuantizeError(Exception):
    """A model cannot be quantised with what was given. The message is one sentence for the user."""
