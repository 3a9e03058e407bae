"""A model of the project."""


def build():
    """Never run by validate."""
