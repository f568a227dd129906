"""Words of a text by the rules of Keras's Tokenizer, and the vocabulary that is shipped."""

from functools import cache
from pathlib import Path

FILTERS = b'!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'  # Keras's; the apostrophe stays in the word
_UPPER, _LOWER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
_TABLE = bytes.maketrans(_UPPER + FILTERS, _LOWER + b" " * len(FILTERS))


def tokenize_bytes(text: bytes) -> list[bytes]:
    """Lower-case words of a text in UTF-8; only ASCII is lowered and filtered, as in imdb.npz."""
    return [word for word in text.translate(_TABLE).split(b" ") if word]


def tokenize(text: str) -> list[str]:
    """Words of a text as `keras.datasets.imdb` has them: lower case, punctuation dropped.

    "It's GREAT!<br />" gives ["it's", "great", "br"]. Chapter 8.
    """
    return [word.decode() for word in tokenize_bytes(text.encode("utf-8", "replace"))]


@cache
def vocabulary() -> tuple[str, ...]:
    """The 10,000 most frequent words of the real training reviews, the most frequent first."""
    text = Path(__file__).with_name("vocabulary.txt").read_text(encoding="utf-8")
    return tuple(text.removesuffix("\n").split("\n"))  # splitlines would split a word at U+0085
