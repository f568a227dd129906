"""Arguments that Keras has and unrolled does not: refused by name, never accepted and ignored."""

from collections.abc import Collection, Iterable


def refuse(kind: str, given: Iterable[str], known: Collection[str]) -> None:
    """TypeError if an argument given by name is not among the known ones of a class.

    kind: the class's name. given: the arguments' names, or a dict of them. In a dataclass, call it
    in `__new__`, which sees the arguments before `__init__` does.
    """
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(
            f"{kind}: unrolled does not have the argument {', '.join(unknown)}; "
            f"those of {kind} are {', '.join(known)}."
        )
