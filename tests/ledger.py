"""What the formula ledger is made of: for each equation's label, the tests that hold it.

`ROWS[label][test] == (largest error seen, tolerance)`, filled while the tests run.
"""

ROWS: dict[str, dict[str, tuple[float, float]]] = {}


def record(label: str, test_name: str, error: float, tolerance: float) -> None:
    """Assert that the error stays within the tolerance, and keep the largest for the ledger."""
    assert error <= tolerance, f"{label}: error {error:.3g}, allowed {tolerance:.3g} ({test_name})"
    tests = ROWS.setdefault(label, {})
    largest, loosest = tests.get(test_name, (0.0, tolerance))
    tests[test_name] = (max(largest, float(error)), max(loosest, tolerance))
