"""The report and the tables that are made with it.

They say what the files say, and a browser shows the page without a network, on a phone and by keyboard.
"""

import hashlib
import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, browser

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.base.results import RETESTS
from model_emotion.claims.verdicts import read, summary
from model_emotion.params import load_params
from model_emotion.report import cards, content, hypotheses, machine, prose
from model_emotion.report.page import packed, render, script_json
from model_emotion.retests.rows import row, table

ROOT = Path(__file__).parents[1]
RUNS = ("published", "live")
BUILT = all((ROOT / path).exists() for run in RUNS for path in content.sources(run))
needs_results = pytest.mark.skipif(not BUILT, reason="no results here yet: `make repro`")
needs_published = pytest.mark.skipif(
    not all((ROOT / path).exists() for path in content.sources("published")),
    reason="no results yet: run `make published` first",
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def claims(run):
    return json.loads((ROOT / f"results/{run}/claims.json").read_text())["claims"]


@pytest.fixture(scope="module")
def text():
    """The page of both runs, with an experiment made up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        every = content.verdicts(RUNS)
        details = content.details(RUNS, every, load_params().figures.model_dump(), 0.02)
        found = content.summary(RUNS, every) | details | machine.describe(RUNS) | {"digest": ""}
    made_up = {
        "name": "<stricter>",
        "question": "?",
        "against": "0123456",
        "set": {"analysis.drop_alpha": 0.01},
        "held": 2,
    }
    made_up |= {
        "mean_accuracy": 0.7,
        "mean_majority": 0.5,
        "human_correlation": None,
        "drop": {"valence": 0.0125},
    }
    found["experiments"] = [made_up]
    return render(found)


@pytest.fixture(scope="module")
def page(text, tmp_path_factory):
    """The page in a browser."""
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    with browser(folder / "profile") as tab:
        tab.path = path
        tab.open(path)
        tab.wait(
            "[...document.querySelectorAll('img[data-svg]')]"
            ".every((image) => image.complete && image.naturalWidth > 0)"
        )
        tab.wait("document.querySelectorAll('#best td').length > 0")
        yield tab


# What it says


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text outside scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._skip = [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._skip = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._skip = False

    def handle_data(self, data):
        self.text += "" if self._skip else data


@needs_results
def test_it_is_self_contained_and_small(text):
    assert len(text.encode()) < 5e6
    tags = Tags(text).tags
    outward = [
        (tag, of[name]) for tag, of in tags for name in ("src", "href", "action", "data") if of.get(name)
    ]
    assert all(address.startswith(("#", "data:")) for _, address in outward), outward
    ids = [of["id"] for _, of in tags if "id" in of]
    assert len(ids) == len(set(ids)) and {
        address[1:] for _, address in outward if address.startswith("#")
    } <= set(ids)
    assert "@import" not in text and "url(" not in text


@needs_results
def test_it_shows_every_claim_with_its_verdict_even_without_javascript(text):
    said = Tags(text).text
    every = [claim for run in RUNS for claim in claims(run)]
    for claim in every:
        assert claim["id"] in said and claim["claim"] in said
    verdicts = [verdict for run in RUNS for verdict in read(ROOT / f"results/{run}/claims.json")]
    for word in {verdict.word for verdict in verdicts}:
        assert text.count(f'data-status="{word}"') == sum(verdict.word == word for verdict in verdicts)
    assert all(line in said for line in summary(verdicts))  # as `make repro` ends
    studys = [claim for claim in every if claim["run"] != "live"]
    assert (
        f"{sum(c['status'] == 'PASS' for c in studys)} of {len(studys)} published values are regenerated."
        in said
    )
    assert "<stricter>" in said and "<stricter>" not in text  # markup in a name is no markup


@needs_results
def test_it_shows_every_question_of_the_retests_in_words(text):
    said = Tags(text).text
    for run in RUNS:
        table = pd.read_csv(ROOT / f"results/{run}/retests.csv")
        assert set(table["question"]) <= set(content.QUESTIONS)
        assert all(content.QUESTIONS[question] in said for question in table["question"].unique())


@needs_results
def test_it_gives_the_significance_level_of_the_stars(text):
    # above the bars, where a button explains q, and in two rows of the summary
    assert len(re.findall(r"q(?:</button>)? &lt; \.02\b", text)) == 3


@needs_results
def test_it_shows_how_the_model_was_measured(text):
    said = Tags(text).text
    record = json.loads((ROOT / "results/live/provenance/prompts.json").read_text())
    assert record["cpu"] in said and record["packages"]["torch"] in said and str(record["seconds"]) in said


@needs_results
def test_the_hypotheses_say_what_the_files_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    table = pd.read_csv("results/published/retests.csv")
    h1, h2, h3, h4 = hypotheses.table("published", content.verdicts(RUNS))
    significant = (
        pd.read_csv("results/published/significant_by_layer.csv").groupby("attribute")["significant"].sum()
    )
    assert f"{significant.min():,} to {significant.max():,} of 36,864" in h1.found
    kept = table.query(
        "question == 'significant_neurons' and verdict == 'holds' and key != 'label co-occurrence'"
    )["estimate"]
    assert (
        f"{len(kept)} of 14 attributes keep {kept.min():.0f} to {kept.max():.0f} neurons;" in h1.retested[0]
    )
    stars = pd.read_csv("results/published/drop_by_emotion.csv").query("k == 4000")["star"]
    assert f"lower the accuracy of {stars.sum()} of {len(stars)} emotions" in h2.found
    drop = table.query("question == 'masks_hurt_over_attributes' and key.isna()").iloc[0]
    assert (
        "masks as the random factor, {:.1f} [{:.1f}, {:.1f}].".format(
            *(100 * drop[["estimate", "ci_low", "ci_high"]])
        )
        in h2.retested[0]
    )
    smallest = table.set_index("question").loc["detectable_correlation", "estimate"]
    assert f"{smallest:.2f}"[1:] in h3.retested[-1]
    assert "p = .001" in h4.retested[0]  # twice the smallest p of 1,999 permutations


@needs_published
def test_the_cards_give_the_verdicts_of_the_retests(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = cards.cards({"published": hypotheses.table("published", content.verdicts(["published"]))})
    table = pd.read_csv("results/published/retests.csv").query("key != 'label co-occurrence'")
    kept = table.query("question == 'significant_neurons'")["verdict"].eq("holds").sum()
    assert [card.answers[0].verdict for card in found] == [
        f"partly: {kept} of 14",
        "inconclusive",
        "inconclusive",
        "holds",
    ]
    assert all(card.answers[0].picture.marks for card in found)
    (asked,) = [
        asked for asked in content.retests(["published"]) if "largest tau by chance" in asked["question"]
    ]
    of = asked["runs"]["published"]  # the label control is shown, and not counted
    assert (of["outcome"]["words"], of["controls"], len(of["rows"])) == (f"{kept} of 14 hold", 1, 15)


@needs_published
def test_a_page_of_the_published_run_alone_needs_no_live_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    runs = ["published"]
    judged = content.verdicts(runs)
    details = content.details(runs, judged, load_params().figures.model_dump(), 0.05)
    text = render(content.summary(runs, judged) | details | machine.describe(runs) | {"digest": ""})
    assert "How the model was measured" not in text and "make report  #" not in text
    assert "python -m stages.report --run published  #" in text and "model measured here" not in text


@pytest.mark.parametrize(
    ("ci", "said"),
    [((0.1, 0.9), "holds"), ((-0.1, 0.9), "inconclusive"), ((-0.9, -0.1), "does not hold")],
)
def test_an_interval_that_includes_0_is_inconclusive(ci, said):
    found = table([row("q", "", "interval", sum(ci) / 2, ci)]).iloc[0]
    assert hypotheses.of_row(found) == said and hypotheses.of_row(None) == "not tested"


@pytest.mark.parametrize(("kept", "said"), [([], "inconclusive"), ([3], "partly: 1 of 2"), ([3, 4], "holds")])
def test_the_verdict_on_neurons_counts_attributes(kept, said):
    assert hypotheses.of_neurons({"kept": kept, "attributes": 2}) == said


@pytest.mark.parametrize(
    ("ends", "ticks"), [((0, 496), (0, 200, 400, 600)), ((-0.2, 0.28), (-0.2, 0, 0.2, 0.4)), ((0, 0), (0, 1))]
)
def test_ticks_are_round_and_enclose_the_values(ends, ticks):
    assert cards.round_ticks(*ends) == ticks


def test_a_run_in_which_no_attribute_keeps_a_neuron_has_a_picture():
    rows = [row(f"significant_neurons{of}", "", "p", 0, p=0.4, n=9, key="valence") for of in ("", "_of_all")]
    hypothesis = hypotheses.Hypothesis("H1", "", "", "", ())
    found = cards.answer("live", hypothesis, hypotheses.Answers(table(rows)))
    assert found.verdict == "inconclusive" and found.picture.ticks == (0, 1)
    assert found.sentence.startswith("With the emotions permuted, none of 1 attributes keep")


def test_a_run_without_retests_is_not_tested():
    answers = hypotheses.Answers(pd.DataFrame(columns=RETESTS))
    rows = [hypotheses.Hypothesis(id, "", "", "", ()) for id in ("H1", "H2", "H3", "H4")]
    found = [cards.answer("live", row, answers) for row in rows]
    assert {(one.verdict, one.picture) for one in found} == {("not tested", None)}


def test_a_retest_that_was_not_run_has_no_sentence():
    answers = hypotheses.Answers(pd.DataFrame(columns=RETESTS))
    assert [hypotheses.retested(id, answers) for id in ("H1", "H2", "H3", "H4")] == [(), (), (), ()]


@pytest.mark.parametrize(
    ("ps", "said"),
    [
        (
            (0.2, 0.2),
            "none of 2 attributes keeps a neuron.",
        ),
        (
            (0.2, 0.01),
            "1 of 2 attributes keeps 7 neurons; corrected for the number of attributes, 1 does.",
        ),
        (
            (0.01, 0.01),
            "2 of 2 attributes keep 3 to 7 neurons; corrected for the number of attributes, 2 do.",
        ),
    ],
)
def test_the_sentence_on_neurons_counts_the_attributes_that_keep_some(ps, said):
    rows = [
        row(question, "", "p", kept, p=p, n=9, key=key)
        for question in ("significant_neurons", "significant_neurons_of_all")
        for key, kept, p in zip(("valence", "control"), (3, 7), ps, strict=True)
    ]
    rows.append(row("significant_neurons", "", "p", 5, p=0.01, n=9, key="labels"))
    first, control = hypotheses.retested("H1", hypotheses.Answers(table(rows)))
    assert first == f"With the emotions permuted, and the largest tau of all neurons as the threshold, {said}"
    assert control == "A control, the RDM of labels (the prompts were trained on these labels), keeps 5."


@pytest.mark.parametrize(
    ("n", "p", "ci", "said"),
    [
        (
            14,
            1 / 15,
            (0.01, 0.2),
            "1 of 1 attribute masks (valence) lies below the 95 % prediction interval of 14 random masks.",
        ),
        (
            100,
            0.0495,
            (-0.01, 0.1),
            "1 of 1 attribute masks (valence) leaves less accuracy than random masks do "
            "(two-sided p < .05 by the place among 100 random masks).",
        ),
        (
            100,
            0.0594,
            (0.01, 0.1),
            "None of 1 attribute masks leave less accuracy than random masks do "
            "(two-sided p < .05 by the place among 100 random masks).",
        ),
    ],
)
def test_the_sentence_on_masks_names_the_test_that_decided(n, p, ci, said):
    decided_by = "p" if 1 / (n + 1) < 0.05 else "interval"
    rows = [row("place_among_random", "", decided_by, 0.05, ci, p, n, key="valence", k=10)]
    (sentence,) = hypotheses.retested("H2", hypotheses.Answers(table(rows)))
    assert sentence == said


def test_mask_sizes_without_a_correlation_are_left_out():
    rows = [
        row("human_correlation_of_size", "", "", r, key=str(k), k=k, n=4)
        for k, r in ((1000, 0.2), (2000, 0.4), (3000, np.nan))
    ]
    assert hypotheses.retested("H3", hypotheses.Answers(table(rows))) == (
        "Over 2 mask sizes, r is .20 to .40, and largest at 2,000 neurons.",
    )
    assert hypotheses.retested("H3", hypotheses.Answers(table(rows[1:]))) == ()


def test_the_correlation_is_said_with_its_variants():
    rows = [
        row("human_correlation_attributes", "", "interval", r, (low, 0.9), p, 14, key=key)
        for key, r, low, p in (
            ("", 0.5, -0.1, 0.06),
            ("random masks pooled", 0.6, 0.1, 0.02),
            ("without seed 1", 0.7, 0.2, 0.01),
        )
    ]  # fmt: skip
    sentence, one_sided = hypotheses.retested("H3", hypotheses.Answers(table(rows)))
    assert sentence == (
        "Treating attributes as the random factor, r is .50 [-.10, .90] "
        "(random masks pooled: .60 [.10, .90]; without seed 1: .70 [.20, .90])."
    )
    assert one_sided == 'A one-sided test at .05 would say "holds" instead of "inconclusive".'


@pytest.mark.parametrize(
    ("write", "value", "said"),
    [
        (prose.number, 0.4733, ".47"), (prose.number, -0.25, "-.25"), (prose.number, 1.0, "1.00"),
        (prose.points, -0.0001, "0.0"), (prose.points, 0.0288, "2.9"),
        (prose.probability, 0.0005, "p < .001"),
        (prose.probability, 0.053, "p = .053"), (prose.probability, 1.0, "p = 1.000"),
        (prose.span, [3.0, 3.0], "3"), (prose.span, [521, 12781], "521 to 12,781"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_in_psychology_journals(write, value, said):
    assert write(value) == said


def test_experiments_are_compared_with_their_baseline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("experiments", "results/live"):
        Path(folder).mkdir(parents=True)
    for name, base in (("small", None), ("other", "small")):
        text = {"question": f"{name}?", "settings": [{"key": "a.b", "value": 1}]} | (
            {"base": base} if base else {}
        )
        Path(f"experiments/{name}.yaml").write_text(json.dumps(text))

    def commit(message, settings, accuracy):
        Path("params.yaml").write_text(json.dumps(settings))
        Path("results/live/metrics.json").write_text(
            json.dumps({"mean_accuracy": accuracy, "drop": {"valence": 0.01}})
        )
        Path("results/live/claims.json").write_text(json.dumps({"count": {"PASS": 2}}))
        for words in (
            ["add", "."],
            ["-c", "user.name=x", "-c", "user.email=x@x.invalid", "commit", "-qm", message],
        ):
            subprocess.run(["git", *words], check=True)
        return subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()

    subprocess.run(["git", "init", "-q"], check=True)
    start = commit("start", {"a": {"b": 1}, "c": 1}, 0.7)
    for name, settings, accuracy in (
        ("small", {"a": {"b": 2}, "c": 1}, 0.71),
        ("other", {"a": {"b": 2}, "c": 3}, 0.72),
    ):
        reference = f"refs/exps/{start[:2]}/{start[2:]}/{name}"
        subprocess.run(["git", "update-ref", reference, commit(name, settings, accuracy)], check=True)
    subprocess.run(["git", "update-ref", "refs/exps/exec/EXEC_HEAD", start], check=True)
    small, other = machine.compared_experiments()
    assert (small["name"], small["against"], small["set"], small["mean_accuracy"]) == (
        "small",
        start[:7],
        {"a.b": 2},
        0.71,
    )
    assert (other["name"], other["against"], other["set"], other["question"]) == (
        "other",
        "small",
        {"c": 3},
        "other?",
    )
    assert other["held"] == 2 and other["drop"] == {"valence": 0.01} and other["human_correlation"] is None


def test_json_in_a_script_cannot_end_the_script():
    held = {"a": "</script><script>alert(1)</script><!--"}
    assert (
        "</script" not in script_json(held)
        and "<!--" not in script_json(held)
        and json.loads(script_json(held)) == held
    )


def test_packing_is_deterministic():
    assert packed(b"tau" * 100) == packed(b"tau" * 100) and len(packed(b"tau" * 1000)) < 100


def test_a_missing_result_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"results/published/claims\.json: not found; run `make"):
        content.made_from(["published"])


@needs_results
def test_the_summary_names_every_file_with_its_hash(monkeypatch):
    monkeypatch.chdir(ROOT)
    made_from = content.made_from(RUNS)
    assert (
        made_from["results/live/metrics.json"]
        == hashlib.sha256(Path("results/live/metrics.json").read_bytes()).hexdigest()
    )
    named = read_yaml("dvc.yaml")["stages"]["report"]["deps"]
    assert all(any(path == dep or path.startswith(f"{dep}/") for dep in named) for path in made_from)


def as_committed(run):
    """Return whether the results of a run are those of the commit; `live` differs between processors."""
    diff = ["git", "diff", "--quiet", "HEAD", "--", f"results/{run}/claims.json"]
    return subprocess.run(diff, cwd=ROOT, check=False).returncode == 0


@needs_results
@pytest.mark.parametrize("run", RUNS)
def test_the_methods_table_is_current(run, monkeypatch):
    if run != "published" and not as_committed(run):
        pytest.skip(f"the run {run} was measured again, so that docs/method.md shows another measurement")
    monkeypatch.chdir(ROOT)
    table = hypotheses.method_block(run, hypotheses.table(run, content.verdicts(RUNS)))
    assert table in Path("docs/method.md").read_text(), "docs/method.md is stale: run `make readme`"


@needs_published
def test_readmes_table_is_current(monkeypatch):
    monkeypatch.chdir(ROOT)
    judged = read(Path("results/published/claims.json"))
    block = hypotheses.readme_block(judged)
    assert block in Path("README.md").read_text(), "README.md is stale: run `make readme`"
    live = [replace(verdict, run="live", status="FAIL") for verdict in judged]
    assert hypotheses.readme_block(judged + live) == block  # it counts only claims on the study


def test_an_indented_line_of_a_template_continues_the_line_above():
    said = prose.fill("headline.j2", passed=3, published=4, measured=2, held=1)
    assert said.strip() == (
        "3 of 4 published values are regenerated. Of 2 claims on the model measured here, 1 is supported."
    )


@needs_published
def test_readme_quotes_the_last_line_of_make_published():
    quick_start = (ROOT / "README.md").read_text().split("## Quick start")[1].split("\n## ")[0]
    *_, last_line = summary(read(ROOT / "results/published/claims.json"))
    assert f"The last line must be `{last_line}`." in quick_start


# What a browser shows


@needs_results
@needs_browser
def test_it_loads_without_an_error_and_asks_for_nothing(page):
    assert page.complaints() == []
    assert {address.split(":")[0] for address in page.requests()} <= {"file", "blob", "data"}
    assert [address for address in page.requests() if address.startswith("file")] == [page.path.as_uri()]


@needs_results
@needs_browser
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


@needs_results
@needs_browser
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


@needs_results
@needs_browser
def test_a_bar_says_its_numbers_to_mouse_and_keyboard(page):
    row = (
        pd.read_csv(ROOT / "results/published/drop_by_attribute.csv")
        .query("k == 4000 and attribute == 'happy-face'")
        .iloc[0]
    )
    said = (
        f"happy-face: {100 * row['drop']:.1f} points [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]"
    )
    page.point(".sizes[data-run=published] g.bar[aria-label^='happy-face']")
    assert page.run("!at('tip').hidden && at('tip').textContent").startswith(said)
    page.key("Escape")
    assert page.run("at('tip').hidden")
    assert "], q < .001; 14 random masks: " in page.run("at('tip').textContent")
    page.run("document.querySelector('.slider input').focus()")
    page.key("Tab")
    assert page.run("!at('tip').hidden && at('tip').textContent").startswith(said)  # the largest is first


@needs_results
@needs_browser
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


@needs_results
@needs_browser
def test_the_keyboard_reaches_everything_and_sees_where_it_is(page):
    page.open(page.path)
    page.wait("document.querySelectorAll('#best td').length > 0")
    page.key("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to content"
    seen, style = [], "getComputedStyle(e)"
    focus = f"((e) => [e.tagName, parseFloat({style}.outlineWidth), {style}.outlineStyle])"
    for _ in range(110):
        page.key("Tab")
        seen.append(page.run(f"{focus}(document.activeElement)"))
    assert {"A", "g", "SELECT"} <= {tag for tag, *_ in seen}
    assert all(width >= 2 and style != "none" for _, width, style in seen), seen


@needs_results
@needs_browser
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


@needs_results
@needs_browser
def test_the_page_is_short_until_it_is_unfolded_and_the_navigation_stays_in_sight(page):
    page.open(page.path)
    page.wait("document.querySelectorAll('#best td').length > 0")
    assert page.run("document.documentElement.scrollHeight") < 8000
    page.run("scrollTo(0, 5000)")
    assert page.run("document.querySelector('nav').getBoundingClientRect().top") == 0


@needs_results
@needs_browser
def test_on_a_phone_no_table_is_wider_than_the_screen(page):
    page.open(page.path, 390)
    page.wait("document.querySelectorAll('#best td').length > 0")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    wide = "[...document.querySelectorAll('.wide')].filter((e) => e.scrollWidth > e.clientWidth)"
    try:
        assert page.run(f"{wide}.map((e) => e.getAttribute('aria-label'))") == []
        scale = "Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b)"
        size = f"(t) => parseFloat(getComputedStyle(t).fontSize) * {scale}"
        shown = "[...document.querySelectorAll('svg.chart text')].filter((t) => t.getScreenCTM())"
        assert page.run(f"Math.min(...{shown}.map({size}))") >= 12
    finally:
        page.open(page.path)
        page.wait("document.querySelectorAll('#best td').length > 0")


@needs_results
@needs_browser
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
    assert page.run("document.querySelectorAll('.sizes svg.drops').length") == len(RUNS)
    page.run("document.querySelectorAll('.figure')[0].querySelector('summary').click()")
    assert page.run("document.querySelector('.figure figcaption').checkVisibility()")  # and a figure enlarges
    page.open(page.path)
    page.wait("document.querySelectorAll('#best td').length > 0")


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


@needs_results
@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(page, scheme):
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    try:
        assert page.run(CONTRAST) == []
    finally:
        page.ask("Emulation.setEmulatedMedia", features=[])


@needs_results
@needs_browser
def test_it_prints(page):
    assert len(page.ask("Page.printToPDF", printBackground=True)["data"]) > 100_000


@needs_results
@needs_browser
def test_one_run_can_be_chosen_for_all_figures(page):
    """A figure that the chosen run lacks stays visible."""
    page.open(page.path)
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


@needs_results
def test_the_runs_are_compared_in_one_table(text):
    (table,) = re.findall(
        r'<table class="cards">\s*<thead><tr><th scope="col">measure.*?</table>', text, re.S
    )
    rows = re.findall(r'<tr class="hypothesis">.*?</tr>', table, re.S)
    assert len(rows) == 4
    found = cards.cards({run: hypotheses.table(run, content.verdicts(RUNS)) for run in RUNS})
    for line, card in zip(rows, found, strict=True):
        assert re.findall(r">([^<>]+)</span>", line) == [answer.verdict for answer in card.answers]


def test_no_two_questions_have_the_same_words():
    assert len(set(content.QUESTIONS.values())) == len(content.QUESTIONS)  # they name regions of the page


def label(page, name, run="published", chart="drops"):
    """What the bar of a name says in a chart of a run."""
    bars = f".sizes[data-run={run}] svg.{chart} g.bar"
    return page.run(f"document.querySelector(\"{bars}[aria-label^='{name}']\").getAttribute('aria-label')")


def points(value):
    return f"{100 * value:.1f}".replace("-", "−")


@needs_results
@needs_browser
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
    drawn = page.run("document.querySelectorAll('.sizes[data-run=published] svg.drops circle').length")
    assert drawn == 14 * len(random)
    assert page.run("document.querySelectorAll('.sizes[data-run=live] svg.drops circle').length") == 14 * 20


@needs_results
@needs_browser
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


@needs_results
@needs_browser
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


@needs_results
@needs_browser
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
