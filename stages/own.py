"""own: what a run is asked about and compared with: the study's, or for `live` the files in data/own that params.yaml names

-> data/texts/RUN.parquet and results/RUN/{attributes, attribute_rdms, mean_rdm, weights, agreement}.csv. What there is not for a run's
emotions and texts is a table without rows.
"""

import argparse
import shutil
from pathlib import Path

from model_emotion import cli, own, rdm, study
from model_emotion.files import read_csv, replacing, write_csv, write_parquet
from model_emotion.params import did_you_mean, load_params
from model_emotion.run import MEASURED, folder

GOEMOTIONS, TEXTS = Path("data/goemotions.parquet"), Path("data/texts")
HUMAN = Path("results/human")
TABLES = ("attributes", "attribute_rdms", "mean_rdm", "weights", "agreement")


def copy(source, target):
    """A file's bytes under another name."""
    with replacing(target) as part:
        shutil.copyfile(source, part)


def own_tables(params):
    """The tables of ratings in data/own: {name: data frame}. Raises UserError where other parameters don't go with them."""
    file, bootstrap, shown = params.own.attributes, params.analysis.bootstrap, params.figures.attribute
    ratings = own.read_ratings(file, params.emotions)
    if params.masks.ranking == "spaces" and not any(set(names) <= set(ratings) for names in study.SPACES.values()):
        raise cli.UserError(f"params.yaml: masks.ranking: spaces, but {own.FOLDER / file} has not all attributes of one of the three")
    if shown not in {*ratings, *study.ATTRIBUTES}:
        raise cli.UserError(f"params.yaml: figures.attribute: '{shown}' is no column of {own.FOLDER / file}{did_you_mean(shown, ratings)}")
    scores = own.rescaled(ratings)
    tables = {
        "attributes": scores.loc[params.emotions].reset_index(),
        "attribute_rdms": rdm.pair_names(params.emotions).join(own.attribute_rdms(scores, params.emotions)),
    }
    if set(params.emotions) <= set(study.EMOTIONS):
        tables["weights"] = own.human_weights(scores, read_csv(HUMAN / "similarity.csv"), bootstrap.samples, bootstrap.seed)
    return tables


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    run, params = parser.parse_args().run, load_params()
    out, texts, tables = folder(run), None, {}

    if run == MEASURED:
        unjudged = [emotion for emotion in params.emotions if emotion not in study.EMOTIONS]
        if params.own.texts:
            texts = own.read_texts(params.own.texts, params.emotions, params.protocol.split)
            tables["agreement"] = read_csv(HUMAN / "agreement.csv").iloc[:0]  # it is of GoEmotions' raters
            print(f"{own.FOLDER / params.own.texts}: {', '.join(f'{n} {split}' for split, n in texts['split'].value_counts().items())}")
        if params.own.attributes:
            tables |= own_tables(params)
            print(f"{own.FOLDER / params.own.attributes}: {', '.join(tables['attributes'].columns[1:])}")
        elif unjudged:
            key = f"emotions[{params.emotions.index(unjudged[0])}]"
            raise cli.UserError(f"params.yaml: {key}: the study has no ratings of '{unjudged[0]}'; give some as own.attributes")
        if unjudged:
            tables |= {name: read_csv(HUMAN / f"{name}.csv").iloc[:0] for name in ("mean_rdm", "weights")}

    for name in TABLES:
        if name in tables:
            write_csv(tables[name], out / f"{name}.csv")
        else:
            copy(HUMAN / f"{name}.csv", out / f"{name}.csv")
    if texts is None:
        copy(GOEMOTIONS, TEXTS / f"{run}.parquet")
    else:
        write_parquet(texts, TEXTS / f"{run}.parquet")


if __name__ == "__main__":
    cli.run(main)
