"""Networks that write: experiments on the source code of Python's standard library."""
