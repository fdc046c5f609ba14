"""The drops on report.html, in a browser: bars, mask sizes, random masks, and one emotion everywhere."""

import pandas as pd
import pytest
from report_page import ROOT, RUNS, label, needs_browser, needs_results, opened, points

from model_emotion.report import prose

pytestmark = [needs_results, needs_browser]


def test_a_bar_says_its_numbers_to_mouse_and_keyboard(page):
    row = (
        pd.read_csv(ROOT / "results/published/drop_by_attribute.csv")
        .query("k == 4000 and attribute == 'happy-face'")
        .iloc[0]
    )
    said = (
        f"happy-face: {100 * row['drop']:.1f} points [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]"
    )
    page.point(".sizes[data-run=published] .bar[aria-label^='happy-face']")
    assert page.run("!at('tip').hidden && at('tip').textContent").startswith(said)
    page.key("Escape")
    assert page.run("at('tip').hidden")
    assert "], q < .001; 14 random masks: " in page.run("at('tip').textContent")
    page.run("document.querySelector('.slider input').focus()")
    page.key("Tab")
    assert page.run("!at('tip').hidden && at('tip').textContent").startswith(said)  # the largest is first


def test_the_slider_moves_drops_and_r_of_the_runs_together(page):
    page.run("var slider = document.querySelector('.slider input'); slider.value = 0;")
    page.run("slider.dispatchEvent(new Event('input', {bubbles: true}))")
    drops, answers = (
        pd.read_csv(ROOT / f"results/published/{name}.csv") for name in ("drop_by_attribute", "retests")
    )
    k = drops["k"].min()
    stars = drops.loc[drops["k"] == k, "star"]
    r = answers.query(f"question == 'human_correlation_of_size' and key == '{k}'").iloc[0]
    said = page.run("document.querySelector('.sizes[data-run=published] [role=status]').textContent")
    assert said.startswith(f"{k:,} neurons masked: {stars.sum()} of {len(stars)} drops have a *; H3's r is")
    assert prose.interval(r).replace("-", "−") in said
    assert page.run("document.querySelectorAll('.sizes .drops').length") == len(RUNS)
    page.run("document.querySelectorAll('.figure')[0].querySelector('summary').click()")
    assert page.run("document.querySelector('.figure figcaption').checkVisibility()")  # and a figure enlarges
    opened(page)


def test_the_switch_compares_with_all_random_masks_whose_spread_is_drawn(page):
    masked = pd.read_csv(ROOT / "results/published/masked_accuracy.csv").query("k == 4000")
    means = masked.groupby(["kind", "attribute"])["accuracy"].mean()  # no emotion is at floor
    own, random = means["attribute"], means["random"]
    for baseline, base in (
        ("own", random["happy-face"]),
        ("all", random.mean()),
        ("own", random["happy-face"]),
    ):
        page.run(f"document.querySelector('[name=baseline][value={baseline}]').click()")
        said, spread = label(page, "happy-face"), base - random
        assert said.startswith(f"happy-face: {points(base - own['happy-face'])} points ["), baseline
        assert said.endswith(f"14 random masks: {points(spread.min())} to {points(spread.max())}"), baseline
    drawn = page.run("document.querySelectorAll('.sizes[data-run=published] .drops circle').length")
    assert drawn == 14 * len(random)
    drawn = page.run("document.querySelectorAll('.sizes[data-run=live] .drops circle').length")
    shared = pd.read_csv(ROOT / "results/live/masked_accuracy.csv").query("kind == 'random'")
    assert drawn == 14 * shared.groupby("k")["draw"].nunique().max()  # of the main size


def test_an_emotion_is_followed_through_the_page(page):
    cells = pd.read_csv(ROOT / "results/published/drop_by_cell.csv").query("k == 4000")
    accuracy = pd.read_csv(ROOT / "results/published/accuracy.csv").groupby("emotion")["accuracy"].mean()
    chosen = "at('emotion').value = '{}'; at('emotion').dispatchEvent(new Event('change'))"
    for emotion in ("remorse", "joy"):
        page.run(chosen.format(emotion))
        drop = cells.query(f"emotion == '{emotion}' and attribute == 'valence'")["drop"].iloc[0]
        assert label(page, "valence").startswith(f"valence: {points(drop)} points ["), emotion
        assert page.run("!at('followed').hidden && at('followed').caption.textContent").startswith(emotion)
        shown = page.run(
            "document.querySelector('#followed [data-run=published][data-shows=accuracy]').textContent"
        )
        assert shown == points(accuracy[emotion]), emotion
        assert page.run("at('nearest').textContent.split(', ').length") == 3
    page.run(chosen.format(""))
    assert page.run("at('followed').hidden") and not label(page, "valence").startswith(
        f"valence: {points(drop)} "
    )


def test_an_emotion_is_chosen_by_its_bar_with_mouse_and_keyboard(page):
    cells = pd.read_csv(ROOT / "results/published/drop_by_cell.csv").query("k == 4000")
    drop = cells.query("emotion == 'joy' and attribute == 'valence'")["drop"].item()
    bar = ".sizes[data-run=live] .emotions [data-emotion=joy]"
    unfold = "document.querySelectorAll('.sizes details').forEach((one) => {{ one.open = {}; }})"
    page.run(unfold.format("true"))
    page.wait(f"document.querySelector('{bar}')")
    state = (
        "[at('emotion').value, !at('followed').hidden, document.activeElement.dataset.emotion, "
        "[...document.querySelectorAll('[data-emotion][aria-pressed=true]')].map((e) => e.dataset.emotion)]"
    )
    page.click(bar)
    assert page.run(state) == ["joy", True, "joy", ["joy"] * len(RUNS)]
    assert label(page, "valence").startswith(f"valence: {points(drop)} points ")
    for key, followed in (("Enter", ""), (" ", "joy"), ("x", "joy"), (" ", ""), ("Enter", "joy")):
        page.key(key)
        assert page.run(state) == [followed, bool(followed), "joy", [followed] * len(RUNS) * bool(followed)]
    page.click(bar)
    assert page.run("at('emotion').value") == "" and not label(page, "valence").startswith(
        f"valence: {points(drop)} points "
    )
    page.run(unfold.format("false"))


def test_bars_have_one_order_and_one_scale_for_all_runs(page):
    tables = {
        run: pd.read_csv(ROOT / f"results/{run}/drop_by_attribute.csv").set_index("attribute") for run in RUNS
    }
    order = tables["published"].query("k == 4000").sort_values("drop", ascending=False).index.tolist()
    scales = []  # pixels a point
    for run, table in tables.items():
        page.run(f"var chart = document.querySelector('.sizes[data-run={run}] .drops')")
        said = page.run("[...chart.querySelectorAll('.bar')].map((bar) => bar.dataset.tip.split(':')[0])")
        assert said == order
        widths = page.run(
            "[...[...chart.querySelectorAll('.mark-bar')].at(-1).children]"
            ".map((bar) => Number(bar.getAttribute('width')))"
        )
        at = table[table["k"] == int(page.run(f"drops.runs.{run}.sizes[chosen.sizes.{run}].k"))]
        scales += [
            width / abs(100 * at["drop"][name])
            for name, width in zip(order, widths, strict=True)
            if abs(at["drop"][name]) > 0.01
        ]
        ticks = page.run(
            "[...chart.querySelectorAll('.mark-x-axis-tick-label text')].map((one) => one.textContent)"
        )
        assert {"−10", "0", "10"} <= set(ticks) and all(int(t.replace("−", "-")) % 5 == 0 for t in ticks)
    assert len(scales) > len(order) and scales == pytest.approx([scales[0]] * len(scales), rel=2e-3)


def test_every_chart_says_its_units_and_fits_its_place(page):
    shown = "[...document.querySelectorAll('.chart')].filter((one) => one.checkVisibility())"
    for width in (390, 1280):
        opened(page, width)
        fits = "one.firstElementChild.getAttribute('width') == one.clientWidth"
        assert page.run(f"{shown}.length") == 4 + 2 * len(RUNS) + 3
        assert page.run(f"{shown}.every((one) => {fits})"), width
        labels = "one.querySelector('.mark-x-axis-label text')?.textContent"
        assert all(page.run(f"{shown}.filter((one) => !one.dataset.picture).map((one) => {labels})"))
        texts = f"{shown}.flatMap((one) => [...one.querySelectorAll('text')])"
        sides = f"{texts}.map((text) => text.getBoundingClientRect()).flatMap((box) => [box.left, box.right])"
        assert page.run(f"Math.min(...{sides})") >= 0 and page.run(f"Math.max(...{sides})") <= width
    page.ask("Emulation.setDeviceMetricsOverride", width=900, height=900, deviceScaleFactor=1, mobile=False)
    page.wait(f"{shown}.every((one) => {fits})")  # drawn again
    opened(page)
