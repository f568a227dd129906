"""From text to ids and back."""

import operator
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache

from unrolled.datasets.errors import DataError
from unrolled.datasets.sources import data_source, get_word_index
from unrolled.datasets.words import tokenize

PAD, START, UNKNOWN = 0, 1, 2  # ids that stand for no word
SPECIAL = {PAD: "<pad>", START: "<start>", UNKNOWN: "<unk>"}


def encode(
    text: str,
    word_index: Mapping[str, int] | None = None,
    num_words: int | None = None,
    index_from: int = 3,
) -> list[int]:
    """Ids of a text as `load_imdb` and `load_sample` give them: [1, rank + 3, …] (chapter 8).

    Lower case and without punctuation, by the rules of Keras's Tokenizer. A word that is not in
    word_index (default: that of the data in use), or whose id is not below num_words, becomes 2.
    Raises DataError where the text holds no word.
    """
    words = tokenize(text)
    if not words:
        raise DataError(f"The text {text!r} holds no word; give at least one.")
    ranks = get_word_index() if word_index is None else word_index
    ids = [ranks[word] + index_from if word in ranks else UNKNOWN for word in words]
    return [START, *(i if num_words is None or i < num_words else UNKNOWN for i in ids)]


def decode(
    ids: Iterable[int], word_index: Mapping[str, int] | None = None, index_from: int = 3
) -> str:
    """The words of one review's ids, joined by blanks; the inverse of `encode` (chapter 8).

    An id is a word's rank + index_from; 0, 1 and 2 are shown as <pad>, <start> and <unk>.
    Raises DataError for an id beyond the word_index (default: that of the data in use).
    """
    if word_index is None:
        words = _default_words(data_source(), os.environ.get("UNROLLED_IMDB"))
    else:
        words = {rank: word for word, rank in word_index.items()}
    decoded = []
    for i in ids:
        try:
            i = operator.index(i)
        except TypeError:
            raise TypeError(
                f"decode takes the ids of one review, integers; an id came as {i!r}."
            ) from None
        if 0 <= i <= index_from:
            decoded.append(SPECIAL.get(i, "<unused>"))
        elif i - index_from in words:
            decoded.append(words[i - index_from])
        else:
            raise DataError(
                f"The id {i} is beyond the vocabulary of {len(words)} words (largest id "
                f"{len(words) + index_from}): decode with the word_index of the data that the ids "
                "come from."
            )
    return " ".join(decoded)


@lru_cache(maxsize=2)
def _default_words(source: str, named: str | None) -> dict[int, str]:
    """rank -> word of the data in use; kept, so that decoding many reviews stays fast."""
    return {rank: word for word, rank in get_word_index(source).items()}
