"""A chapter runs in its page in Firefox, as it does in Chromium (test_run.py)."""

from browser import firefox_fixture  # noqa: F401  (the browser of this file)
from test_run import (  # noqa: F401  (fixtures and tests)
    opened,
    page,
    runs,
    test_a_figure_takes_the_place_of_the_stored_one,
    test_an_answer_is_checked_by_the_assertions_of_the_solution,
    test_an_endless_loop_is_stopped_and_the_page_answers_meanwhile,
    test_an_error_names_the_line_and_marks_it,
    test_changed_code_gives_another_output_until_reset,
    test_edits_survive_a_reload_until_reset,
    test_every_cell_gives_its_stored_output_and_memory_is_bounded,
    test_it_runs_from_a_server_and_asks_for_nothing_else,
    test_the_editor_indents_and_lets_the_keyboard_out,
)
