"""Compare the searchlight with other packages, and see how it scales: benchmarks/results/searchlight.json.

`python benchmarks/searchlight.py [--quick]` after `make repro`. The loops over scipy's kendalltau and base
R's cor.test give tau and p, rsatoolbox only tau. They run on a sample of neurons whose mean RDMs are given,
and are scaled up. Ours is shown for the same work, and for the whole: RDMs, tau, p, both q and ranks. Scaling
is measured for the whole, on random activations of 12 seeds in float32, with a separate process for each
size.
"""

import json
import shutil
import subprocess
import tempfile

import numpy as np
from scipy import stats
from side_by_side import (
    Method,
    compare,
    finished,
    missing,
    options,
    printed_alone,
    row,
    run_alone,
    timed,
    write,
)

from model_emotion.base.files import read_csv
from model_emotion.base.results import read_activations
from model_emotion.project.stage import peak_mib
from model_emotion.rsa import rdm
from model_emotion.rsa.kendall import correlate, pattern
from model_emotion.rsa.searchlight import mean_rdm, searchlight

SEEDS, BASE = 12, (10_000, 27, 14)  # neurons, emotions, attributes
GROWTH = {
    "neurons": [(1_000, 27, 14), BASE, (100_000, 27, 14), (1_000_000, 27, 14)],
    "attributes": [(10_000, 27, 1), BASE, (10_000, 27, 100)],
    "emotions": [BASE, (10_000, 50, 14), (10_000, 100, 14), (10_000, 200, 14)],
}
QUICK = {
    "neurons": [(1_000, 27, 14), (10_000, 27, 14)],
    "attributes": [(1_000, 27, 1), (1_000, 27, 100)],
    "emotions": [(256, 27, 14), (256, 50, 14)],
}


def study():
    """Return the study's activations [seeds, emotions, neurons] and attribute RDMs [pairs, attributes]."""
    found = read_activations("results/published/activations.safetensors")
    return found.values, rdm.select(read_csv("results/human/attribute_rdms.csv"), found.emotions).to_numpy()


def synthetic(neurons, emotions, attributes):
    """Return random activations [12, emotions, neurons] in float32, and RDMs [pairs, attributes]."""
    draw = np.random.default_rng(0)
    return draw.standard_normal((SEEDS, emotions, neurons), dtype=np.float32), draw.random(
        (emotions * (emotions - 1) // 2, attributes)
    )


def sampled(activations, count):
    """Return mean RDMs [count, pairs] of evenly spaced neurons, and how many times larger the whole is."""
    neurons = activations.shape[2]
    return mean_rdm(activations[:, :, np.linspace(0, neurons - 1, count).astype(int)]), neurons / count


def ours(own, rdms):
    """Compute tau and p of mean RDMs [neurons, pairs] and RDMs [pairs, attributes], like the loops below."""
    tau, z = correlate(lambda rows: own[rows], len(own), pattern(rdms))
    return tau, stats.norm.sf(z)


def scipys(own, rdms):
    """Loop over scipy's kendalltau."""
    for vector in own:
        for column in rdms.T:
            stats.kendalltau(vector, column, method="asymptotic", alternative="greater")


def base_rs(own, rdms):
    """Loop over base R's cor.test, including the start of R and reading the data."""
    script = """
      x <- as.matrix(read.csv("x.csv", header = FALSE)); y <- as.matrix(read.csv("y.csv", header = FALSE))
      for (i in seq_len(nrow(x))) for (j in seq_len(ncol(y)))
        cor.test(x[i, ], y[, j], method = "kendall", alternative = "greater", exact = FALSE)"""
    with tempfile.TemporaryDirectory() as folder:
        np.savetxt(f"{folder}/x.csv", own, delimiter=",")
        np.savetxt(f"{folder}/y.csv", rdms, delimiter=",")
        subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, check=True)


def rsatoolboxes(own, rdms):
    """Compare RDMs with rsatoolbox."""
    from rsatoolbox.rdm import RDMs, compare

    return compare(RDMs(own), RDMs(rdms.T), method="tau-b")


def methods_of(activations, rdms, quick):
    """Return the methods for these activations."""
    own, scale = sampled(activations, 20 if quick else 200)
    few, more = own[:: len(own) // 20], scale * len(own) / 20
    every, _ = sampled(activations, activations.shape[2])

    def sample(rows):
        return f"{len(rows)} neurons"

    return [
        Method("ours: tau and p of given RDMs", lambda: ours(every, rdms)),
        Method("ours, the whole: RDMs, q and ranks too", lambda: searchlight(activations, rdms)),
        Method("loop over scipy's kendalltau", lambda: scipys(own, rdms), scale=scale, sample=sample(own)),
        Method(
            "loop over base R's cor.test",
            lambda: base_rs(few, rdms),
            scale=more,
            sample=sample(few),
            elsewhere=True,
            missing="" if shutil.which("Rscript") else "R is not installed",
        ),
        Method(
            "rsatoolbox, Kendall's tau-b (no p)",
            lambda: rsatoolboxes(few, rdms),
            scale=more,
            sample=sample(few),
            missing=missing("rsatoolbox"),
        ),
    ]


def grown(name):
    """Print seconds and peak memory of one size in this process, for `--alone growth:N:E:A`."""
    size = [int(number) for number in name.split(":")[1:]]
    activations, rdms = synthetic(*size)
    seconds = [timed(lambda: searchlight(activations, rdms)) for _ in range(3)]
    print(json.dumps({"seconds": seconds, "memory (MiB)": peak_mib()}))


def growth(sizes, by, quick):
    """Return a table of ours and of the loop over scipy, by size."""
    rows = []
    for neurons, emotions, attributes in sizes:
        group = f"{neurons:,} neurons x {emotions} emotions x {attributes} attributes"
        found = json.loads(printed_alone(f"growth:{neurons}:{emotions}:{attributes}", quick))
        rows.append(row(Method("ours", None, group), found["seconds"], found["memory (MiB)"]))
        activations, rdms = synthetic(5, emotions, min(attributes, 14))
        own, _ = sampled(activations, 5)
        scale = neurons / 5 * attributes / rdms.shape[1]
        loop = Method(
            "loop over scipy's kendalltau",
            None,
            group,
            scale=scale,
            sample=f"5 neurons x {rdms.shape[1]} attributes",
        )
        rows.append(row(loop, [timed(lambda own=own, rdms=rdms: scipys(own, rdms)) for _ in range(3)]))
    note = "Random activations of 12 seeds. Memory is that of the process with its input."
    return {"title": f"Searchlight: growth with {by}", "note": note, "rows": finished(rows)}


def main():
    asked = options(__doc__)
    if asked.alone and asked.alone.startswith("growth:"):
        return grown(asked.alone)
    activations, rdms = study()
    methods = methods_of(activations, rdms, asked.quick)
    if asked.alone:
        return run_alone(methods, asked.alone)
    neurons, attributes = activations.shape[2], rdms.shape[1]
    title = f"Searchlight: {neurons:,} neurons x {attributes} attributes, {len(rdms)} pairs of emotions"
    note = "The study's activations. Ours uses all cores. The others use one, as they do by default."
    tables = [compare(title, note, methods, 1 if asked.quick else 5, asked)]
    del activations, methods
    tables += [growth(sizes, by, asked.quick) for by, sizes in (QUICK if asked.quick else GROWTH).items()]
    write("searchlight", asked, tables)


if __name__ == "__main__":
    main()
