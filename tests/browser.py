"""Real browsers for the tests: the system's Chromium and Firefox, cut off from everything outside.

    with serve(folder) as address, visit(browser, f"{address}/index.html") as seen:
        seen.page.click("text=Begin")
        assert seen.complaints() == []

`browser` and `site` are fixtures (tests/conftest.py hands them to every test); `browser` is Firefox
in a file that imports `firefox_fixture`.
"""

import functools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FIREFOX_NAMES = ("firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox")
# Nothing of Chromium's own goes out, and no name is looked up: only 127.0.0.1 can be reached.
FLAGS = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # The same pixels and the same room for text on every machine.
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
# The same for Firefox. Playwright cannot tell this one what a reader prefers (tests/firefox.py).
PREFERENCES: dict[str, str | float | bool] = {
    "network.dns.disabled": True,
    "ui.prefersReducedMotion": 1,
    "ui.systemUsesDarkTheme": 0,
}
DESKTOP, TABLET, PHONE = (1280, 900), (820, 1180), (390, 844)


def find_chromium() -> str | None:
    """The browser: what the variable CHROMIUM names, else the first of `NAMES` on the path."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """Chromium without a window, as a `playwright.sync_api.Browser`; closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", *FLAGS]
        )
        yield browser
        browser.close()


def find_firefox() -> str | None:
    """Firefox: what the variable FIREFOX names, else the first of `FIREFOX_NAMES` on the path."""
    named = os.environ.get("FIREFOX")
    return named or next(filter(None, map(shutil.which, FIREFOX_NAMES)), None)


@contextmanager
def firefox() -> Iterator[Any]:
    """Firefox without a window, as a `playwright.sync_api.Browser`; closed at the end.

    It prefers light colours and little motion, and knows no touch and no page without scripts.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.firefox.launch(
            channel="moz-firefox",  # as Mozilla builds it, not Playwright
            executable_path=ROOT / "tests" / "firefox.py",
            env={**os.environ, "FIREFOX": str(find_firefox())},
            firefox_user_prefs=PREFERENCES,
            timeout=600_000,  # milliseconds: on a busy machine too
        )
        yield browser
        browser.close()


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the files below `folder` on 127.0.0.1; gives the address, no slash at its end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # one connection for many files, as a real server has it

    def log_message(self, *args: Any) -> None:
        pass


@dataclass
class Visit:
    """An open page, and what it did that a page of the book must not do."""

    page: Any  # playwright.sync_api.Page
    outside: list[str] = field(default_factory=list)  # addresses asked for beyond the site
    messages: list[str] = field(default_factory=list)  # the console's lines, uncaught errors
    missing: list[str] = field(default_factory=list)  # files of the site that were not there

    def complaints(self) -> list[str]:
        """All that is to be complained of, a line each; empty for a good page."""
        return [f"asked for {u}" for u in self.outside] + self.messages + self.missing


@contextmanager
def visit(
    browser: Any,
    url: str,
    size: tuple[int, int] = DESKTOP,
    theme: str = "light",
    **context: Any,
) -> Iterator[Visit]:
    """Open `url` in a fresh profile, wait until it has loaded, and keep watch over it.

    size: of the window, in CSS pixels. theme: "light" or "dark", as the reader's system asks for.
    context: more of Playwright's `new_context`, such as java_script_enabled or reduced_motion.
    """
    profile = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, **context
    )
    page = profile.new_page()
    page.set_default_timeout(20_000)
    seen = watch(page, url)
    try:
        page.goto(url)
        yield seen
    finally:
        profile.close()


def watch(page: Any, url: str) -> Visit:
    """Note what `page` asks for beyond the site of `url`, and what it says, from now on."""
    seen = Visit(page)
    home = "file://" if url.startswith("file:") else "/".join(url.split("/")[:3]) + "/"

    def asked(request: Any) -> None:
        if not request.url.startswith((home, "data:", "blob:")):
            seen.outside.append(request.url)

    def answered(response: Any) -> None:
        if response.status >= 400:
            seen.missing.append(f"{response.status} {response.url}")

    def failed(request: Any) -> None:
        # Leaving a page stops what it was still loading: that is no fault.
        if "ABORTED" not in str(request.failure):
            seen.missing.append(f"{request.failure} {request.url}")

    page.on("request", asked)
    page.on("response", answered)
    page.on("requestfailed", failed)
    page.on("console", lambda line: seen.messages.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: seen.messages.append(f"uncaught: {error}"))
    page.on("websocket", lambda socket: seen.outside.append(socket.url))
    return seen


def until(page: Any, script: str, argument: Any = None, seconds: float = 20) -> None:
    """Wait until `script` is true of `page`; Playwright's own wait uses eval: pages forbid it."""
    end = time.monotonic() + seconds
    while not page.evaluate(script, argument):
        assert time.monotonic() < end, f"not within {seconds} s: {script}"
        page.wait_for_timeout(50)


# What an open page of the book is, as a function for `page.evaluate`.
FACTS = """async () => {
  const shifts = await new Promise((done) => {
    let sum = 0;
    const add = (list) => list.forEach((s) => { if (!s.hadRecentInput) sum += s.value; });
    const watcher = new PerformanceObserver((list) => add(list.getEntries()));
    watcher.observe({type: "layout-shift", buffered: true});
    setTimeout(() => { add(watcher.takeRecords()); done(sum); }, 100);
  });
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const loaded = [...performance.getEntriesByType("navigation"),
                  ...performance.getEntriesByType("resource")];
  const files = Object.fromEntries(loaded.map((e) => [e.name, e.decodedBodySize]));
  const every = (selector) => [...document.querySelectorAll(selector)];
  const ids = every("[id]").map((e) => e.id);
  return {
    shift: shifts,
    paint: paint ? paint.startTime : 0,
    files,
    repeated: [...new Set(ids.filter((id, at) => ids.indexOf(id) !== at))],
    equations: every(".math").length,
    unset: every(".math").filter((e) => !e.querySelector("mjx-container math")).length
      + every("mjx-merror, [data-mjx-error]").length
      + (/\\\\[(\\[]|\\$\\$|\\\\begin\\{/.test(
          every("article :is(p, li, td, figcaption)").map((e) => e.textContent).join(" ")) ? 1 : 0),
    language: document.documentElement.lang,
    headings: every("h1").length,
    nameless: every("img:not([alt]), img[alt='']").length,
    headless: every("article table:not([role=presentation])")
      .filter((t) => !t.querySelector("th[scope]")).length,
    policy: (document.querySelector("meta[http-equiv='Content-Security-Policy']") || {}).content,
  };
}"""


def names(site: Path) -> list[str]:
    """The book's pages, as paths below the site's folder."""
    return sorted(
        p.relative_to(site).as_posix() for p in site.rglob("*.html") if "_static" not in p.parts
    )


def absent(variable: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where the variable says "required", as in CI."""
    if os.environ.get(variable) == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


# One browser a module: while it runs, no other test could start an event loop.
@pytest.fixture(scope="module", name="browser")
def browser_fixture() -> Iterator[Any]:
    """Chromium; without one the test is skipped, or fails where UNROLLED_BROWSER=required."""
    if find_chromium() is None:
        absent(
            "UNROLLED_BROWSER",
            "no Chromium on the path and none named by CHROMIUM: no browser tests",
        )
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", name="browser")
def firefox_fixture() -> Iterator[Any]:
    """Firefox, in files that import this; without one as without Chromium."""
    if find_firefox() is None:
        absent(
            "UNROLLED_BROWSER",
            "no Firefox on the path and none named by FIREFOX: no tests in Firefox",
        )
    with firefox() as browser:
        yield browser


def site_folder() -> Path:
    """Where the built book is or would be: the folder that UNROLLED_SITE names, or _build/html."""
    return Path(os.environ.get("UNROLLED_SITE", ROOT / "_build" / "html"))


@pytest.fixture(scope="session", name="site")
def site_fixture() -> Path:
    """The built book."""
    folder = site_folder()
    if not (folder / "index.html").exists():
        pytest.fail(f"{folder} holds no built book: run `make book` first", pytrace=False)
    return folder
