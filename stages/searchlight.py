"""Stage searchlight: activations and attribute RDMs -> results/RUN/, searchlights and whole-model RSA"""

from model_emotion.base.files import read_csv, write_csv, write_parquet
from model_emotion.base.results import folder, read_activations
from model_emotion.masking import mask_plan
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.rsa import rdm
from model_emotion.rsa.searchlight import searchlight, significant_by_layer, space_rdms, table
from model_emotion.rsa.whole_model import model_rsa


def main() -> None:
    run = stage.run_option(__doc__)
    alpha, out = load_params().analysis.searchlight_alpha, folder(run)

    activations = read_activations(out / "activations.safetensors")
    ranking = activations.values[mask_plan.read(run).ranking_mask(activations.seeds)]
    attributes = rdm.select(read_csv(out / "attribute_rdms.csv"), activations.emotions)
    references, human = attributes, read_csv(out / "mean_rdm.csv")
    if len(human):  # people judged these emotions
        judged = rdm.select(human, activations.emotions).rename(columns={"distance": "human"})
        references = judged.join(attributes)

    for name, targets in (("searchlight", attributes), ("searchlight_spaces", space_rdms(attributes))):
        found = table(searchlight(ranking, targets.to_numpy()), targets.columns, activations.width, alpha)
        write_parquet(found, out / f"{name}.parquet")
        if name == "searchlight":
            write_csv(significant_by_layer(found), out / "significant_by_layer.csv")
    write_csv(model_rsa(activations.values, activations.layers, references), out / "model_rsa.csv")


if __name__ == "__main__":
    stage.run(main)
