"""A page in a real browser, without a network."""

import html
import json
import re
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
MEASURE = """
<script>
addEventListener("load", () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const page = document.documentElement;
  const reach = (one) => one.getBoundingClientRect().right;
  const loose = [...document.body.querySelectorAll("*")].filter(
    (one) => reach(one) > innerWidth + 1 && !one.closest(".scroll, pre"));
  parent.postMessage(JSON.stringify({
    width: innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    overflow: page.scrollWidth - page.clientWidth,
    moved: [...document.querySelectorAll(".scroll, pre, table, figure")]
      .filter((one) => one.scrollWidth > one.clientWidth + 1)
      .map((one) => one.outerHTML.slice(0, 80)),
    unnamed: document.querySelectorAll("td:not([data-label], [colspan])").length,
    loose: loose.map((one) => one.outerHTML.slice(0, 80)),
    images: [...document.images].map((one) => [one.naturalWidth, one.naturalHeight, one.alt]),
    asked: performance.getEntriesByType("resource").map((one) => one.name)
      .filter((name) => !name.startsWith("data:")),
    rows: Object.fromEntries([...document.querySelectorAll("tbody[id]")].map(
      (body) => [body.id, body.rows.length])),
    dead: [...document.querySelectorAll("a[href^='#']")].map((one) => one.getAttribute("href"))
      .filter((href) => !document.getElementById(href.slice(1))),
    scopeless: document.querySelectorAll("th:not([scope])").length,
    twice: [...document.querySelectorAll("[id]")].length
      - new Set([...document.querySelectorAll("[id]")].map((one) => one.id)).size,
    text: document.body.innerText,
  }), "*");
});
</script>
"""
FRAME = """<!doctype html>
<meta name="color-scheme" content="light dark">
<pre id="measured"></pre>
<script>
addEventListener("message", (sent) => {
  document.getElementById("measured").textContent = sent.data;
});
</script>
<iframe src="page.html" style="width: %dpx; height: 900px; border: 0"></iframe>
"""
"""A window is never narrower than some 500 pixels; a frame in it may be."""


@pytest.fixture(scope="session")
def browser():
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser to look at pages with: none of {', '.join(NAMES)} is installed")
    return found


def looked_at(browser, page, folder, width, dark=False):
    """What a window of that width shows of a page."""
    (folder / "page.html").write_text(page.replace("</body>", f"{MEASURE}</body>"), "utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME % width, "utf-8")
    flags = [*FLAGS, "--force-dark-mode"] if dark else FLAGS
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [browser, *flags, profile, "--virtual-time-budget=10000", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="measured">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(html.unescape(found[1]))
