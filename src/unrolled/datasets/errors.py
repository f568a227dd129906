"""What the loaders raise when data are not what they should be."""


class DataError(ValueError):
    """A file or an argument holds other data than expected; the message names it and the mend."""
