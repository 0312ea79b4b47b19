"""This file names the ways in which an export can fail; each message says where, what, and what would work."""


class ExportError(Exception):
    """A model cannot be exported. The message is one sentence for the user."""


class UnsupportedOp(ExportError):
    """An operator that the dialect or the target does not have."""


class UnsupportedAttribute(ExportError):
    """A known operator with an attribute, or a value of it, that the target cannot express."""


class DynamicShape(ExportError):
    """A value whose shape is not known when the model is exported."""


class NotCanonical(ExportError):
    """A node that no pass could bring to the canonical form."""


class ArtifactTooLarge(ExportError):
    """An artifact larger than its format allows."""


class ModelFileError(Exception):
    """A file that is no model, is damaged, or is not safe to load. The message is one sentence for the user."""
