"""Single numbers on report.html, in a browser: tau of every neuron, and every compared number."""

import re

import numpy as np
import pandas as pd
import pytest
from report_page import ROOT, RUNS, claims, needs_browser, needs_results

pytestmark = [needs_results, needs_browser]


def test_the_searchlight_shows_what_the_table_has(page):
    page.run("at('run').value = 'published'; at('run').dispatchEvent(new Event('change'))")
    table = pd.read_parquet(ROOT / "results/published/searchlight.parquet")
    page.run("document.querySelector(\"#counts button[aria-label^='valence, layer 6:']\").click()")
    of = table[(table["attribute"] == "valence") & (table["layer"] == 6)]
    label = page.run("document.querySelector('#counts button[aria-pressed=true]').getAttribute('aria-label')")
    assert label == f"valence, layer 6: {of['significant'].sum():,} neurons"
    best = page.run(
        "[...document.querySelectorAll('#best tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    top = of.sort_values(["tau", "neuron"], ascending=[False, True]).head(15)
    assert [float(row[3]) for row in best] == pytest.approx(np.round(top["tau"], 3).tolist(), abs=1.1e-3)
    assert best[0][0] == "15,512" and best[0][2] == "152"  # the study's own example
    page.run("at('neuron').value = '20000'; at('neuron').dispatchEvent(new Event('input'))")
    shown = page.run(
        "[...document.querySelectorAll('#one tbody tr')].map((row) => row.lastChild.textContent)"
    )
    expected = table[table["neuron"] == 20000]["tau"].round(3).tolist()
    assert [float(tau) for tau in shown] == pytest.approx(expected, abs=1.1e-3)
    bars = page.run("[...document.querySelectorAll('#histogram .bar')].map((bar) => bar.dataset.tip)")
    assert (
        sum(int(re.search(r": ([\d,]+) neurons", said).group(1).replace(",", "")) for said in bars)
        == of["tau"].notna().sum()
    )
    page.run("at('neuron').value = '99999999'; at('neuron').dispatchEvent(new Event('input'))")
    assert page.run("at('one').textContent") == "There are neurons 1 to 36,864"
    page.run(
        "at('neuron').value = ''; at('run').value = 'live'; at('run').dispatchEvent(new Event('change'))"
    )
    page.wait("at('seen').textContent.startsWith('live')")
    live = pd.read_csv(ROOT / "results/live/significant_by_layer.csv")["significant"].tolist()
    counts = page.run("[...document.querySelectorAll('#counts button')].map((button) => button.textContent)")
    assert [int(count.replace(",", "")) for count in counts] == live


def test_every_compared_number_is_a_point_or_in_a_square(page):
    compared = pd.concat(pd.read_parquet(ROOT / f"results/{run}/compared.parquet") for run in RUNS)
    kinds = page.run(
        "Object.values(compared.kinds).map((of) => [of.n, of.published?.length ?? null, "
        "(of.grid ?? []).reduce((sum, [, , n]) => sum + n, 0)])"
    )
    assert sum(n for n, _, _ in kinds) == len(compared)
    assert all(n == (squares if dots is None else dots) for n, dots, squares in kinds)
    assert page.run("dots.length") == sum(dots or 0 for _, dots, _ in kinds) > 5000
    counted = compared["claim"].value_counts()
    for verdict in (claim for run in RUNS for claim in claims(run)):
        told = verdict["readings"] + verdict["cells"]
        assert counted.get(verdict["id"], told) >= told or verdict["id"] == "D4.image", verdict[
            "id"
        ]  # by order
    page.run("at('kind').value = 'E9.mean'; at('kind').dispatchEvent(new Event('change'))")
    (row,) = (claim for claim in claims("published") if claim["id"] == "E9.mean.4000")
    page.run(
        "at('step').value = dots.findIndex((dot) => dot.key === '4000'); "
        "at('step').dispatchEvent(new Event('input'))"
    )
    said = page.run("at('step').getAttribute('aria-valuetext')")
    assert said.startswith(
        f"E9.mean, 4000: published {row['published']:.6g}, regenerated {row['regenerated']:.6g}"
    )
    page.run("at('kind').value = ''; at('kind').dispatchEvent(new Event('change'))")


def test_a_ring_shows_one_number_in_both_charts_and_follows_the_mouse(page):
    place = (
        "[...document.querySelectorAll('.numbers .ring')].map((ring) => "
        "['visibility', 'cx', 'cy'].map((name) => ring.getAttribute(name)))"
    )
    path = page.run("document.querySelector('.numbers .points path').getAttribute('d')")
    assert path.count("M") == page.run("dots.length")
    page.run("at('kind').value = 'E9.mean'; at('kind').dispatchEvent(new Event('change'))")
    first = page.run(place)
    i = page.run("dots.findIndex((dot) => dot.key === '4000')")
    page.run(f"at('step').value = {i}; at('step').dispatchEvent(new Event('input'))")
    left, right = page.run(place)
    assert left[:2] == right[:2] == ["visible", right[1]] and left[2] != right[2]
    assert left[1] != first[0][1]
    x, y = page.point(".numbers .ring")
    page.run("point(0)")
    assert page.run(place) == first
    page.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x + 2, y=y)
    assert page.run("Number(at('step').value)") == i and page.run(place) == [left, right]
    said = page.run("!at('tip').hidden && at('tip').textContent")
    assert said == page.run("at('number').textContent") and said.startswith("E9.mean, 4000: published ")
    page.run("at('kind').value = ''; at('kind').dispatchEvent(new Event('change'))")
