#!/usr/bin/env bash
# Build the image and test it: `make image-check`.
#
# The tests run offline and not as root, with a read-only mirror, on a checkout whose owner the image does
# not know (the caller's uid, or 4321 if the caller is root). Environment: DOCKER, IMAGE, MAKE,
# MODEL_EMOTION_MIRROR, and the variables of `make image`. Results are compared with the committed ones.
# Those of the run `live` can be the same only if they were committed from this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${DOCKER:=docker}" "${IMAGE:=model-emotion}" "${MAKE:=make}"
: "${MODEL_EMOTION_MIRROR:?must name a folder with the inputs}"
LIMIT=1600000000 # bytes, without torch's layer; 170 million of them are numba's compiler
owner=$(id -u)
((owner)) || owner=4321
work=$(mktemp -d)
name=model-emotion-check-$$
cleanup() {
  $DOCKER rm --force $name >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

ok() { printf '%s  ok: %s\n' "$(date +%T)" "$*"; }
bad() {
  printf '%s  BAD: %s\n' "$(date +%T)" "$*" >&2
  exit 1
}
mounted=( # options of `docker run` for the checkout in $work
  --network none --user $owner:$owner --volume "$work/clone:/model-emotion"
  --volume "$MODEL_EMOTION_MIRROR:/mirror:ro" --env MODEL_EMOTION_MIRROR=/mirror
)
in_clone() { $DOCKER run --rm "${mounted[@]}" "$IMAGE" "$@"; }
in_image() { # the image's own checkout, as its own user
  $DOCKER run --rm --network none --volume "$MODEL_EMOTION_MIRROR:/mirror:ro" \
    --env MODEL_EMOTION_MIRROR=/mirror "$@"
}
cells() { find "$work/clone/results/live/prompts" -name '*.safetensors' 2>/dev/null | wc -l; }
until_cells() { # wait for more than $1 trained prompts, or until the container ends
  until (($(cells) > $1)); do
    [[ $($DOCKER inspect --format '{{.State.Running}}' $name) == true ]] ||
      { $DOCKER logs --tail 5 $name; bad "the run ended before it was stopped"; }
    sleep 1
  done
}
refused() { # expected words, then the arguments of `docker run`
  local words=$1 said status=0
  shift
  said=$($DOCKER run --rm "$@" 2>&1) || status=$?
  ((status)) && [[ $(grep -c . <<<"$said") == 1 && $said == *"$words"* ]] ||
    bad "expected one line with '$words', got status $status: $said"
  ok "refused: $said"
}

$MAKE --no-print-directory image
total=$($DOCKER image inspect --format '{{.Size}}' "$IMAGE")
torch=$($DOCKER history --no-trunc --human=false --format '{{.Size}} {{.CreatedBy}}' "$IMAGE" |
  awk '/torch-\*\.whl/ {print $1}')
((total - torch < LIMIT)) || bad "$((total - torch)) bytes without torch's layer of $torch"
ok "$((total / 1000000)) MB, without torch's layer $(((total - torch) / 1000000)) MB"
in_image --entrypoint bash "$IMAGE" -c '! command -v gcc g++ cc clang &&
  ! dpkg-query --show --showformat "\${Package}\n" | grep -e "-dev$" && (($(id -u)))' ||
  bad "root, a compiler or a -dev package"
ok "no compiler, no -dev package, not root"

# An impossible request ends with one line, before any work.
git clone --quiet . "$work/clone"
refused "can't write to" --volume "$work/clone:/model-emotion:ro" "$IMAGE"
refused "no GPU in this container" --env MODEL_EMOTION_GPU=required "$IMAGE"
# A fake nvidia-smi and a fake torch stand in for drivers and builds that this machine lacks.
mkdir "$work/made-up"
printf '#!/bin/sh\necho $DRIVER\n' >"$work/made-up/nvidia-smi"
printf 'class version:\n    cuda = "13.0"\nclass cuda:\n    is_available = staticmethod(lambda: False)\n' \
  >"$work/made-up/torch.py"
chmod -R a+rX,u+w "$work" && chmod a+x "$work/made-up/nvidia-smi"
gpu=(--env MODEL_EMOTION_GPU=required --volume "$work/made-up/nvidia-smi:/usr/local/bin/nvidia-smi:ro")
fake=(--env PYTHONPATH=/made-up --volume "$work/made-up:/made-up:ro")
refused "too old" "${gpu[@]}" --env DRIVER=470.42.01 "${fake[@]}" "$IMAGE"
refused "can't start CUDA 13" "${gpu[@]}" --env DRIVER=580.65.06 "${fake[@]}" "$IMAGE"
if ! in_image --entrypoint python "$IMAGE" -c 'import sys, torch; sys.exit(torch.version.cuda is None)'; then
  refused "torch's CPU build" "${gpu[@]}" --env DRIVER=580.65.06 "$IMAGE"
fi
chown -R $owner:$owner "$work/clone"
said=$($DOCKER run --rm --network none --user $owner:$owner --volume "$work/clone:/model-emotion" \
  "$IMAGE" 2>&1) && bad "a run without inputs succeeded"
grep -q '^error: .*MODEL_EMOTION_MIRROR' <<<"$said" || bad "no error about the missing mirror: $said"
ok "refused: $(grep '^error: ' <<<"$said" | head -1)"

in_image "$IMAGE" make smoke | tail -1
ok "make smoke"
in_image "$IMAGE" make test >"$work/test.log" 2>&1 || { tail -30 "$work/test.log"; bad "make test"; }
ok "make test: $(tail -1 "$work/test.log")"

# Kill a run, stop the next one, and complete the third, whose root file system is read-only.
start() { $DOCKER run --detach --name $name "${mounted[@]}" "$@" "$IMAGE" >/dev/null; }
start
until_cells 0
$DOCKER kill $name >/dev/null && $DOCKER rm $name >/dev/null
ok "killed with $(cells) prompts done"
start
before=$(cells)
until_cells "$before"
begin=$(date +%s)
$DOCKER stop $name >/dev/null
took=$(($(date +%s) - begin))
status=$($DOCKER inspect --format '{{.State.ExitCode}}' $name)
$DOCKER logs --tail 3 $name
$DOCKER rm $name >/dev/null
((took < 10 && status != 137)) || bad "docker stop took $took s, status $status"
ok "stopped in $took s, status $status, with $(cells) prompts done"
$DOCKER run --rm "${mounted[@]}" --read-only --tmpfs /tmp "$IMAGE" >"$work/repro.log" 2>&1 ||
  { tail -30 "$work/repro.log"; bad "make repro"; }
ok "make repro: $(tail -1 "$work/repro.log")"
in_git=(git -C "$work/clone" -c safe.directory='*')
changed=$("${in_git[@]}" status --porcelain --untracked-files=no | grep -v /provenance/ || true)
[[ -z $changed ]] && ok "every byte as committed, except records" || echo "differs from the commit: $changed"
"${in_git[@]}" diff --quiet HEAD -- results/published paper_figures/published CLAIMS.md ||
  bad "the published run differs from the commit"
ok "the published run is the same, byte for byte"

"${in_git[@]}" checkout --quiet -- . && chown -R $owner:$owner "$work/clone"
in_clone dvc exp run --quiet --name stricter -S analysis.drop_alpha=0.01
in_clone dvc exp show --only-changed --md | grep -q stricter || bad "dvc exp show"
in_clone git checkout --quiet -- .
in_clone dvc exp diff HEAD stricter --md | grep -q drop_alpha || bad "dvc exp diff"
said=$(in_clone dvc plots diff HEAD stricter --out plots 2>&1)
[[ $said == *index.html* && $said != *failed* ]] || bad "dvc plots diff: $said"
ok "dvc exp run, exp show, exp diff and plots diff, on a checkout of uid $owner"
