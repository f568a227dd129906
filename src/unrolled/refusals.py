"""What Keras has and `unrolled` has not is refused by name."""

from collections.abc import Collection
from typing import Any


def refuse(kind: str, given: dict[str, Any], known: Collection[str]) -> None:
    """Raise a TypeError that names the first argument given that is none of the known ones."""
    for name in given:
        if name not in known:
            raise TypeError(f"{kind}: {name}: unrolled has no such argument; it has {', '.join(known)}.")
