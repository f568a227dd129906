"""The lab that reads computes in Firefox what it computes in Chromium (test_lab.py).

Playwright cannot follow Firefox back to a page, so what survives that is left to Chromium.
"""

from browser import firefox_fixture  # noqa: F401  (the browser of this file)
from test_lab import (  # noqa: F401  (fixtures and tests)
    bench,
    page,
    test_a_link_carries_text_and_settings,
    test_every_gate_of_every_step_of_the_challenge_set_is_that_of_unrolled,
    test_play_reads_to_the_end_and_pauses,
    test_the_keyboard_reaches_every_step_unit_and_switch,
    test_the_python_lines_compute_the_same,
    test_the_switches_act_on_the_gates_and_on_the_verdict,
    test_whatever_is_typed_is_read_and_never_taken_as_markup,
    test_words_and_ids_are_those_of_unrolled,
)
