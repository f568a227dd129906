"""What the loaders raise when data are not what they should be."""


class DataError(ValueError):
    """A file or argument holds other data than expected; the message says which, and what to do."""
