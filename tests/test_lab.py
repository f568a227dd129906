"""The lab computes what `unrolled` computes, and takes whatever is typed: in a real browser."""

import base64
import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect
from scipy import stats

import lab
from browser import PHONE, until, visit
from unrolled import datasets, load_model, saving

REVIEWS = [review.text for review in lab.challenge()]
NASTY = [
    "It's GREAT!<br />Truly.",
    "<img src=x onerror=alert(1)> & \"quotes\" 'single' &lt;",
    "ÄRGER İSTANBUL ǅ ß naïve Tête",  # only ASCII is lowered
    "one\ttwo\nthree\r\nfour\x0bfive\x0csix\x85seven\xa0eight\u2028nine\u3000ten",
    "😀 a😀b 👩\u200d👩\u200d👧 𝒳𝒴 e\u0301",
    "\ud800 half \udc00x a\ud83d",
    "מצוין سيء ـ مرحبا 漢字 かな",
    "don't 'quoted' rock'n'roll ''",
    "a_b-c/d\\e|f~g`h^i{j}k[l]m@n#o$p%q&r*s(t)u+v=w;x:y",
    "10 7.5 1,000 2e3",
    "\x00\x01 null \x7f",
    "constructor __proto__ toString hasOwnProperty",
]
BROKEN = [
    {"f": 1},
    {"f": 0},
    {"i": 1},
    {"o": 1},
    {"i": 0, "o": 0},
    {"shift": -2.5},
    {"f": 0, "i": 1, "o": 1, "shift": 1},
]

# What the page answers for each text: its ids and every gate of every step, as float32.
READ = """async ([kind, texts, broken]) => {
  const model = await Lab.load(kind);
  const ranks = new Map(Lab.data.vocabulary.map((word, k) => [word, k + 1]));
  const letters = (values) => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
  };
  return texts.map((text) => {
    const words = Lab.tokenize(text).map(({ word }) => word);
    const ids = Lab.encode(words, ranks, model.num_words);
    const { T, H, ...traced } = Lab.read(model, ids, broken);
    return [ids, Object.entries(traced).map(([name, values]) => [name, letters(values)])];
  });
}"""

# From then on the page reads slowly, and counts how often it reads what it has read before.
COUNT = """() => {
  const read = Lab.read;
  window.reads = new Map();
  Lab.read = (model, ids, broken) => {
    const key = JSON.stringify([Array.from(ids), broken]);
    reads.set(key, (reads.get(key) || 0) + 1);
    for (const stop = performance.now() + 40; performance.now() < stop; );
    return read(model, ids, broken);
  };
}"""


NEGATED = [
    (review.text, review.label)
    for review in datasets.load_challenge()
    if review.phenomenon in ("negation", "double negation")
]


# Where the page shows what was typed, or words of it.
NEUTRAL = 0.15  # how far from one half a network may go that reads neutral words alone
PLACES = ":is(#lab-tokens, #lab-notes, #lab-verdict, #lab-at, #lab-curve, #lab-now)"
READY = "html[data-lab=ready]"
SHOWN = f":is({READY}, html[data-lab=scoring])"  # only the table of scores may still be to come


@pytest.fixture(scope="module")
def bench(browser, tmp_path_factory):
    """A page, opened from a folder, that holds nothing but the lab's cells and data."""
    folder = tmp_path_factory.mktemp("lab")
    lab.main(saving.STORED, folder / "lab")
    scripts = "".join(f'<script src="lab/{name}.js"></script>' for name in ("cells", "models"))
    (folder / "page.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>bench</title>{scripts}"
    )
    with visit(browser, f"file://{folder}/page.html") as seen:
        yield seen.page
        assert seen.complaints() == []


@pytest.fixture
def page(browser, site):
    """The lab in the built book, opened from its folder, its text read."""
    with opened(browser, site) as page:
        yield page


class opened:
    """The lab's page with this hash, once models have read the text; no complaint at the end."""

    def __init__(self, browser, site, link="", **context):
        self.visit = visit(browser, f"file://{site}/lab.html{link}", **context)

    def __enter__(self):
        self.seen = self.visit.__enter__()
        self.seen.page.wait_for_selector(SHOWN, state="attached")
        return self.seen.page

    def __exit__(self, *failure):
        thrown = [line for line in self.seen.messages if line.startswith("uncaught")]
        faults = self.seen.outside + self.seen.missing + thrown
        self.visit.__exit__(*failure)
        if failure == (None, None, None):
            assert faults == []


def write(page, text):
    """Type a text and wait until it has been read."""
    page.fill("#lab-text", text)
    page.wait_for_selector(SHOWN, state="attached")


def verdict(page):
    return page.inner_text("#lab-verdict")


def unpacked(letters):
    return np.frombuffer(base64.b64decode(letters), "<f4")


def words_of(name):
    header, _ = saving.read(saving.find(name))
    return {word: rank for rank, word in enumerate(header["vocabulary"], 1)}


def hold(layer, broken):
    """Hold gates of an LSTM by its bias: σ(±1000 + …) is 1 or 0 exactly."""
    H, bias = layer.units, layer.weights[2]
    bias[H : 2 * H] += broken.get("shift", 0)
    for block, gate in enumerate("ifgo"):
        if gate in broken:
            bias[block * H : (block + 1) * H] += 1000 if broken[gate] else -1000


def answers(model, texts):
    """What the model answers to each text, (N,)."""
    word_index = words_of("lstm")
    ids = [datasets.encode(text, word_index, num_words=10_000) for text in texts]
    return model.predict(ids)[:, 0]


def moved(broken):
    """Points between praise and blame of each pair, by where the opinion stands; float64."""
    model = load_model("lstm")
    model.build(model.input_shape, "float64")
    hold(model.layers[1], broken)
    pairs = lab.opinions()
    texts = {
        "first": [f"{opinion} {plot}" for *both, plot in pairs for opinion in both],
        "last": [f"{plot} {opinion}" for *both, plot in pairs for opinion in both],
    }
    p = {place: answers(model, rows).reshape(-1, 2) for place, rows in texts.items()}
    return {place: 100 * (rows[:, 0] - rows[:, 1]) for place, rows in p.items()}


def interval(values):
    """Mean of numbers and the two ends of its 95 % interval, by Student's t."""
    mean, reach = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return mean, mean - reach, mean + reach


def parity(bench, kind, broken):
    """The largest error of any gate, state or answer at any step of any challenge review."""
    model, word_index = load_model(kind), words_of(kind)
    embedding, layer, dense = model.layers
    if broken:  # where nothing is forgotten, float32 itself is no longer exact to 1e-5
        model.build(model.input_shape, "float64")
        hold(layer, broken)
    worst = 0.0
    for text, (ids, traced) in zip(
        REVIEWS, bench.evaluate(READ, [kind, REVIEWS, broken]), strict=True
    ):
        assert ids == datasets.encode(text, word_index, num_words=embedding.input_dim)
        expected = layer.trace(embedding(np.array([ids])))
        expected = {name: steps[0] for name, steps in expected.items()}
        expected["p"] = dense(expected["h"])[:, 0]
        page = {name: unpacked(letters) for name, letters in traced}
        assert set(expected) == set(page) - {"logit"}
        for name, steps in expected.items():
            worst = max(worst, np.abs(page[name] - steps.ravel()).max())
    return worst


@pytest.mark.parametrize("kind", lab.MODELS)
def test_every_gate_of_every_step_of_the_challenge_set_is_that_of_unrolled(bench, kind):
    error = parity(bench, kind, {})
    print(f"lab parity, {kind}: {error:.1e}")
    assert error < 1e-5


@pytest.mark.parametrize("broken", BROKEN, ids=json.dumps)
def test_broken_gates_are_those_of_unrolled(bench, broken):
    error = parity(bench, "lstm", broken)
    print(f"lab parity, lstm with {broken}: {error:.1e}")
    assert error < 1e-5


def test_the_parts_of_a_sum_are_the_sum(bench):
    embedding, layer, _ = load_model("lstm").layers
    ids = datasets.encode(REVIEWS[0], words_of("lstm"), num_words=embedding.input_dim)
    unit, t = 5, 4
    parts = bench.evaluate(
        """async ([ids, t, unit]) => {
          const model = await Lab.load("lstm");
          return Lab.lstmSums(model, ids, Lab.read(model, ids), t, unit);
        }""",
        [ids, t, unit],
    )
    steps = layer.trace(embedding(np.array([ids])))
    for gate in "ifo":
        total = sum(parts[gate].values())
        assert abs(1 / (1 + np.exp(-total)) - steps[gate][0, t, unit]) < 1e-5
    assert abs(np.tanh(sum(parts["g"].values())) - steps["g"][0, t, unit]) < 1e-5
    assert parts["f"]["bias"] == pytest.approx(layer.weights[2][layer.units + unit])


def test_words_and_ids_are_those_of_unrolled(bench):
    rng = np.random.default_rng(0)
    letters = [*"aZéİ😀 '\"<&>.-\t\n\r\x85\xa0\ud800", "great", "film"]
    made = ["".join(rng.choice(letters, size=12)) for _ in range(300)]
    texts = [*NASTY, *made, *REVIEWS, "word " * 3000]
    answers = bench.evaluate(
        """(texts) => {
          const ranks = new Map(Lab.data.vocabulary.map((word, k) => [word, k + 1]));
          return JSON.stringify(JSON.parse(texts).map((text) => {
            const found = Lab.tokenize(text);
            const words = found.map(({ word }) => word);
            const there = found.every(({ word, start, end }) => end - start === word.length);
            return [words, Lab.encode(words, ranks, 10000), there];
          }));
        }""",
        json.dumps(texts),
    )
    word_index = words_of("lstm")
    for text, (words, ids, there) in zip(texts, json.loads(answers), strict=True):
        assert words == datasets.tokenize(text), repr(text)
        assert there, repr(text)
        if words:
            assert ids == datasets.encode(text, word_index, num_words=10_000)


def test_models_and_words_are_small_in_small_files(tmp_path):
    lab.main(saving.STORED, tmp_path / "one")
    lab.main(saving.STORED, tmp_path / "two")
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "one").glob("*.js")}
    assert {"models.js", "texts.js", "lstm-0.js"} < set(sizes)
    readers = sum(sizes[name] for name in lab.export_readers(saving.STORED))
    print(f"lab: models and words {readers:,} bytes")
    assert readers <= 1_500_000
    assert max(sizes.values()) <= 200_000
    for file in (tmp_path / "one").glob("*.js"):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_the_page_says_how_many_words_it_knows(page):
    known = sum(rank + 3 < 10_000 for rank in words_of("lstm").values())
    assert f"{known:,} words" in page.inner_text("article")
    header, _ = saving.read(saving.find("lstm"))
    assert page.inner_text("#lab-accuracy") == f"{header['test_accuracy'] * 100:.1f} %"


def test_whatever_is_typed_is_read_and_never_taken_as_markup(page):
    elements = "document.querySelectorAll('body *:not([id^=lab] *)').length"
    before = page.evaluate(elements)
    for text in ("", "   \n", "... !!! ---", *NASTY):
        write(page, text.encode("utf-8", "replace").decode())
        words = datasets.tokenize(page.input_value("#lab-text").replace("\xa0", " "))
        shown = page.locator("#lab-tokens [role=option]").all_inner_texts()
        assert len(shown) == (len(words) + 1 if words else 0), text
        assert verdict(page).startswith(
            ("Positive, p = ", "Negative, p = ") if words else "No verdict"
        )
        assert page.evaluate(elements) == before
        assert page.locator(f"{PLACES} :is(img, script, b, i, br, iframe)").count() == 0
    assert "onerror" in str(page.evaluate("Lab.tokenize('<img onerror=x>')"))


def test_a_very_long_text_is_cut_with_a_word_about_it(page):
    text = ("a good film and a bad one, " * 4000)[:100_000]
    write(page, text)
    assert "the first 1,000 are read" in page.inner_text("#lab-notes")
    assert page.locator("#lab-tokens [role=option]").count() == 1001
    assert f"{len(datasets.tokenize(text)):,} words" in page.inner_text("#lab-notes")
    page.click("#lab-back")
    assert "to 0." in page.inner_text("#lab-at")


def test_what_it_cannot_know_is_said(page):
    write(page, "zyxw")
    assert "none of these words" in page.inner_text("#lab-notes")
    label = page.locator("#lab-tokens [role=option]").nth(1).get_attribute("aria-label")
    assert "unknown word" in label
    write(page, "ein wunderbarer Film über die Liebe, פשוט נפלא")
    assert "English only" in page.inner_text("#lab-notes")
    assert (
        page.evaluate("getComputedStyle(document.getElementById('lab-tokens')).direction") == "ltr"
    )
    write(page, "סרט נפלא")
    assert (
        page.evaluate("getComputedStyle(document.getElementById('lab-tokens')).direction") == "rtl"
    )
    write(page, "9 out of 10, the best film of the year")
    assert "numbers as words" in page.inner_text("#lab-notes")
    write(page, "I didn’t like it — at all…")
    assert "read as plain ones" in page.inner_text("#lab-notes")
    assert page.locator("#lab-tokens .lab-unknown").count() == 0


def numbers(text):
    """The whole numbers in a sentence, in its order."""
    return [int(number) for number in re.findall(r"\d+", text)]


def test_a_negation_gets_a_remark_with_its_measured_score(page):
    texts, labels = zip(*NEGATED, strict=True)
    right = int(np.sum((answers(load_model("lstm"), texts) > 0.5) == labels))
    assert lab.negation() == {"right": right, "all": len(NEGATED)}
    said = page.inner_text("article li:has(#lab-negations)")
    assert numbers(said) == [len(NEGATED), right, len(NEGATED) // 2]
    for text in ("It is not good at all", "I didn’t like it at all", "Never a dull moment here"):
        write(page, text)
        remark = page.inner_text("#lab-notes")
        assert f"of {len(NEGATED)} short reviews that turn on one, it gets {right} right" in remark
    for text in ("I like the notes and the knots", "nothingness is another theme"):
        write(page, text)
        assert "negation" not in page.inner_text("#lab-notes")


def test_a_link_carries_text_and_settings(page, browser, site):
    write(page, 'A "dull" film & <b>loud</b> 100% — but I + my cat liked it 😀')
    page.fill("#lab-shift", "-1.5")
    page.check("input[name=lab-hold-f][value='1']")
    page.check("input[name=lab-hold-o][value='1']")
    page.fill("#lab-filler", "40")
    page.check("#lab-alone")
    page.select_option("#lab-unit", "12")
    page.click("#lab-back")
    page.click("#lab-link")
    link = page.input_value("#lab-out")
    shown = [verdict(page), page.inner_text("#lab-at"), page.inner_text("#lab-c")]
    with opened(browser, site, "#" + link.split("#")[1]) as other:
        assert [verdict(other), other.inner_text("#lab-at"), other.inner_text("#lab-c")] == shown
        assert other.is_checked("input[name=lab-hold-f][value='1']")
        assert other.is_checked("input[name=lab-hold-o][value='1']")
        assert other.is_checked("input[name=lab-hold-i][value='']")
        assert other.input_value("#lab-filler") == "40"
        assert other.input_value("#lab-shift") == "-1.5"
        assert other.input_value("#lab-unit") == "12"
        assert other.is_checked("#lab-alone")
        assert "cat" in other.input_value("#lab-text")


@pytest.mark.parametrize(
    "link", ["#t=", "#t=%zz&f=7&n=1e9&b=x&u=-4&s=99999", "#break-it", "#t=a&u=9e9"]
)
def test_a_mangled_link_does_no_harm(browser, site, link):
    with opened(browser, site, link) as page:
        assert page.input_value("#lab-unit") != ""


@pytest.mark.parametrize("broken", [{}, {"f": 0, "i": 1}, {"o": 1, "shift": 2}], ids=json.dumps)
def test_the_python_lines_compute_the_same(page, capsys, broken):
    write(page, 'He said "no \\ never"; I said it\'s great, 😀 truly.')
    page.fill("#lab-shift", str(broken.get("shift", 0)))
    for gate in "fio":
        if gate in broken:
            page.check(f"input[name=lab-hold-{gate}][value='{broken[gate]}']")
    page.fill("#lab-filler", "20")
    page.press("#lab-step", "End")
    page.click("#lab-python")
    lines = page.input_value("#lab-out")
    found = {}
    exec(lines, found)
    printed = capsys.readouterr().out.splitlines()
    labels = page.locator("#lab-tokens [role=option]").evaluate_all(
        "all => all.map((option) => option.getAttribute('aria-label'))"
    )
    assert len(printed) == len(labels) == len(found["p"])
    for line, label in zip(printed, labels, strict=True):
        assert abs(float(line.split()[0]) - float(label.split()[-1])) < 0.011
    assert float(page.inner_text("#lab-p").split()[-1]) == pytest.approx(found["p"][-1], abs=6e-4)
    H, unit = 64, int(page.input_value("#lab-unit"))
    cell = page.inner_text("#lab-c").split()[-1].replace("−", "-")
    assert float(cell) == pytest.approx(found["steps"]["c"][0, -1, unit], abs=6e-4)
    assert found["lstm"].units == H


def test_the_lines_of_a_step_compute_to_what_they_say(page):
    names = {"σ": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh}
    signs = str.maketrans("−×", "-*")
    for unit in range(0, 64, 9):
        page.select_option("#lab-unit", str(unit))
        for cell in "ifgoch":
            line, _, result = page.inner_text(f"#lab-{cell}").translate(signs).rpartition(" = ")
            assert eval(line, names) == pytest.approx(float(result), abs=8e-4), (unit, cell)


@pytest.mark.parametrize("gate", "fioc")
def test_no_label_of_a_panel_is_cut_off(page, gate):
    painted = (
        "(map, [x, n]) => map.getContext('2d').getImageData(x, 0, n, map.height).data.some(Boolean)"
    )
    panel = page.locator(f"#lab-map-{gate}")
    assert not panel.evaluate(painted, [0, 2])
    assert panel.evaluate(painted, [2, 40])  # the labels


def test_the_keyboard_reaches_every_step_unit_and_switch(page):
    write(page, "a film that begins badly and ends very well")
    page.focus("#lab-tokens [aria-selected=true]")
    page.keyboard.press("Home")
    assert page.inner_text("#lab-at").startswith("start of the review")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#lab-at").startswith("film")
    assert page.evaluate("document.activeElement.textContent").startswith("film")

    page.focus("#lab-map-c")
    unit = page.input_value("#lab-unit")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#lab-unit") != unit
    value = page.inner_text("#lab-note-c")
    assert re.match(r"−?0\.\d{3} · “that” · unit \d+", value)
    expect(page.locator("#lab-say")).to_have_text(f"cell state c {value}")

    before = verdict(page)
    page.focus("input[name=lab-hold-f][value='']")
    page.keyboard.press("ArrowDown")
    assert page.is_checked("input[name=lab-hold-f][value='1']")
    assert "broken" in page.inner_text("#lab-broken")
    page.focus("#lab-fix")
    page.keyboard.press("Enter")
    assert verdict(page) == before


def test_a_step_is_said_once_by_what_made_it(page):
    write(page, "a wonderful film")
    page.click("#lab-back")
    at = page.inner_text("#lab-at")
    assert at.startswith("wonderful: up ")
    expect(page.locator("#lab-say")).to_have_text(at)
    assert page.get_attribute("#lab-at", "aria-live") == "off"
    page.press("#lab-step", "ArrowRight")
    at = page.inner_text("#lab-at")
    assert at.startswith("film: ")
    assert page.get_attribute("#lab-step", "aria-valuetext") == at
    chosen = page.locator("#lab-tokens [aria-selected=true]")
    assert chosen.get_attribute("aria-label") == at
    page.wait_for_timeout(700)  # nothing more is said
    assert page.inner_text("#lab-say").startswith("wonderful")


def test_the_link_that_is_shown_follows_the_step(page):
    write(page, "a wonderful film")
    page.click("#lab-link")
    before = page.input_value("#lab-out")
    page.press("#lab-step", "ArrowLeft")
    assert "&s=3&" in before
    assert page.input_value("#lab-out") == before.replace("&s=3&", "&s=2&")


def test_text_and_settings_survive_a_reload_and_going_back(page, site):
    def shown():
        switches = "document.querySelectorAll('#lab-break input:checked, #lab-alone:checked')"
        kept = page.evaluate(f"[...{switches}].map((input) => input.name + input.value)")
        texts = ("#lab-verdict", "#lab-with", "#lab-at", "#lab-filler-out", "#lab-shift-out")
        return [page.input_value("#lab-text"), kept, *map(page.inner_text, texts)]

    def leave_and_come(way):
        page.wait_for_timeout(300)  # the history is written when things have come to rest
        way()
        page.wait_for_selector(SHOWN, state="attached")

    write(page, "A “dull” film & <b>loud</b> — but my cat liked it 😀")
    page.check("input[name=lab-hold-o][value='1']")
    page.fill("#lab-filler", "40")
    page.fill("#lab-shift", "-1.5")
    page.check("#lab-alone")
    page.click("#lab-back")
    before = shown()
    leave_and_come(page.reload)
    assert shown() == before
    address = page.url
    page.goto(f"file://{site}/index.html")
    leave_and_come(page.go_back)
    assert shown() == before
    page.evaluate("location.hash = 'break-it'")  # a place in the page
    assert shown() == before
    leave_and_come(page.reload)
    assert shown() == before
    leave_and_come(page.go_back)
    assert (page.url, shown()) == (address, before)
    page.evaluate("location.hash = 't=another+film'")  # a link
    until(page, "document.getElementById('lab-text').value === 'another film'")
    assert page.inner_text("#lab-with") == ""
    write(page, "")
    leave_and_come(page.reload)
    assert page.input_value("#lab-text") == ""


def test_an_empty_text_has_no_results(page):
    page.click("#lab-python")
    page.fill("#lab-filler", "40")
    write(page, "")
    assert verdict(page) == "No verdict yet"
    for place in ("with", "truth", "at", "broken", "memory", "tokens", "notes"):
        assert page.inner_text(f"#lab-{place}") == "", place
    for place in ("i", "f", "g", "o", "c", "h", "p", "low-f", "high-c"):
        assert page.inner_text(f"#lab-{place}") == "–", place
    assert not page.is_visible("#lab-out")
    for chart in ("curve", "both", "three", "echo"):
        assert page.locator(f"#lab-{chart} *").count() == 0
        assert page.get_attribute(f"#lab-{chart}", "aria-label").startswith("Nothing to show")
    for control in ("play", "step", "unit", "alone", "filler", "link", "python"):
        assert page.is_disabled(f"#lab-{control}"), control
    for control in ("back", "on"):
        assert page.get_attribute(f"#lab-{control}", "aria-disabled") == "true"
    write(page, "a film")
    assert page.is_enabled("#lab-play")
    assert page.is_visible("#lab-out")


def test_the_headline_says_what_has_been_changed(page):
    write(page, "a wonderful film")
    assert page.inner_text("#lab-with") == ""
    page.check("input[name=lab-hold-i][value='1']")
    assert page.inner_text("#lab-with") == "with the input gate held at 1."
    page.fill("#lab-filler", "60")
    page.fill("#lab-shift", "-2")
    said = "the input gate held at 1, the forget bias shifted by −2.0 and 60 neutral words added"
    assert page.inner_text("#lab-with") == f"with {said}."
    expect(page.locator("#lab-say")).to_contain_text(f", with {said}")
    page.check("input[name=lab-hold-f][value='0']")
    assert "forget bias" not in page.inner_text(
        "#lab-with"
    )  # a gate that is held has no use for it
    assert "the forget gate held at 0" in page.inner_text("#lab-with")
    page.click("#lab-fix")
    page.fill("#lab-filler", "0")
    assert page.inner_text("#lab-with") == ""


def test_a_control_without_effect_is_off_and_keeps_the_focus(page):
    write(page, "a film")
    for button, presses in (("on", 1), ("back", 4), ("on", 4)):
        page.focus(f"#lab-{button}")
        for _ in range(presses):
            page.keyboard.press("Enter")
        assert page.get_attribute(f"#lab-{button}", "aria-disabled") == "true"
        assert page.evaluate("document.activeElement.id") == f"lab-{button}"
    assert page.inner_text("#lab-at").startswith("film")
    page.check("input[name=lab-hold-f][value='1']")
    assert page.is_disabled("#lab-shift")
    assert page.is_visible("#lab-shift-why")
    page.focus("#lab-fix")
    page.keyboard.press("Enter")
    assert page.is_enabled("#lab-shift")
    assert page.is_hidden("#lab-shift-why")
    assert page.get_attribute("#lab-fix", "aria-disabled") == "true"
    assert page.evaluate("document.activeElement.id") == "lab-fix"


def test_neutral_words_are_neutral_and_their_own_verdict_is_shown(page):
    text = lab.FILLER.read_text(encoding="utf-8")
    words = datasets.tokenize(text)[:150]
    assert len(words) == 150
    write(page, "a terrible film")
    page.fill("#lab-filler", "150")
    shown = page.inner_text("#lab-memory")
    for name, title in lab.MODELS.items():
        model = load_model(name)
        begun = [" ".join(words[:count]) for count in range(1, 151)]
        p = answers(model, begun)
        assert np.abs(p - 0.5).max() < NEUTRAL, (name, "tools/lab_filler.py chooses them anew")
        assert abs(float(re.search(rf"own: .*{title} (\d\.\d+)", shown)[1]) - p[-1]) < 0.0051
        with_text = answers(model, [f"a terrible film {begun[-1]}"])[0]
        assert with_text < 0.5, name
    assert page.locator("#lab-three .lab-base").count() == 3
    page.fill("#lab-filler", "0")
    assert page.locator("#lab-three .lab-base").count() == 0
    assert "own" not in page.inner_text("#lab-memory")


def test_what_is_typed_is_sent_nowhere_and_kept_nowhere(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    write(page, "a secret that nobody shall know")
    for button in ("#lab-link", "#lab-python", "#lab-play", "#lab-another"):
        page.click(button)
    page.check("input[name=lab-hold-i][value='1']")
    assert asked == []
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    assert "secret" not in page.url


def test_another_takes_one_of_the_challenge_reviews_with_its_truth(page):
    for _ in range(3):
        before = page.input_value("#lab-text")
        page.click("#lab-another")
        text = page.input_value("#lab-text")
        assert text in REVIEWS
        assert text != before
        review = lab.challenge()[REVIEWS.index(text)]
        meant = "positive" if review.label else "negative"
        answer = "right" if meant == verdict(page).split(",")[0].lower() else "wrong"
        assert page.inner_text("#lab-truth") == f"It was meant as {meant}: {answer}."


def test_play_reads_to_the_end_and_pauses(page):
    write(page, "good, bad, " * 200)  # longer than a slow machine takes to pause
    step = page.locator("#lab-step")
    page.click("#lab-play")
    assert page.inner_text("#lab-play").strip() == "Pause"
    until(page, "2 <= document.getElementById('lab-step').value % 400")
    page.click("#lab-play")
    at = step.input_value()
    page.wait_for_timeout(700)
    assert step.input_value() == at
    step.press("End")
    step.press("ArrowLeft")
    page.click("#lab-play")
    expect(page.locator("#lab-play")).to_have_text("Play")
    assert step.input_value() == "400"


def test_the_switches_act_on_the_gates_and_on_the_verdict(page):
    write(page, REVIEWS[0])
    for gate, value in (("f", "0"), ("i", "1"), ("o", "1")):
        page.check(f"input[name=lab-hold-{gate}][value='{value}']")
        assert page.inner_text(f"#lab-{gate}") == f"held at {value}"


def test_the_page_is_ready_when_its_table_is_filled(page):
    page.wait_for_selector(READY, state="attached")
    assert "…" not in page.inner_text("#lab-score")
    page.check("input[name=lab-hold-f][value='0']")
    page.wait_for_selector(READY, state="attached")
    assert "…" not in page.inner_text("#lab-score")


def test_the_texts_of_the_table_are_read_once_whatever_else_changes_meanwhile(page):
    page.wait_for_selector(READY, state="attached")
    page.evaluate(COUNT)
    page.check("input[name=lab-hold-f][value='0']")
    for text in ("good", "bad"):
        page.wait_for_function("count => reads.size > count", arg=page.evaluate("reads.size") + 5)
        page.fill("#lab-text", text)
        page.wait_for_timeout(500)  # longer than the page waits before it counts
        assert page.locator("html[data-lab=scoring]").count() == 1
    page.wait_for_selector(READY, state="attached", timeout=120_000)
    reads = page.evaluate("[...reads].map(([key, times]) => [JSON.parse(key)[0].length, times])")
    of_the_table = [times for words, times in reads if words > 100]
    assert len(of_the_table) > 100
    assert set(of_the_table) == {1}


@pytest.mark.parametrize("broken", [{"f": 0}, {"f": 1}, {"shift": 1.5}], ids=json.dumps)
def test_the_table_scores_what_an_opinion_does(page, broken):
    for gate, value in broken.items():
        if gate == "shift":
            page.fill("#lab-shift", str(value))
        else:
            page.check(f"input[name=lab-hold-{gate}][value='{value}']")
    learned, after = moved({}), moved(broken)
    rows = page.locator("#lab-score tr")
    expect(rows.last.locator("td").last).to_have_text(re.compile(r"\d"), timeout=120_000)
    for row, place in zip(rows.all(), ("first", "last"), strict=True):
        cells = row.locator("td").all_inner_texts()
        shown = [[int(n) for n in re.findall(r"-?\d+", c.replace("−", "-"))] for c in cells]
        values = learned[place], after[place], after[place] - learned[place]
        assert np.abs(np.subtract(shown, list(map(interval, values)))).max() < 0.51
        assert re.match(r"[+−]\d", cells[2])


def test_each_gate_is_held_at_a_price(bench):
    """What the page says below the table."""
    learned = moved({})
    assert all(interval(values)[1] > 10 for values in learned.values())
    change = {}
    for gate in "fio":
        for value in (0, 1):
            found = moved({gate: value})
            for place in found:
                change[gate, value, place] = interval(found[place] - learned[place])
            if value == 0:
                assert np.abs(found["first"]).max() < 0.05
            if gate != "f" and value == 0:
                assert np.abs(found["last"]).max() < 0.05
    assert all(change[gate, 1, "first"][1] > 5 for gate in "fio")
    assert all(change[gate, 1, "last"][2] < -5 for gate in "fio")
    assert change["i", 1, "last"][0] > change["f", 1, "last"][0]
    assert change["f", 0, "last"][2] < -5
    assert interval(moved({"f": 0})["last"])[1] > 1


def test_a_shut_forget_gate_and_the_short_reviews(page):
    """The challenge set's total, which rises, and what the page says of it."""
    reviews = datasets.load_challenge()
    labels = np.array([review.label for review in reviews])
    long = np.array([review.phenomenon == "early verdict" for review in reviews])
    right = []
    for broken in ({}, {"f": 0}):
        model = load_model("lstm")
        hold(model.layers[1], broken)
        right.append((answers(model, [review.text for review in reviews]) > 0.5) == labels)
    totals = [int(r.sum()) for r in right]
    gained = (right[1].astype(int) - right[0]).reshape(-1, 2).sum(axis=1)  # of a pair
    middle, low, high = (round(len(gained) * number) for number in interval(gained))
    of_long = [int(r[long].sum()) for r in right]
    said = numbers(page.inner_text(f"article p:has-text('{len(reviews)} short reviews')"))
    for expected in (*totals, len(reviews) // 2, middle, low, high, *of_long, int(long.sum())):
        assert expected in said, (expected, said)


def test_without_scripts_it_says_so_and_shows_no_dead_controls(browser, site):
    with visit(browser, f"file://{site}/lab.html", java_script_enabled=False) as seen:
        assert "needs JavaScript" in seen.page.inner_text("article")
        assert seen.page.locator("article :is(textarea, select, input):visible").count() == 0


def test_a_tap_on_a_heat_map_chooses_step_and_unit(browser, site):
    with opened(browser, site, "#t=a+wonderful+film", size=PHONE, has_touch=True) as page:
        box = page.locator("#lab-map-f").bounding_box()
        page.locator("#lab-map-f").tap(position={"x": box["width"] - 12, "y": box["height"] - 1})
        assert page.inner_text("#lab-at").startswith("film")
        assert page.locator("#lab-unit option").last.get_attribute("value") == page.input_value(
            "#lab-unit"
        )
        # A second tap on the same panel shows its value, too, when the finger has left.
        page.locator("#lab-map-f").tap(position={"x": box["width"] - 12, "y": 1})
        unit = page.input_value("#lab-unit")
        assert unit == page.locator("#lab-unit option").first.get_attribute("value")
        shown = rf"0\.\d{{3}} · “film” · unit {unit} "
        expect(page.locator("#lab-note-f")).to_have_text(re.compile(shown))
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
