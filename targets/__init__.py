"""The targets that a model can be exported to: one file each, found by the registry."""
