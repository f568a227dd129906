"""The README's commands do what it says. They run in a copy, so that nothing here changes."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from checkout import ROOT, run
from unrolled.experiments.__main__ import modules, plan

README = (ROOT / "README.md").read_text(encoding="utf-8")


def shown_commands():
    """The command lines in the README's bash blocks, without their comments."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]


# Who runs each command of the README.
BY_CI = {"make book", "make test", "make editions"}
HERE = {
    "make lab",
    "make run CH=03",
    "make check",
    "make clean",
    "make results",
    "UNROLLED_DATA=imdb make run CH=15",
    ".venv/bin/python -m unrolled.experiments imdb --model lstm --seed 0",
}
BY_TEST_WHEEL = {"pip install .", 'pip install ".[fast]"'}  # what they bring, without a download
BY_TEST_WHEEL |= {'pip install ".[serve]"'}
BY_TEST_CONSOLE = {
    'unrolled read "A slow start, but the ending is wonderful."',
    'unrolled write --prompt "def " --temperature 0.5',
}
BY_TEST_SERVE = {"unrolled serve"}


def test_every_command_of_the_readme_is_run_by_someone():
    assert set(shown_commands()) == BY_CI | HERE | BY_TEST_WHEEL | BY_TEST_CONSOLE | BY_TEST_SERVE
    assert set((ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()) >= BY_CI


def test_make_alone_explains_every_target(copy):
    status, shown = run(copy, "make")
    assert status == 0
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"\.PHONY: (.*)", makefile)[1].split()
    assert [line.split()[1] for line in shown.splitlines()] == targets


def test_check_is_clean_and_finds_a_fault(copy):
    status, shown = run(copy, "make check")
    assert status == 0, shown
    module = copy / "src" / "unrolled" / "seeding.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(text + "\nimport os\n", encoding="utf-8")
    status, shown = run(copy, "make check")
    module.write_text(text, encoding="utf-8")
    assert status != 0
    assert "seeding.py" in shown


def test_run_executes_the_chapters_asked_for(copy):
    status, shown = run(copy, "make run CH=03")
    assert status == 0, shown
    assert re.findall(r"executing (\S+)", shown) == ["03-rnn"]
    status, shown = run(copy, "make run CH=99")
    assert status != 0
    assert "No chapter's name starts with '99'" in shown


def test_run_on_real_reviews_leaves_the_twins(copy, real_data):
    before = (copy / "chapters" / "15-faq.ipynb").read_bytes()
    command = "UNROLLED_DATA=imdb make run CH=15"
    status, shown = run(copy, command, UNROLLED_IMDB=str(real_data))
    assert status == 0, shown
    assert (copy / "_build/imdb/15-faq.ipynb").exists()
    assert (copy / "chapters" / "15-faq.ipynb").read_bytes() == before


def test_results_finds_nothing_to_do(copy):
    status, shown = run(copy, "make results")
    assert status == 0, shown
    last = shown.splitlines()[-1]
    runs = len(plan(modules()))
    assert last == f"{runs} of {runs} runs are there already: nothing to do."
    status, shown = run(copy, ".venv/bin/python -m unrolled.experiments imdb --model lstm --seed 0")
    assert status == 0, shown
    assert re.search(r"^there already: \S+/results/imdb-lstm-seed0\.json$", shown, re.MULTILINE)
    assert "recorded" not in shown


def test_lab_opens_a_chapter_with_text_and_outputs(copy):
    options = "--no-browser --port=0 --IdentityProvider.token=test --allow-root"
    log = copy / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            ["make", "lab", f"LAB={options}"],
            cwd=copy,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = None
        for _ in range(240):
            found = re.search(r"(http://127\.0\.0\.1:\d+)/lab", log.read_text())
            if found:
                address = found[1]
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.25)
        assert address, log.read_text()
        url = f"{address}/api/contents/02-core-concepts.ipynb?token=test"
        with urllib.request.urlopen(url) as answer:
            cells = json.load(answer)["content"]["cells"]
    finally:
        os.killpg(server.pid, 15)
        server.wait()
    source = (copy / "chapters" / "02-core-concepts.md").read_text(encoding="utf-8")
    assert cells[0]["source"].splitlines()[-1] in source
    assert any(cell.get("outputs") for cell in cells)


def test_clean_deletes_what_was_built_and_keeps_the_sources(copy):
    status, shown = run(copy, "make clean")
    assert status == 0, shown
    assert not (copy / "_build").exists()
    assert not (copy / ".venv").exists()
    assert Path(sys.prefix, "bin").exists()
    assert (copy / "chapters" / "02-core-concepts.ipynb").exists()


def test_an_old_python_is_told_so(copy, tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 'Unrolled needs Python 3.11' >&2; exit 1\n", encoding="utf-8")
    old.chmod(0o755)
    status, shown = run(copy, f"make check VENV={tmp_path}/venv PYTHON={old}")
    assert status != 0
    assert "Unrolled needs Python 3.11" in shown
    assert not (tmp_path / "venv").exists()
