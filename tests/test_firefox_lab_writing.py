"""The lab that writes gives in Firefox the text that it gives in Chromium (test_lab_writing.py).

Playwright cannot follow Firefox back to a page, so what survives that is left to Chromium.
"""

from browser import firefox_fixture  # noqa: F401  (the browser of this file)
from test_lab_writing import (  # noqa: F401  (fixtures and tests)
    page,
    test_a_link_carries_the_text_and_all_settings,
    test_a_seed_gives_the_same_text_again_and_another_another,
    test_each_character_is_the_one_that_the_seed_draws,
    test_everything_is_done_by_keyboard,
    test_probabilities_and_states_are_those_of_unrolled,
    test_the_stored_network_computes_in_the_page_what_it_computes_in_unrolled,
    test_write_and_pause,
    toy,
    window,
)
