"""report.html in a browser: without a network, at every width, by keyboard, in light and dark, in print."""

import json

import pytest
from report_page import ROOT, RUNS, claims, needs_browser, needs_results, opened

from model_emotion.base.files import read_yaml

pytestmark = [needs_results, needs_browser]


def test_it_loads_without_an_error_and_asks_for_nothing(page):
    assert page.complaints() == []
    assert {address.split(":")[0] for address in page.requests()} <= {"file", "blob", "data"}
    assert [address for address in page.requests() if address.startswith("file")] == [page.path.as_uri()]


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_width_scrolls_sideways(page, width):
    page.ask(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600
    )
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    try:
        assert page.run("document.documentElement.scrollWidth") <= width
        sizes = (
            "[...document.querySelectorAll('p, td, th, li, summary')]"
            ".map((e) => parseFloat(getComputedStyle(e).fontSize))"
        )
        assert page.run(f"Math.min(...{sizes})") >= 12
    finally:
        page.run("document.querySelectorAll('details').forEach((one) => { one.open = false; })")
        page.ask(
            "Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False
        )


def test_claims_are_found_by_word_and_verdict(page):
    every = [claim for run in RUNS for claim in claims(run)]
    for words, status in (("L3", ""), ("masking valence", ""), ("", "not supported")):
        page.run(f"at('words').value = {words!r}; at('status').value = {status!r}; filterClaims()")
        rows = "[...document.querySelectorAll('.claims tbody tr')].filter((row) => row.offsetParent)"
        shown = page.run(f"{rows}.map((row) => row.querySelector('th').textContent)")
        if status:
            assert shown == [
                claim["id"]
                for claim in every
                if claim["run"] == "live" and claim["status"] == "NOT REPRODUCED"
            ]
        else:
            texts = {claim["id"]: f"{claim['id']} {claim['claim']}".lower() for claim in every}
            assert (
                set(shown)
                >= {
                    name
                    for name, text in texts.items()
                    if all(word in text for word in words.lower().split())
                }
                != set()
            )
        assert page.run("at('found').textContent") == f"{len(shown)} claim{'s' * (len(shown) > 1)}"
        sections = page.run(
            "[...document.querySelectorAll('.claims:not([hidden])')].map((section) => ["
            "section.querySelector('.count').textContent, section.querySelectorAll('tbody tr').length,"
            "section.querySelectorAll('tbody tr:not([hidden])').length])"
        )
        assert all(count == f"{here} of {of}" for count, of, here in sections)
    page.run("at('words').value = ''; at('status').value = ''; filterClaims()")
    assert page.run("document.querySelectorAll('.claims tbody tr[hidden]').length") == 0


def test_the_keyboard_reaches_everything_and_sees_where_it_is(page):
    opened(page)
    page.key("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to content"
    seen, style = [], "getComputedStyle(e)"
    focus = f"((e) => [e.tagName, parseFloat({style}.outlineWidth), {style}.outlineStyle])"
    for _ in range(110):
        page.key("Tab")
        seen.append(page.run(f"{focus}(document.activeElement)"))
    assert {"A", "rect", "SELECT"} <= {tag for tag, *_ in seen}
    assert all(width >= 2 and style != "none" for _, width, style in seen), seen


def test_everything_that_can_be_used_has_a_name(page):
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    used = {"button", "link", "combobox", "textbox", "img", "image", "region", "searchbox"}
    nameless = [
        node["role"]["value"] for node in nodes
        if not node.get("ignored") and node["role"]["value"] in used and not node.get("name", {}).get("value")
    ]  # fmt: skip
    assert nameless == []
    mismatched = "(e) => !(e.getAttribute('aria-label') ?? e.textContent).includes(e.textContent.trim())"
    assert page.run(f"[...document.querySelectorAll('button, a')].filter({mismatched}).length") == 0
    assert page.run("document.querySelectorAll('td[scope], th:not([scope]), th:empty').length") == 0
    assert (
        page.run("[...document.querySelectorAll('.wide, pre')].filter((e) => e.tabIndex !== 0).length") == 0
    )
    label = (
        "e.getAttribute('aria-label') ?? "
        "document.getElementById(e.getAttribute('aria-labelledby')).textContent.trim()"
    )
    regions = page.run(
        "[...document.querySelectorAll('section, [role=region]')]"
        f".filter((e) => e.checkVisibility()).map((e) => {label})"
    )
    assert len(regions) > 8 and len(set(regions)) == len(regions)
    levels = page.run(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map((heading) => Number(heading.tagName[1]))"
    )
    assert (
        levels[0] == 1
        and levels.count(1) == 1
        and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    )
    assert page.run("document.documentElement.lang") == "en"


def test_the_page_is_short_until_it_is_unfolded_and_the_navigation_stays_in_sight(page):
    opened(page)
    assert page.run("document.documentElement.scrollHeight") < 8000
    page.run("scrollTo(0, 5000)")
    assert page.run("document.querySelector('nav').getBoundingClientRect().top") == 0


def test_on_a_phone_no_table_is_wider_than_the_screen(page):
    opened(page, 390)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    wide = "[...document.querySelectorAll('.wide')].filter((e) => e.scrollWidth > e.clientWidth)"
    try:
        assert page.run(f"{wide}.map((e) => e.getAttribute('aria-label'))") == []
        scale = "Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b)"
        size = f"(t) => parseFloat(getComputedStyle(t).fontSize) * {scale}"
        shown = "[...document.querySelectorAll('.chart text')].filter((t) => t.getScreenCTM())"
        assert page.run(f"Math.min(...{shown}.map({size}))") >= 12
    finally:
        opened(page)


CONTRAST = """(() => {
  document.querySelectorAll('details').forEach((one) => { one.open = true; });
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * under[i]).concat(1);
  const light = (c) => {
    const f = (v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
  const bad = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.textContent.trim() || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName)) continue;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!box.width || style.visibility === 'hidden') continue;
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    let ground = [255, 255, 255, 1];
    for (const layer of layers.reverse()) ground = over(layer, ground);
    const ink = over(parse(element instanceof SVGElement ? style.fill : style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push([node.textContent.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  document.querySelectorAll('details').forEach((one) => { one.open = false; });
  return bad;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(page, scheme):
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    try:
        assert page.run(CONTRAST) == []
    finally:
        page.ask("Emulation.setEmulatedMedia", features=[])


def test_it_prints(page):
    assert len(page.ask("Page.printToPDF", printBackground=True)["data"]) > 100_000
    blank = "[...document.querySelectorAll('.chart')].filter((one) => !one.querySelector('svg'))"
    assert page.run(f"{blank}.length") == 0  # those of the folded parts of cards are printed too


def test_one_run_can_be_chosen_for_all_figures(page):
    """A figure that the chosen run lacks stays visible."""
    opened(page)
    shown = (
        "JSON.stringify([...document.querySelectorAll('.pair')].map((pair) => [...pair.children]"
        ".filter((one) => getComputedStyle(one).display != 'none').map((one) => one.dataset.run)))"
    )
    both = json.loads(page.run(shown))
    assert list(RUNS) in both and ["published"] in both
    page.run("document.getElementById('show-live').click()")
    assert json.loads(page.run(shown)) == [["live"] if "live" in runs else runs for runs in both]
    page.run("document.getElementById('show-all-runs').click()")
    assert json.loads(page.run(shown)) == both


def test_terms_are_explained_to_keyboard_and_mouse(page):
    terms = read_yaml(ROOT / "model_emotion/report/templates/glossary.yaml")
    page.run("document.querySelector('.term').focus()")
    first = page.run("document.activeElement.textContent").lower()
    (means,) = (
        one["means"] for one in terms if first in [word.lower() for word in one.get("words", [one["term"]])]
    )
    assert page.run("!at('tip').hidden && at('tip').textContent") == means
    page.key("Escape")
    assert page.run("at('tip').hidden")
    missing = "[...document.querySelectorAll('.term')].filter((t) => !at(t.getAttribute('aria-describedby')))"
    assert page.run(f"{missing}.length") == 0
    page.point(".term")
    assert page.run("!at('tip').hidden && at('tip').textContent") == means
    assert page.run("document.querySelectorAll('dl.glossary dt').length") == len(terms) > 10
