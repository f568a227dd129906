"""Paired comparisons: a known table has its known p-value and interval, and intervals cover."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from unrolled.experiments.shared import measures, paired


def answers(both, first, second, neither):
    """Two arrays of right and wrong: so many reviews on which both, one or neither is right."""
    one = np.repeat([True, True, False, False], [both, first, second, neither])
    other = np.repeat([True, False, True, False], [both, first, second, neither])
    return one, other


class TestBits:
    @pytest.mark.parametrize("count", [1, 7, 8, 9, 25_000])
    def test_packed_answers_come_back(self, count):
        right = np.random.default_rng(count).random(count) < 0.9
        text = paired.pack(right)
        assert len(text) <= 4 * -(-count // 24)
        np.testing.assert_array_equal(paired.unpack(text, count), right)

    @pytest.mark.parametrize("count", [8, 17, 100])
    def test_another_number_of_answers_is_refused(self, count):
        with pytest.raises(ValueError, match=f"{count} answers do not take 2 bytes"):
            paired.unpack(paired.pack(np.ones(9, bool)), count)

    def test_figures_on_a_test_set_hold_them(self):
        y = np.array([0, 1, 1, 0, 1])
        figures = measures.test_figures(y, np.array([0.2, 0.4, 0.9, 0.6, 0.7]))
        right = paired.unpack(figures["right_bits"], 5)
        assert right.tolist() == [True, False, True, False, True]
        assert figures["test_accuracy"] == right.mean()


class TestMcNemar:
    @pytest.mark.parametrize(("first", "second"), [(1, 9), (9, 1), (5, 5), (0, 3), (700, 900)])
    def test_it_is_the_sign_test_of_the_reviews_on_which_one_alone_is_right(self, first, second):
        one, other = answers(50, first, second, 7)
        assert paired.alone_right(one, other) == (first, second)
        expected = binomtest(first, first + second).pvalue
        assert paired.mcnemar(one, other) == pytest.approx(expected, rel=1e-9)

    def test_a_table_by_hand(self):
        one, other = answers(90, 1, 5, 4)
        assert paired.mcnemar(one, other) == 2 * (1 + 6) / 2**6

    def test_equal_answers_do_not_differ(self):
        one, _ = answers(5, 5, 0, 3)
        assert paired.mcnemar(one, one) == 1


class TestLargestError:
    def test_it_is_that_of_systems_that_never_err_together(self):
        one, other = answers(both=700, first=200, second=100, neither=0)
        expected = np.std(one.astype(int) - other) / np.sqrt(1000)
        found = paired.largest_error(one.mean(), other.mean(), 1000)
        assert found == pytest.approx(expected)
        one, other = answers(both=750, first=150, second=50, neither=50)
        assert np.std(one.astype(int) - other) / np.sqrt(1000) < found

    def test_systems_that_err_on_most_reviews_have_to_agree_on_some(self):
        one, other = answers(both=0, first=300, second=400, neither=300)
        expected = np.std(one.astype(int) - other) / np.sqrt(1000)
        assert paired.largest_error(0.3, 0.4, 1000) == pytest.approx(expected)


class TestDifference:
    def test_equal_answers_differ_by_nothing(self):
        one, _ = answers(5, 5, 0, 3)
        assert paired.difference(one, one) == (0, 0, 0)

    def test_a_table_has_its_paired_interval(self):
        one, other = answers(both=800, first=90, second=50, neither=60)
        found = paired.difference(one, other)
        spread = np.sqrt((90 + 50) / 1000 - 0.04**2)  # of +1, -1 and 0
        ends = norm.interval(0.95, 0.04, spread / np.sqrt(1000))
        assert found.mean == pytest.approx(0.04)
        assert found[1:] == pytest.approx(ends, abs=2e-3)
        assert found.points() == f"+4.0 [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"

    def test_a_difference_too_small_to_show_has_no_sign(self):
        found = paired.Difference(-0.0004, -0.001, 0.0002)
        assert found.points() == "+0.0 [-0.1, +0.0]"
        assert found.points(2) == "-0.04 [-0.10, +0.02]"

    def test_the_other_way_round_it_is_behind(self):
        one, other = answers(800, 90, 50, 60)
        found, back = paired.difference(one, other), paired.difference(other, one)
        assert back == pytest.approx((-found.mean, -found.high, -found.low))

    def test_reviews_of_a_movie_stay_together(self):
        """Ten copies of each review are no ten times as many reviews."""
        one, other = answers(60, 25, 10, 5)
        alone = paired.difference(one, other)
        movies = np.repeat(np.arange(100), 10)
        copied = [np.repeat(right, 10) for right in (one, other)]
        assert paired.difference(*copied, movies) == pytest.approx(alone)
        single = paired.difference(*copied)
        assert single.high - single.low < 0.4 * (alone.high - alone.low)

    def test_a_large_movie_weighs_as_many_reviews_as_it_has(self):
        one = np.array([True] * 6 + [False] * 2)
        movies = np.array([1] * 6 + [2, 3])
        assert paired.difference(one, ~one, movies).mean == pytest.approx(0.5)

    def test_several_trainings_are_averaged_review_by_review(self):
        runs = [answers(800, 90, 50, 60)[0], answers(800, 80, 60, 60)[0]]
        other = answers(800, 90, 50, 60)[1]
        found = paired.difference(np.mean(runs, axis=0), other)
        assert found.mean == pytest.approx(0.035)
        assert found.low < 0.035 < found.high

    def test_the_interval_covers_the_truth_nineteen_times_in_twenty(self, monkeypatch):
        """Movies of one to five reviews that agree more often than those of different movies."""
        monkeypatch.setattr(paired, "DRAWS", 400)
        rng = np.random.default_rng(0)
        covered = {"movies": 0, "reviews": 0}
        trials = 300
        for trial in range(trials):
            movies = np.repeat(np.arange(120), rng.integers(1, 6, 120))
            of_movie = rng.choice([0.55, 0.95], 120)[movies]  # how easy the movie is for the first
            one = rng.random(len(movies)) < of_movie
            other = rng.random(len(movies)) < 0.7
            for name, groups in ("movies", movies), ("reviews", None):
                found = paired.difference(one, other, groups, seed=trial)
                covered[name] += found.low <= 0.05 <= found.high  # 0.75 - 0.7
        assert 0.92 * trials < covered["movies"] < 0.98 * trials
        assert covered["reviews"] < covered["movies"]
