"""The search of the book: what readers type finds the section that answers it.

No browser is needed: the scripts run in the engine that made the index. What a reader does with the
list is in test_site.py.
"""

import json
from pathlib import Path

import pytest

import site_pages
import site_search
from browser import names

FILE = Path(__file__).with_name("questions.txt")
WEIGHT = 1_600_000  # bytes of all that a search loads


def questions() -> dict[str, list[str]]:
    """Question -> the answers, as "page > section", of which one has to come first."""
    blocks = [b for b in FILE.read_text(encoding="utf-8").split("\n\n") if not b.startswith("#")]
    lines = [block.strip().split("\n") for block in blocks]
    return {question: [answer.strip() for answer in answers] for question, *answers in lines}


QUESTIONS = questions()


@pytest.fixture(scope="module", name="index")
def index_fixture(site) -> str:
    """The script that holds entries and index."""
    return (site / "find" / "index.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module", name="book")
def book_fixture(index) -> dict:
    """What the script holds."""
    return json.loads(index.removeprefix("Find.book = ").removesuffix(";\n"))


@pytest.fixture(scope="module", name="engine")
def engine_fixture(index):
    """The search, with the book's index."""
    with site_search.Engine() as engine:
        engine.open(index)
        yield engine


def test_there_are_questions_enough():
    assert len(QUESTIONS) >= 40
    assert all(QUESTIONS.values())


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_finds_its_section_first(engine, question):
    found = [f"{hit['page']} > {hit['title']}" for hit in engine.search(question, 5)]
    assert found[:1], "nothing"
    assert found[0] in QUESTIONS[question], found


def test_words_may_be_misspelt_or_half_typed(engine):
    for typed in ("vanishin", "vanishng gradeint", "Vanishing GRADIENTS", "vanish"):
        titles = [hit["title"] for hit in engine.search(typed, 3)]
        assert "vanishing gradient" in titles, typed


def test_a_hit_shows_the_words_around_its_match(engine):
    hit = next(h for h in engine.search("peephole") if h["title"] == "Relatives")
    assert "peephole" in hit["line"].lower()
    assert len(hit["line"]) < 180
    assert {"peephole", "peepholes"} & set(hit["words"])
    assert hit["href"].endswith("#relatives")


def test_a_list_holds_all_that_a_word_stands_in(engine):
    places = [hit["page"] for hit in engine.search("overfitting")]
    assert {"Glossary", "Training", "Questions and answers"} <= set(places)
    assert "Movie reviews: RNN against LSTM" in places


def test_the_page_of_the_glossary_is_not_found_by_each_of_its_terms(engine):
    for term in ("overfitting", "perplexity", "dropout"):
        hits = [f"{hit['page']} > {hit['title']}" for hit in engine.search(term)]
        assert hits
        assert "Glossary > Glossary" not in hits


def test_small_words_are_not_marked(engine):
    hits = engine.search("loss does not decrease")
    assert hits
    assert not {"does", "not"} & {word for hit in hits for word in hit["words"]}


def test_a_stem_is_not_cut_again(engine):
    assert engine.search("embed", 1)[0]["title"] == "embedding"


def test_a_question_of_small_words_or_of_none_finds_no_fault(engine):
    assert engine.search("") == []
    assert engine.search("%&/ …") == []
    assert engine.search("xqzzy") == []
    assert engine.search('<img src=x onerror="alert(1)">' * 20) is not None
    assert engine.search("how do i")  # all of them small: then they are looked for


def test_every_entry_leads_to_a_place_in_its_page(book, site):
    ids = {}
    for entry in book["entries"]:
        page = book["pages"][entry["page"]]["href"]
        if page not in ids:
            ids[page] = (site / page).read_text(encoding="utf-8")
        assert f'id="{entry["anchor"]}"' in ids[page], entry["anchor"]
        assert entry["title"] or entry["kind"] == "source"


def test_every_page_with_text_is_in_the_index(book, site):
    without = {"genindex.html", "search.html"}
    assert {page["href"] for page in book["pages"]} == set(names(site)) - without
    assert {entry["kind"] for entry in book["entries"]} == {"section", "glossary", "source", "name"}


def test_entries_hold_text_and_code_but_no_tags_formulas_or_answers(book):
    text = "\n".join(f"{entry['title']}\n{entry['text']}" for entry in book["entries"])
    for sign in ("<span", "mjx", "\ue000", "\ue002", "\\frac", "&amp;"):
        assert sign not in text, sign


def test_code_is_found_though_it_is_not_shown(book, engine):
    assert all("code" not in entry for entry in book["entries"])
    (hit, *_) = engine.search("eigvals")
    assert hit["words"] == ["eigvals"]
    assert "eigvals" not in hit["title"] + hit["line"]


def test_the_index_of_the_book_gives_keywords(book):
    assert sum(bool(entry["keywords"]) for entry in book["entries"]) > 50


def test_a_synonym_is_found_in_the_book(engine):
    # A line of the table that finds nothing more is of no use, or its words have left the book.
    table = (site_search.SCRIPTS / "synonyms.txt").read_text(encoding="utf-8")
    lines = [line for line in table.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 60
    for line in lines:
        typed, equals, said = line.partition(" = ")
        assert equals, line
        for words in said.split(", "):
            assert engine.search(words, 1), line
        assert engine.search(typed, 1), line


def test_the_index_does_not_depend_on_the_run(engine):
    same = {"code": "", "keywords": "", "kind": "section", "page": 0}
    entries = [same | {"title": word, "text": f"{word} of it"} for word in ("gates", "mask")]
    pages = [{"title": "Top"}]
    with site_search.Engine() as another:
        assert another.build(entries, pages) == engine.build(entries, pages)


def test_what_a_search_loads_is_light(site):
    sizes = {name: (site / "find" / name).stat().st_size for name in site_search.LOADED}
    assert sum(sizes.values()) < WEIGHT, sizes


def test_pages_ask_for_the_index_that_is_there(site):
    for name in names(site):
        page = (site / name).read_text(encoding="utf-8")
        assert site_search.VERSION not in page
        assert 'data-version="' in page
        assert "searchtools" not in page
    assert not (site / "searchindex.js").exists()


def test_another_minisearch_is_refused(monkeypatch, tmp_path):
    (tmp_path / "minisearch.js").write_text("var MiniSearch;")
    monkeypatch.setattr(site_search, "SCRIPTS", tmp_path)
    with pytest.raises(SystemExit, match="not the file"):
        site_search.minisearch()


def test_a_name_of_the_api_is_an_entry_of_its_own():
    html = """<article><section id="api"><h1>API</h1><div><p>All of them.</p>
    <h3 class="rubric" id="f"><span id="api-f"></span>f</h3><p>One<br>two.</p><p>Three.</p>
    <h3 class="rubric" id="g">g</h3><p>Four.</p></div></section></article>"""
    page = site_pages.BeautifulSoup(html, "html.parser")
    top, *names = site_search.of_page(page, [])["entries"]
    assert top["text"] == "All of them."
    assert [(n["anchor"], n["title"], n["text"], n["kind"]) for n in names] == [
        ("f", "f", "One two.\nThree.", "name"),
        ("g", "g", "Four.", "name"),
    ]


def test_a_section_keeps_to_itself():
    html = """<article><section id="a"><h1><span class="section-number">4. </span>Top
    <a class="headerlink">#</a></h1><p>Its own <b>words</b>.</p><span id="index-0"></span>
    <div class="cell_output"><pre>0.5</pre></div><pre>\ue0000\ue001</pre>
    <p>A gate \ue0001\ue001 opens.</p><details class="solution"><p>secret</p></details>
    <section id="b"><h2>Below</h2><table><tr><td>x</td><td>y</td></tr></table></section>
    </section></article>"""
    stash = [
        '<span class="n">f</span>(x) &lt; 1',
        "<mjx-container>?<math><msub><mi>h</mi><mi>t</mi></msub></math></mjx-container>",
    ]
    page = site_pages.BeautifulSoup(html, "html.parser")
    top, below = (known := site_search.of_page(page, stash))["entries"]
    assert (known["title"], known["number"]) == ("Top", "4")
    assert (top["text"], top["code"]) == ("Its own words.\nA gate h_t opens.", "f(x) < 1")
    assert (top["anchor"], top["ids"]) == ("a", ["a", "index-0"])
    assert (below["title"], below["text"]) == ("Below", "x y")
