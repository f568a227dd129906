"""The command `unrolled`: it reads a review, writes source code, or answers over HTTP.

`unrolled --help` lists the three; each is a module of this package with two functions: `add` gives
it its place on the command line, `run` does it. What goes wrong is one sentence on stderr.
"""

from unrolled.commands.console import main

__all__ = ["main"]
