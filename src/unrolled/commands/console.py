"""The command line of `unrolled`: its options, its errors and its exit status."""

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version

from unrolled.commands import read, serve, write
from unrolled.datasets import DataError

INTERRUPTED = 130  # the exit status after Ctrl-C, as in a shell


def installed_version() -> str:
    """The version of the installed package; "unknown" where it runs from a folder of sources."""
    try:
        return version("unrolled")
    except PackageNotFoundError:
        return "unknown"


def parser() -> argparse.ArgumentParser:
    """The command line: one subcommand for each module."""
    top = argparse.ArgumentParser(
        prog="unrolled",
        description="Small recurrent networks in NumPy that read film reviews and write Python.",
    )
    top.add_argument("--version", action="version", version=f"unrolled {installed_version()}")
    commands = top.add_subparsers(dest="command", required=True)
    for module in (read, write, serve):
        name = module.__name__.rpartition(".")[2]
        title, _, rest = (module.__doc__ or "").strip().partition("\n")
        sub = commands.add_parser(
            name,
            help=title,
            description=f"{title}\n{rest}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add(sub)
        sub.set_defaults(run=module.run)
    return top


def sentence(error: Exception) -> str:
    """What went wrong: for an error of the system the file, if it has one, and the reason."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; returns the exit status.

    0: done; 1: it could not be done, and stderr says why in a sentence; 2: the command line is
    wrong; 130: Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter gets its code
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, `head` say, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (DataError, ModuleNotFoundError, OSError, ValueError) as error:
        print(f"unrolled {options.command}: {sentence(error)}", file=sys.stderr)
        return 1
    return 0
