"""One module for each measured claim; `python -m unrolled.experiments NAME` records a run.

A module of this package is an experiment when it has a frozen dataclass `Settings` (with a field
`seed`), a tuple `NAMED_BY` (the fields that name a run's file) and a function
`run(settings, partial) -> dict` with the keys `data`, `seconds`, `figures` and `curves`, where
`partial` is a folder for what a later call needs to go on after an interruption.
"""
