"""Verdicts as Markdown: CLAIMS.md, and the table of headlines in README.md."""

from model_emotion.claims.judging import run_of
from model_emotion.claims.verdicts import STATUSES, summary, tally

SECTIONS = {
    "A": "A. Human attributes",
    "B": "B. Human similarity judgements and the weights of the attributes",
    "C": "C. Inference accuracy without masks",
    "D": "D. Searchlight",
    "E": "E. Masking",
    "L": "L. The run live: a model measured here",
}
BEGIN, END = "<!-- claims: made by `make readme` -->", "<!-- end of claims -->"
HEADLINES = {
    "H1": "Attributes of human emotion concepts have their own neuron populations",
    "H2": "Masking an attribute's neurons hurts emotion inference more than masking as many random ones",
    "H3": "The damage follows the attribute's weight in the human concept space",
    "": "What these rest on: human ratings and judgements, unmasked accuracy",
}


def render(verdicts, unpublished):
    """CLAIMS.md as text: the summary, a table for each letter of the catalogue, and what was never published."""
    lines = [
        "# Claims", "",
        "Made by `verify` from `claims.yaml`; do not edit. Every published result beside the regenerated one.", "",
        f"**{summary(verdicts)}**", "",
    ]  # fmt: skip
    for section, title in SECTIONS.items():
        of_section = [verdict for verdict in verdicts if verdict.id.startswith(section)]
        if of_section:
            lines += [f"## {title}", "", *claim_table(of_section), ""]
    lines += [
        "## Not published",
        "",
        "The study released no value of these; a test holds them to an independent computation.",
        "",
    ]
    lines += ["| result | what | file | test |", "| --- | --- | --- | --- |"]
    lines += [f"| {entry.id} | {entry.what} | `{entry.file}` | `{entry.test}` |" for entry in unpublished]
    return "\n".join(lines) + "\n"


def headline_table(verdicts):
    """Markdown lines for README: how many of the study's claims hold, by headline; those on a model measured here are left out."""
    verdicts = [verdict for verdict in verdicts if run_of(verdict) == "published"]
    lines = [
        "| | the study's claim | claims checked | " + " | ".join(STATUSES[:3]) + " |",
        "| --- " * 6 + "|",
    ]
    for headline, sentence in HEADLINES.items():
        counts = tally([verdict for verdict in verdicts if verdict.headline == headline])
        cells = [headline, sentence, sum(counts.values()), *(counts[status] for status in STATUSES[:3])]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def readme_block(verdicts):
    """README's generated part, between its marks."""
    published = summary([verdict for verdict in verdicts if run_of(verdict) == "published"])
    return "\n".join([BEGIN, "```", published, "```", *headline_table(verdicts), END])


def claim_table(verdicts):
    """Markdown lines, a row a verdict."""
    lines = [
        "| id | claim | published | regenerated | within | verdict | where published | answered by |",
        "| --- " * 8 + "|",
    ]
    for v in verdicts:
        verdict = v.status + (f": {v.reason}" if v.reason else "")
        cells = (
            v.id,
            v.claim,
            _number(v.published),
            _regenerated(v),
            _number(v.tolerance),
            verdict,
            v.source,
            f"`{v.file}`",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(value):
    return (
        ""
        if value is None
        else f"{value:.4g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else value
    )


def _regenerated(verdict):
    if verdict.regenerated == "as released":
        return "the same" if verdict.difference == 0 else f"at most {verdict.difference:.1g} away"
    return _number(verdict.regenerated)
