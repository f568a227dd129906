"""The lab that writes computes what `unrolled` computes, and writes the same text for a seed."""

import base64
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from playwright.sync_api import expect

import lab
from browser import PHONE, ROOT, until, visit
from unrolled import Sequential, layers, load_model, saving
from unrolled.datasets.stdlib import SYMBOLS, symbol_ids
from unrolled.experiments.shared import small

CODE = '\0def parse(text, *, sep=","):\n\t"""Split.\r\n\f"""\n    return [x for x in text] # ~{}\n'
DEFAULT = {"method": "all", "temperature": 1, "k": 5, "mass": 0.9}

# The probabilities and cell states after each id of a text, as float32.
READ = """async (ids) => {
  const model = await Lab.load("writer");
  const network = Lab.sampling.reader(model);
  for (const id of ids) network.read(id);
  const letters = (values) => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
  };
  const p = ids.flatMap((_, t) => [...Lab.sampling.softmax(network.logitsAt(t))]);
  const units = Array.from({ length: model.units }, (_, unit) => unit);
  const c = ids.flatMap((_, t) => units.map((unit) => network.cellAt(t, unit)));
  return [letters(p), letters(c)];
}"""


def bench(browser, models, folder):
    """A page, opened from a folder, that holds nothing but the lab's cells and one network."""
    files = lab.export_writer(models)
    for name in ("cells", "sampling"):
        files[f"{name}.js"] = (ROOT / "lab" / f"{name}.js").read_text(encoding="utf-8")
    scripts = "".join(f'<script src="{name}.js"></script>' for name in ("cells", "sampling"))
    scripts += '<script src="writer.js"></script>'
    files["page.html"] = f"<!doctype html><meta charset=utf-8><title>bench</title>{scripts}"
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return visit(browser, f"file://{folder}/page.html")


@pytest.fixture(scope="module")
def toy(browser, tmp_path_factory):
    """A small network of random weights in the format of the stored one, and a page with it."""
    folder = tmp_path_factory.mktemp("toy")
    recurrent = layers.LSTM(24, return_sequences=True, stateful=True)
    symbols = len(SYMBOLS)
    output = layers.Dense(symbols, activation="softmax")
    model = Sequential([layers.Embedding(symbols, 16), recurrent, output])
    model.build((None, None))
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    facts = {
        "vocabulary": list(SYMBOLS),
        "settings": {"budget": 60, "measured_on": "test"},
        "data": {"name": "random weights"},
        "bits": {"test": 9.0},
    }
    small.store(folder / "writer.npz", model, *small.packed(model.weights), facts)
    with bench(browser, folder, folder) as seen:
        yield SimpleNamespace(page=seen.page, model=load_model(folder / "writer.npz"))
        assert seen.complaints() == []


# All settings, so that nothing of an earlier test stays: a short text of a seed.
START = "#p=def%20read(&m=all&t=0.7&k=5&q=0.9&s=7&n=60&u=&v=30"
SECONDS = 120  # that a busy machine may take to write a text
numbered = itertools.count()


@pytest.fixture(scope="module")
def window(browser, site):
    """The page in the built book, opened from its folder."""
    with visit(browser, f"file://{site}/lab-writing.html{START}") as seen:
        ready(seen.page)
        yield seen.page
        assert seen.complaints() == []


@pytest.fixture
def page(window):
    """The page with a short text on it, at the end of which the reader looks."""
    follow(window, START)
    return window


def follow(page, link):
    """Follow a link to the same page, as if it stood in it."""
    page.evaluate("document.documentElement.dataset.lab = 'left'")
    page.evaluate("hash => { location.hash = hash; }", f"{link}&test={next(numbered)}")
    ready(page)


def ready(page):
    """Wait until all is written."""
    page.wait_for_selector("html[data-lab=ready]", state="attached", timeout=SECONDS * 1000)


def type_seed(page, digits):
    """Type a seed over the one that stands there; `fill` would add to it in Firefox."""
    page.press("#lab-seed", "ControlOrMeta+a")
    page.type("#lab-seed", digits)


def text(page):
    return page.evaluate("document.getElementById('lab-text').textContent")


def expected(model, ids):
    """What `unrolled` says of ids (T,): probabilities (T, S) and cell states (T, H)."""
    embedding, recurrent, dense = model.layers
    model.reset_states()
    traced = recurrent.trace(embedding(np.array([ids], np.int32)))
    return dense(traced["h"])[0], traced["c"][0]


def numbers(letters, rows):
    return np.frombuffer(base64.b64decode(letters), "<f4").reshape(rows, -1)


def parity(page, model, ids):
    """The largest error of any probability, and of any cell state c relative to 1 + |c|.

    Cell states can be of any size, and float32 keeps 7 digits of them.
    """
    p, c = (numbers(letters, len(ids)) for letters in page.evaluate(READ, ids))
    expected_p, expected_c = expected(model, ids)
    error = np.abs(p - expected_p).max()
    return float(error), float((np.abs(c - expected_c) / (1 + np.abs(expected_c))).max())


def shares(page, logits, **chosen):
    """The distribution that the page draws from, (S,)."""
    return np.array(
        page.evaluate(
            "([z, chosen]) => Array.from(Lab.sampling.distribution(z, chosen).q)",
            [list(logits), DEFAULT | chosen],
        )
    )


def test_probabilities_and_states_are_those_of_unrolled(toy):
    ids = symbol_ids(CODE * 8).tolist()  # more steps than there is room for at first
    assert len(ids) > 512
    error, state_error = parity(toy.page, toy.model, ids)
    print(f"lab parity, random weights: {error:.1e}, {state_error:.1e}")
    assert max(error, state_error) < 1e-5


def test_a_text_that_was_cut_goes_on_as_if_nothing_had_been_cut(toy):
    ids = symbol_ids(CODE).tolist()
    difference = toy.page.evaluate(
        """async (ids) => {
          const model = await Lab.load("writer");
          const [one, two] = [Lab.sampling.reader(model), Lab.sampling.reader(model)];
          for (const id of ids) one.read(id);
          for (const id of [...ids.slice(0, 9), 5, 6, 7]) two.read(id);
          two.cut(9);
          for (const id of ids.slice(9)) two.read(id);
          const [z, other] = [one, two].map((network) => network.logitsAt(ids.length - 1));
          return z.reduce((sum, score, k) => sum + Math.abs(score - other[k]), 0);
        }""",
        ids,
    )
    assert difference == 0


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1, 2])
def test_temperature_divides_the_scores(toy, temperature):
    z = np.random.default_rng(0).normal(size=100) * 5
    powers = np.exp(z) ** (1 / temperature)
    q = shares(toy.page, z, temperature=temperature)
    assert np.abs(q - powers / powers.sum()).max() < 1e-12


def test_top_k_nucleus_and_greedy_keep_the_likeliest(toy):
    p = np.array([0.05, 0.4, 0.15, 0.3, 0.1])
    z = np.log(p)
    for k, kept in {1: [1], 2: [1, 3], 4: [1, 2, 3, 4], 50: [0, 1, 2, 3, 4]}.items():
        one = np.zeros(5)
        one[kept] = p[kept] / p[kept].sum()
        assert np.abs(shares(toy.page, z, method="top-k", k=k) - one).max() < 1e-12
    for mass, kept in {0.3: [1], 0.4: [1], 0.41: [1, 3], 0.85: [1, 2, 3], 0.99: range(5)}.items():
        one = np.zeros(5)
        one[list(kept)] = p[list(kept)] / p[list(kept)].sum()
        assert np.abs(shares(toy.page, z, method="nucleus", mass=mass) - one).max() < 1e-12
    assert shares(toy.page, z, method="greedy", temperature=2).tolist() == [0, 1, 0, 0, 0]
    # The temperature comes first, then the selection.
    flat = shares(toy.page, z, method="nucleus", mass=0.45, temperature=2)
    assert np.flatnonzero(flat).tolist() == [1, 3]


def test_symbols_are_drawn_as_often_as_they_are_likely(toy):
    p = [0.5, 0.3, 0.15, 0.05, 0]
    counts = toy.page.evaluate(
        """(p) => {
          const odds = { q: p, order: [0, 1, 2, 3, 4] };
          const counts = [0, 0, 0, 0, 0];
          const { draw, uniform } = Lab.sampling;
          for (let seed = 0; seed < 100; seed++) {
            for (let n = 0; n < 200; n++) counts[draw(odds, uniform(seed, n))]++;
          }
          return counts;
        }""",
        p,
    )
    assert sum(counts) == 20_000
    assert np.abs(np.array(counts) / 20_000 - p).max() < 0.01
    assert counts[4] == 0


def test_random_numbers_are_even_and_independent(toy):
    drawn = np.array(
        toy.page.evaluate(
            """Array.from({ length: 200 }, (_, seed) =>
                 Array.from({ length: 100 }, (_, n) => Lab.sampling.uniform(seed, n)))"""
        )
    )
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts, _ = np.histogram(drawn, bins=20, range=(0, 1))
    assert np.abs(counts / drawn.size - 1 / 20).max() < 0.005
    assert len(np.unique(drawn)) == drawn.size
    for moved in (drawn[1:, :] * drawn[:-1, :], drawn[:, 1:] * drawn[:, :-1]):
        assert abs(moved.mean() - 1 / 4) < 0.01  # neighbours by seed and by place


# The page.


def odds(page):
    """The rows of the table: symbol, predicted, drawn from, and what is said of it."""
    rows = page.locator("#lab-odds tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def test_the_stored_network_computes_in_the_page_what_it_computes_in_unrolled(page):
    error, state_error = parity(page, load_model("writer"), symbol_ids(CODE * 3).tolist())
    print(f"lab parity, stored writer: {error:.1e}, {state_error:.1e}")
    assert max(error, state_error) < 1e-5


def test_each_character_is_the_one_that_the_seed_draws(page):
    follow(page, "#p=import%20os%0A&s=11&n=150&t=0.8&m=nucleus&q=0.9")
    whole = text(page)
    drawn = page.evaluate("Array.from({length: 150}, (_, n) => Lab.sampling.uniform(11, n))")
    prompt = "import os\n"
    assert whole.startswith(prompt)
    ids = symbol_ids("\0" + whole.replace("␀", "\0").replace("␌", "\f").replace("␍", "\r"))
    assert len(ids) == 1 + len(prompt) + 150
    p, _ = expected(load_model("writer"), ids)
    for n, number in enumerate(drawn):
        t = len(prompt) + n
        tempered = p[t].astype(float) ** (1 / 0.8)
        tempered /= tempered.sum()
        order = np.argsort(-tempered, kind="stable")
        kept = order[: np.searchsorted(np.cumsum(tempered[order]), 0.9) + 1]
        ends = np.cumsum(tempered[kept]) / tempered[kept].sum()
        place = kept.tolist().index(ids[t + 1])
        begin = ends[place - 1] if place else 0
        assert begin - 1e-4 <= number <= ends[place] + 1e-4


def test_a_seed_gives_the_same_text_again_and_another_another(page):
    first = text(page)
    assert len(first) == len("def read(") + 60
    type_seed(page, "8")
    ready(page)
    assert text(page) != first
    assert len(text(page)) == len(first)
    type_seed(page, "7")
    ready(page)
    assert text(page) == first
    page.click("#lab-another")
    ready(page)
    assert text(page) != first


def test_how_a_text_came_about_does_not_change_it(page):
    for _ in range(5):
        page.click("#lab-on")
    page.fill("#lab-temperature", "1.5")
    ready(page)
    page.fill("#lab-temperature", "0.3")
    page.fill("#lab-prompt", "def write(")
    ready(page)
    found = text(page)
    follow(page, "#p=&n=0")
    follow(page, "#p=def%20write(&s=7&n=65&t=0.3")
    assert text(page) == found


def test_greedy_writing_depends_on_no_seed_and_no_temperature(page):
    follow(page, "#p=class%20A&s=1&n=40&m=greedy&t=2")
    first = text(page)
    assert page.is_disabled("#lab-seed")
    assert page.is_disabled("#lab-temperature")
    assert [row[2] for row in odds(page)][:2] == ["100", "0"]
    follow(page, "#p=class%20A&s=2&n=40&m=top-k&k=1&t=0.5")
    assert text(page) == first
    assert page.is_enabled("#lab-seed")


def test_the_selection_is_shown_in_the_table(page):
    assert page.is_hidden("#lab-k")
    page.select_option("#lab-method", "top-k")
    page.fill("#lab-k", "3")
    ready(page)
    rows = odds(page)
    assert [row[2] != "0" for row in rows[:5]] == [True, True, True, False, False]
    assert page.is_hidden("#lab-mass")
    page.select_option("#lab-method", "nucleus")
    assert page.is_hidden("#lab-k")
    assert page.is_visible("#lab-mass")


def test_the_table_says_what_the_network_predicts(page):
    page.press("#lab-step", "Home")
    for _ in range(len("def read(")):
        page.press("#lab-step", "ArrowRight")
    assert page.get_attribute("#lab-step", "aria-valuetext").startswith("After “(”, character 9 of")
    p, _ = expected(load_model("writer"), symbol_ids("\0def read("))
    rows = odds(page)
    assert len(rows) == 13
    for name, predicted, _, _ in rows[:5]:
        symbol = {"␣ space": " ", "↵ new line": "\n"}.get(name, name)
        assert float(predicted) == pytest.approx(100 * p[-1, SYMBOLS.index(symbol)], abs=0.051)
    came = text(page)[9]
    (named,) = [row[0] for row in rows if row[3] == "drawn"]
    assert {"␣ space": " ", "↵ new line": "\n"}.get(named, named) == came


def test_write_and_pause(page):
    page.select_option("#lab-pace", "0")
    page.click("#lab-play")
    assert page.inner_text("#lab-play").strip() == "Pause"
    until(page, "document.getElementById('lab-text').textContent.length > 150")
    page.click("#lab-play")
    assert page.inner_text("#lab-play").strip() == "Write"
    ready(page)
    paused = text(page)
    page.wait_for_timeout(300)
    assert text(page) == paused
    expect(page.locator("#lab-say")).to_contain_text("Paused after")
    page.click("#lab-reset")
    ready(page)
    assert text(page) == "def read("


@pytest.mark.parametrize("button", ["play", "on"])
def test_what_is_written_comes_into_view(page, button):
    page.evaluate("document.getElementById('lab-prompt').scrollIntoView({ block: 'end' })")
    low = "document.getElementById('lab-paper').getBoundingClientRect().bottom > innerHeight + 1"
    assert page.evaluate(low)
    page.evaluate(f"document.getElementById('lab-{button}').click()")
    until(page, f"!({low})")
    if button == "play":
        page.click("#lab-play")
    ready(page)


def test_one_character_is_said_and_a_running_text_is_not(page):
    before = text(page)
    page.click("#lab-on")
    ready(page)
    assert len(text(page)) == len(before) + 1
    expect(page.locator("#lab-say")).to_contain_text("%")
    live = page.locator("[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]")
    inside = live.evaluate_all("all => all.filter((e) => e.querySelector('#lab-text')).length")
    assert inside == 0
    assert page.locator("#lab-text").evaluate("e => e.closest('[aria-live], [role=log]')") is None
    page.select_option("#lab-pace", "0")
    page.click("#lab-play")
    expect(page.locator("#lab-say")).to_have_text("Writing.")
    page.click("#lab-play")


def test_everything_is_done_by_keyboard(page):
    page.focus("#lab-prompt")
    page.keyboard.press("Control+a")
    page.keyboard.type("x = ")
    ready(page)
    assert text(page).startswith("x = ")
    page.focus("#lab-on")
    length = len(text(page))
    page.keyboard.press("Enter")
    ready(page)
    assert len(text(page)) == length + 1
    page.focus("#lab-play")
    page.keyboard.press("Space")
    until(page, f"document.getElementById('lab-text').textContent.length > {length + 5}")
    page.keyboard.press("Space")
    ready(page)
    page.focus("#lab-step")
    page.keyboard.press("Home")
    assert page.inner_text("#lab-at").startswith("At the start")
    page.focus("#lab-reset")
    page.keyboard.press("Enter")
    ready(page)
    assert text(page) == "x = "
    assert page.evaluate("document.activeElement.id") == "lab-reset"


def test_unknown_characters_are_named_and_left_out(page):
    page.fill("#lab-prompt", "naïve = “x” 😀\u200d# Ж")
    ready(page)
    notes = page.inner_text("#lab-notes")
    for strange in ("“ï”", "“😀”", "U+200D", "“Ж”"):
        assert strange in notes
    assert "Curly quotes" in notes
    assert text(page).startswith('nave = "x" # ')
    page.fill("#lab-prompt", "plain")
    ready(page)
    assert page.inner_text("#lab-notes") == ""


def test_what_is_typed_is_never_taken_as_markup(page):
    page.fill("#lab-prompt", "<img src=x onerror=alert(1)>&lt;<b>é")
    ready(page)
    assert text(page).startswith("<img src=x onerror=alert(1)>&lt;<b>")
    assert page.locator(":is(#lab-text, #lab-notes, #lab-odds) :is(img, b)").count() == 0


def test_a_long_prompt_is_cut_with_a_word_about_it(page):
    page.fill("#lab-prompt", "x = 1\n" * 500 + "the end")
    ready(page)
    assert "the last 2,000 are read" in page.inner_text("#lab-notes")
    assert len(text(page)) == 2000 + 60
    assert text(page)[:2000].endswith("the end")


def test_a_long_text_grows_before_the_readers_eyes(page):
    lengths = page.evaluate(
        """() => new Promise((done) => {
          document.documentElement.dataset.lab = "left";
          location.hash = "#p=import&n=1500&u=";
          const lengths = new Set();
          const look = () => {
            lengths.add(document.getElementById("lab-text").textContent.length);
            if (document.documentElement.dataset.lab === "ready") done(lengths.size);
            else setTimeout(look);
          };
          look();
        })"""
    )
    assert lengths > 5  # the page could do other things in between
    assert len(text(page)) == len("import") + 1500
    assert page.locator("#lab-text span").count() < 20  # no unit: one colour, few elements


def test_the_colour_is_the_cell_state_of_the_unit(page):
    assert page.locator("#lab-text [data-move]").count() == 0
    page.select_option("#lab-unit", "5")
    ready(page)
    whole = text(page)
    shown = page.evaluate(
        """() => [...document.querySelectorAll("#lab-text span")].flatMap(
          (span) => [...span.textContent].map(() => Number(span.dataset.level)))"""
    )
    assert len(shown) == len(whole)
    ids = symbol_ids("\0" + whole)
    _, c = expected(load_model("writer"), ids)
    end = float(page.inner_text("#lab-high"))
    assert page.inner_text("#lab-low") == f"−{page.inner_text('#lab-high')[1:]}"
    assert np.abs(c[1:, 5]).max() <= end < 2.6 * np.abs(c[1:, 5]).max()
    assert np.abs(np.array(shown) / 12 - c[1:, 5] / end).max() < 0.5 / 12 + 1e-4
    for span in page.locator("#lab-text span").all():
        level = int(span.get_attribute("data-level"))
        move = span.get_attribute("data-move")
        assert move == ("up" if level > 0 else "down" if level < 0 else None)
    strongest = page.locator("#lab-text [data-move]").first
    colour = strongest.evaluate("e => getComputedStyle(e).backgroundColor")
    assert colour not in ("rgba(0, 0, 0, 0)", "transparent")
    assert page.is_visible("#lab-key")
    assert "unit 5: c = " in page.inner_text("#lab-at")
    page.select_option("#lab-unit", "")
    ready(page)
    assert page.locator("#lab-text [data-move]").count() == 0
    assert text(page) == whole


def test_a_click_chooses_the_character_under_it(page):
    box = page.evaluate(
        """() => {
          const range = document.createRange();
          const word = document.querySelector("#lab-text span").firstChild;
          range.setStart(word, 4);
          range.setEnd(word, 5);
          const { left, top, width, height } = range.getBoundingClientRect();
          return [left + width * 0.8, top + height / 2];
        }"""
    )
    page.mouse.click(*box)
    assert page.inner_text("#lab-at").startswith("After “r”, character 5 of")
    assert page.is_visible("#lab-here")
    assert [row[0] for row in odds(page) if row[3] == "typed"] == ["e"]


def settings(page):
    names = ("prompt", "method", "temperature", "k", "mass", "seed", "unit", "pace")
    return [page.input_value(f"#lab-{name}") for name in names]


def choose(page):
    """Set everything to what it is not at first."""
    page.fill("#lab-prompt", 'if a & b == "50%":\n    # é + <b>\n')
    page.select_option("#lab-method", "nucleus")
    page.fill("#lab-temperature", "1.15")
    page.fill("#lab-mass", "0.35")
    type_seed(page, "4321")
    page.select_option("#lab-unit", "7")
    page.select_option("#lab-pace", "5")
    ready(page)


def test_a_link_carries_the_text_and_all_settings(page, browser, site):
    choose(page)
    page.click("#lab-on")
    ready(page)
    page.click("#lab-link")
    link = page.input_value("#lab-out")
    shown = [settings(page), text(page)]
    assert {"nucleus", "1.15", "0.35", "4321"} < set(shown[0])
    with visit(browser, f"file://{site}/lab-writing.html#{link.split('#')[1]}") as seen:
        ready(seen.page)
        assert [settings(seen.page), text(seen.page)] == shown
        assert seen.complaints() == []


@pytest.mark.parametrize(
    "link",
    [
        "#p=",
        "#p=%zz%00x&m=boo&t=99&k=-3&q=x&s=1e99&n=-5&u=4000&v=7",
        "#p=x&t=NaN&n=3&u=1.5",
    ],
)
def test_a_mangled_link_does_no_harm(page, link):
    follow(page, link)
    assert all(settings(page)[1:6])
    assert len(odds(page)) == 13


def test_a_link_within_the_page_changes_nothing(page):
    choose(page)
    shown = [settings(page), text(page)]
    page.evaluate("location.hash = '#what-comes-next'")
    page.wait_for_timeout(200)
    assert [settings(page), text(page)] == shown


def test_text_and_settings_survive_a_reload_and_back(page, site):
    choose(page)
    shown = [settings(page), text(page)]
    until(page, "history.state?.writing.endsWith('v=5')")
    assert "4321" not in page.url  # what is typed stays out of the address
    page.reload()
    ready(page)
    assert [settings(page), text(page)] == shown
    page.goto(f"file://{site}/glossary.html")
    page.go_back()
    ready(page)
    assert [settings(page), text(page)] == shown
    follow(page, "#p=zip&n=0")  # a new link in the same window
    assert text(page) == "zip"


def test_what_is_typed_is_sent_nowhere_and_stored_in_no_place_that_others_read(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.fill("#lab-prompt", "secret = 1")
    ready(page)
    page.click("#lab-link")
    assert asked == []
    stored = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert stored == [0, 0, ""]


def test_the_facts_are_those_of_the_stored_network(page):
    header, arrays = saving.read(saving.find("writer"))
    assert page.inner_text("#lab-bits") == f"{header['bits']['test']:.2f}"
    assert page.inner_text("#lab-minutes") == f"{header['settings']['budget'] / 60:.0f}"
    assert page.inner_text("#lab-source") == f"the {header['data']['name']}"
    assert page.inner_text("#lab-symbols") == str(len(header["vocabulary"]))
    assert page.inner_text("#lab-units") == f"{len(arrays['weights'][2])} LSTM"


def test_units_that_follow_the_code_are_named_as_recorded(tmp_path):
    assert lab.named_units(tmp_path) == []
    passed = {"unit": 17, "passes": True, "correlation": {"validation": 0.9, "test": -0.8}}
    failed = {"unit": 18, "passes": False, "correlation": {"validation": 0.9, "test": 0.2}}
    run = {"figures": {"properties": {"in_string": passed, "column": failed}}}
    (tmp_path / "clamping-seed0.json").write_text(json.dumps(run), encoding="utf-8")
    (named,) = lab.named_units(tmp_path)
    assert (named["unit"], named["r"]) == (17, -0.8)
    assert "string" in named["name"]


def test_the_scripts_of_the_page_are_small():
    sizes = {
        name: len(script.encode()) for name, script in lab.export_writer(saving.STORED).items()
    }
    print(f"lab: the network that writes {sum(sizes.values()):,} bytes")
    assert max(sizes.values()) <= 200_000
    assert sum(sizes.values()) <= lab.LIMIT


def test_a_phone_scrolls_nothing_sideways(browser, site):
    link = "#p=" + "x" * 200 + "&n=100&u=3"
    url = f"file://{site}/lab-writing.html{link}"
    with visit(browser, url, size=PHONE, has_touch=True) as seen:
        page = seen.page
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        page.locator("#lab-text").tap(position={"x": 60, "y": 30})
        assert page.is_visible("#lab-here")


def test_without_scripts_it_says_so_and_shows_no_dead_controls(browser, site):
    url = f"file://{site}/lab-writing.html"
    with visit(browser, url, java_script_enabled=False) as seen:
        assert "needs JavaScript" in seen.page.inner_text("article")
        assert seen.page.locator("article :is(textarea, select, input):visible").count() == 0
