"""What text without labels, and counts with labels, say about words before a network is trained.

`word_vectors`: from counted neighbours (PPMI and a truncated SVD; Levy, Goldberg and Dagan, 2015).
`ngram_votes`: from the labels, what each word, pair and triple votes for (NB-SVM; Wang and
Manning, 2012), cross-fitted by movie. Book: chapter 9.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from unrolled.experiments.shared.linear import fit, log_count_ratio
from unrolled.experiments.shared.parts import UNKNOWN, ngram_buckets
from unrolled.threads import threads

WINDOW = 5  # neighbours counted on each side
SMOOTHING = 0.75  # of the neighbours' frequencies
LONGEST = 3  # words of an n-gram that votes
PENALTY = 1.0  # the inverse penalty C of NB-SVM
Reviews = Any  # an iterable of sequences of ids: lists, or the arrays of the loaders


def joined(reviews: Reviews, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """All ids in a row, `gap` zeros before each review, and (N + 1,) where each begins."""
    rows = [np.pad(np.asarray(ids, np.int64), (gap, 0)) for ids in reviews]
    return np.concatenate(rows), np.cumsum([0, *map(len, rows)])


def neighbours(reviews: Reviews, num_words: int, window: int = WINDOW) -> Any:
    """(V, V) sparse, symmetric: how often two words stand d <= window apart, each time 1 / d.

    Ids up to 2 and from num_words on (padding, start, unknown) are nobody's neighbours.
    """
    from scipy.sparse import coo_array, csr_array  # type: ignore[import-untyped]

    ids, _ = joined(reviews, window)
    ids[ids >= num_words] = 0
    known = ids > UNKNOWN
    counts = csr_array((num_words, num_words), dtype=np.float32)
    for d in range(1, window + 1):
        both = known[:-d] & known[d:]
        pair = ids[:-d][both], ids[d:][both]
        ones = np.full(len(pair[0]), 1 / d, np.float32)
        counts = counts + coo_array((ones, pair), shape=counts.shape).tocsr()
    return (counts + counts.T).tocsr()


def ppmi(counts: Any) -> Any:
    """Positive pointwise mutual information of the counted pairs (eq-ppmi), sparse (V, V)."""
    table = counts.tocoo()
    words = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    context = words**SMOOTHING
    row, column = table.coords
    expected = words[row] * context[column] / context.sum()
    table.data = np.maximum(np.log(table.data / expected), 0).astype(np.float32)  # eq-ppmi
    result = table.tocsr()
    result.eliminate_zeros()
    return result


def word_vectors(reviews: Reviews, num_words: int, dimensions: int, seed: int = 0) -> np.ndarray:
    """(num_words, dimensions) float32: vectors in which words with like neighbours lie close.

    The first singular vectors of the PPMI matrix, each times the root of its singular value;
    rows of equal length, the mean square of a number 0.25 ** 2; 0 for words never seen.
    """
    from sklearn.utils.extmath import randomized_svd

    matrix = ppmi(neighbours(reviews, num_words))
    u, s, _ = randomized_svd(matrix, dimensions, n_oversamples=10, n_iter=3, random_state=seed)
    vectors = u * np.sqrt(s)
    vectors[np.diff(matrix.indptr) == 0] = 0
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scale = 0.25 * np.sqrt(dimensions)
    return (scale * vectors / np.maximum(norms, 1e-6)).astype(np.float32)


def presence(reviews: Reviews, bits: int) -> Any:
    """(N, LONGEST * 2**bits) sparse ones: which n-grams, by their buckets, a review holds."""
    from scipy.sparse import csr_array, hstack

    ids, starts = joined(reviews, LONGEST - 1)
    real = ids > 0
    starts = np.concatenate([[0], np.cumsum(real)])[starts].astype(np.int32)
    matrices = []
    for buckets in ngram_buckets(ids, LONGEST, bits):
        parts = np.ones(starts[-1], np.float32), buckets[real].astype(np.int32), starts.copy()
        matrix = csr_array(parts, shape=(len(starts) - 1, 2**bits))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        matrices.append(matrix)
    return hstack(matrices).tocsr()


def movie_folds(movies: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """(N,) the fold, 0 … folds - 1, of each review; reviews of a movie share theirs."""
    _, number = np.unique(movies, return_inverse=True)
    order = np.random.default_rng(seed).permutation(number.max() + 1)
    result: np.ndarray = order[number] % folds
    return result


def ngram_votes(
    reviews: Reviews, labels: np.ndarray, folds: np.ndarray, bits: int = 22
) -> np.ndarray:
    """(1 + folds, LONGEST, 2**bits) float16: the vote of the n-grams in each bucket.

    A vote is the weight in NB-SVM times the log-count ratio; 0 for n-grams in fewer than two
    reviews. Table 0 learns from all reviews, table 1 + k from those outside fold k, so that no
    vote on a training review has seen its label.
    """
    seen = presence(reviews, bits)
    used = np.flatnonzero(np.bincount(seen.indices, minlength=seen.shape[1]) > 1)
    seen = seen[:, used]
    votes = np.zeros((2 + folds.max(), LONGEST * 2**bits), np.float16)

    def learned(table: int) -> np.ndarray:
        rows = np.flatnonzero(folds != table - 1)
        ratio = log_count_ratio(seen[rows], labels[rows]).astype(np.float32)
        vote: np.ndarray = fit(seen[rows] * ratio, labels[rows], PENALTY).coef_[0] * ratio
        return vote

    with ThreadPoolExecutor(threads()) as pool:
        for table, vote in enumerate(pool.map(learned, range(len(votes)))):
            votes[table, used] = vote
    return votes.reshape(len(votes), LONGEST, -1)


def votes_from_answers(
    reviews: Reviews,
    labels: np.ndarray,
    folds: np.ndarray,
    unlabelled: Reviews,
    soft_labels: np.ndarray,
    bits: int = 22,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Votes as `ngram_votes` gives them that have learned from unlabelled texts too, and the folds.

    Each text counts with the class that its soft label finds likelier, and joins a fold at random:
    (N + M,) folds. So no text is voted on by its own answer.
    """
    drawn = np.random.default_rng(seed).integers(0, folds.max() + 1, len(unlabelled))
    joined_folds = np.concatenate([folds, drawn])
    classes = np.concatenate([labels, np.rint(soft_labels)])
    votes = ngram_votes([*reviews, *unlabelled], classes, joined_folds, bits)
    return votes, joined_folds


def nbsvm_probability(
    reviews: Reviews, labels: np.ndarray, others: Reviews, bits: int = 22
) -> np.ndarray:
    """What NB-SVM, with n-grams hashed as for the votes, says of the other reviews, (M,)."""
    seen, other = presence(reviews, bits), presence(others, bits)
    used = np.flatnonzero(np.bincount(seen.indices, minlength=seen.shape[1]) > 1)
    seen = seen[:, used]
    ratio = log_count_ratio(seen, labels).astype(np.float32)
    classifier = fit(seen * ratio, labels, PENALTY)
    probability: np.ndarray = classifier.predict_proba(other[:, used] * ratio)[:, 1]
    return probability
