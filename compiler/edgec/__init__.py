"""edgec: from a YAML manifest to a deployable, self-testing edge bundle."""

__version__ = "0.1.0"
