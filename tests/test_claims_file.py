"""claims.yaml: what it states and covers, and its claims on the study's figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.claims import lines
from model_emotion.claims.comparisons import COMPARISONS
from model_emotion.claims.findings import READINGS
from model_emotion.claims.judging import departures, judge
from model_emotion.claims.schema import load_claims
from model_emotion.claims.verdicts import Verdict, tally
from model_emotion.params import Params

ROOT = Path(__file__).parents[1]
BAND = {"low": -1, "high": 1}


def test_each_live_claim_is_answered_by_one_row_of_the_retests():
    """Each selects one question and key of retests.csv, and has no published value."""
    live = [claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.run == "live"]
    rows = [
        {"question": question, "key": None}
        for question in ("accuracy_above_majority", "accuracy_order", "human_correlation_attributes")
    ]
    rows += [
        {"question": q, "key": key}
        for q in ("significant_neurons", "place_among_random")
        for key in study.ATTRIBUTES
    ]
    retests = "".join(path.read_text() for path in (ROOT / "model_emotion/retests").glob("*.py"))
    assert all(f'"{question}"' in retests for question in {row["question"] for row in rows})
    table, asked = pd.DataFrame(rows), set()
    for claim in live:
        (answer,) = table.query(claim.where).index
        asked.add(answer)
        assert (
            claim.id.startswith("L")
            and claim.comparison == "interval"
            and claim.published is None
            and claim.kind == "statistical"
        )
    assert len(asked) == len(live) == len(table) == 31


def test_the_projects_claims_are_valid_and_cover_every_published_result():
    stated = load_claims(ROOT / "claims.yaml")
    covered = {claim.id.split(".")[0] for claim in stated.claims} | {
        entry.id.split(".")[0] for entry in stated.unpublished
    }
    wanted = {"A": 5, "B": 2, "C": 2, "D": 5, "E": 11, "L": 5}
    assert covered == {
        f"{letter}{number}" for letter, last in wanted.items() for number in range(1, last + 1)
    } | {"F"}
    for claim in stated.claims:
        assert (
            claim.published is None
            or not isinstance(claim.published, str)
            or claim.comparison.startswith(("least", "most"))
        ), claim.id


def test_every_unpublished_result_names_a_test_that_exists():
    for entry in load_claims(ROOT / "claims.yaml").unpublished:
        file, test = entry.test.split("::")
        assert f"def {test}(" in (ROOT / file).read_text(), entry.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: [{id: X}]", "claims.0.claim Field required"),
        ("claims: [", "not YAML: while parsing"),
        ("claims: []\nclaims: []", "not YAML: .*duplicate key"),
    ],
)
def test_malformed_claims_are_reported_with_their_place(tmp_path, text, message):
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        load_claims(tmp_path / "claims.yaml")


@pytest.mark.parametrize(
    ("change", "setting", "spared"),
    [
        (lambda values: values["study"].update(seeds=[1, 3]), "study", "A1"),
        (lambda values: values["analysis"].update(drop_alpha=0.01), "drop_alpha", "E3.most"),
        (lambda values: values["analysis"].update(searchlight_alpha=0.05), "searchlight_alpha", "D1.ranks"),
        (lambda values: values["analysis"]["bootstrap"].update(samples=100), "bootstrap", "B1.mean"),
        (lambda values: values["own"].update(attributes="ratings.csv"), "attributes", "L1"),
        (lambda values: values["own"].update(texts="posts.parquet"), "texts", "A1"),
    ],
)
def test_a_changed_setting_makes_the_claims_that_suppose_it_not_applicable(change, setting, spared):
    values = read_yaml(ROOT / "params.yaml")
    assert departures(Params.model_validate(values)) == {}
    change(values)
    departed = departures(Params.model_validate(values))
    assert set(departed) == {setting}
    stated = load_claims(ROOT / "claims.yaml").claims
    touched = [claim for claim in stated if setting in claim.supposes]
    verdicts = [judge(claim, departed) for claim in touched]
    assert {verdict.status for verdict in verdicts} == {"NOT APPLICABLE"}
    assert tally(verdicts)["NOT APPLICABLE"] == len(verdicts)
    assert spared not in {claim.id for claim in touched}


def test_claims_name_the_settings_that_they_suppose():
    for claim in load_claims(ROOT / "claims.yaml").claims:
        assert (claim.run == "published" or claim.id == "L2") == ("study" in claim.supposes), (
            claim.id
        )  # L2 is set beside C1
        assert ("star" not in claim.id or claim.run == "human") or "drop_alpha" in claim.supposes, claim.id


def test_a_claim_can_repeat_only_an_independent_one(tmp_path):
    text = (ROOT / "claims.yaml").read_text()
    (tmp_path / "claims.yaml").write_text(text.replace("repeats: E4.drop", "repeats: E3.drop"))
    with pytest.raises(UserError, match="repeats: 'E3.drop' is not the id of an independent claim"):
        load_claims(tmp_path / "claims.yaml")


def test_every_reading_is_compared(committed_verdicts):
    """Each row of figure_readings.csv is compared by exactly one claim; claims give only their number."""
    compared = [Verdict(**entry) for entry in committed_verdicts["claims"]]
    if not any(verdict.cells for verdict in compared):
        pytest.skip("the verdicts were made before readings were counted: run `dvc repro verify`")
    assert sum(verdict.readings for verdict in compared) == len(pd.read_csv(READINGS))


@pytest.mark.parametrize(
    ("name", "file", "column", "step"),
    [
        ("A1.image", "human/attributes.csv", "valence", 0.02),
        ("A2.image", "human/loadings.csv", "control", 0.02),
        ("D3.image", "published/overlap.csv", "shared", 1),
    ],
)
def test_a_wrong_value_fails_the_claim_on_an_image(committed_verdicts, name, file, column, step):
    """One score or loading is moved by a few colours, or one count by one."""
    claim = next(claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id == name)
    table = pd.read_csv(ROOT / "results" / file)
    compare = COMPARISONS[claim.comparison]
    assert compare(claim, table).difference == 0
    row = table.index[table["k"] == 4000][0] if "k" in table else 3
    table.loc[row, column] += step
    assert compare(claim, table).difference == 1


def test_repeats_compare_the_same_numbers():
    """What E1, E3 and E5 show at N = 4000 is in E2, E4 and E6, to the resolution of the figures."""
    read = pd.read_csv(READINGS)
    keys = ["emotion", "attribute", "condition", "k", "quantity"]
    pairs = 0
    for one, all_sizes in (("E1", "E2"), ("E3", "E4"), ("E5", "E6")):
        both = read[read["result"] == one].merge(read[read["result"] == all_sizes], on=keys)
        assert len(both) == (read["result"] == one).sum()
        assert (
            (both["value_x"] - both["value_y"]).abs() <= both["resolution_x"] + both["resolution_y"]
        ).all()
        pairs += len(both)
    assert pairs == 27 * 9 + 27 * 4 + 14 * 4


def test_the_ends_of_e10s_lines_are_compared_where_the_study_draws_them():
    read = pd.read_csv(READINGS).query("result == 'E10'").set_index("quantity")["value"]
    columns = {claim.id: claim.column for claim in load_claims(ROOT / "claims.yaml").claims}
    for name, end in (("left", "start"), ("right", "end")):
        assert columns[f"E10.{name}"] == f"intercept + slope * {read[f'tau_line_{end}']}"


def test_the_line_of_the_example_remorse_equals_a_plain_least_squares_fit(tmp_path, monkeypatch):
    """Line and band against numpy's polyfit and its covariance; a wrong weight makes the claim fail."""
    monkeypatch.chdir(tmp_path)
    claim = next(claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id == "E10.band")
    rng = np.random.default_rng(0)
    drops, weights = rng.normal(size=14), rng.normal(size=14)
    table = pd.DataFrame({"emotion": "remorse", "k": 4000, "attribute": study.ATTRIBUTES, "drop": drops})
    (tmp_path / "results/human").mkdir(parents=True)
    frame = pd.DataFrame({"attribute": study.ATTRIBUTES, "tau_boot": weights})
    frame.to_csv("results/human/weights.csv", index=False)
    (slope, intercept), covariance = np.polyfit(drops, weights, 1, cov=True)
    rows = {"slope_tau_on_drop": slope, "intercept_tau_on_drop": intercept}
    for name, x in (("start", drops.min()), ("end", drops.max())):
        half = stats.t.ppf(0.975, 12) * np.sqrt(np.array([x, 1]) @ covariance @ [x, 1])
        rows |= {f"line_{name}_drop": x, f"line_{name}_tau": intercept + slope * x}
        rows |= {f"band_{name}_{end}": intercept + slope * x + sign * half for end, sign in BAND.items()}
    read = pd.DataFrame({"result": "E10", "emotion": "remorse", "quantity": list(rows)})
    read.assign(value=list(rows.values()), resolution=1e-9).to_csv("read.csv", index=False)
    monkeypatch.setattr("model_emotion.claims.findings.READINGS", tmp_path / "read.csv")
    exactly = claim.model_copy(update={"within": 1e-9})
    assert lines.weight_on_drop(exactly, table).difference == 0
    frame.assign(tau_boot=weights + 0.01 * drops**2).to_csv("results/human/weights.csv", index=False)
    assert lines.weight_on_drop(exactly, table).difference == 8  # only the two ends' drops are the same


def test_claims_on_the_correlations_fail_with_other_weights(committed_verdicts):
    """E9's claims tell the bootstrap means of the weights from the full-sample ones."""
    weights = pd.read_csv(ROOT / "results/human/weights.csv").set_index("attribute")
    cells = pd.read_csv(ROOT / "results/published/drop_by_cell.csv")
    claims = [claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id.startswith("E9.mean.")]
    passed = {}
    for column in ("tau_boot", "tau"):
        passed[column] = 0
        for claim in claims:
            k = int(claim.id.split(".")[-1])
            drops = cells[cells["k"] == k].pivot(index="attribute", columns="emotion", values="drop")
            r = np.tanh(np.arctanh(drops.corrwith(weights[column])).mean())
            passed[column] += abs(r - claim.published) <= claim.tolerance
    assert passed["tau_boot"] == 7 and passed["tau"] < 7
