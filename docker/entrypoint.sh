#!/usr/bin/env bash
# What a container needs before any command: a home, a name, a checkout that can be written, a GPU where one was asked for.
set -euo pipefail

fail() { echo "error: $*" >&2; exit 2; }

# --user with a uid that the image does not know has neither a name nor a home.
export USER=${USER:-reader} LOGNAME=${LOGNAME:-reader}
if [[ ! -w ${HOME:-/} ]]; then
  HOME=$(mktemp -d) || fail "no folder to write to: with --read-only, add --tmpfs /tmp"
  export HOME
fi
export DVC_SITE_CACHE_DIR=${DVC_SITE_CACHE_DIR:-$HOME/.cache/dvc-site} MPLCONFIGDIR=${MPLCONFIGDIR:-$HOME/.config/matplotlib}

for folder in "$PWD" "$PWD"/.git "$PWD"/.dvc; do
  [[ ! -e $folder || -w $folder ]] ||
    fail "$folder can't be written by uid $(id -u): start with --user \"\$(id -u):\$(id -g)\" as the owner of the checkout"
done

if [[ -e requirements.lock ]] && ! cmp -s requirements.lock /opt/build/requirements.lock; then
  echo "warning: this checkout's requirements.lock is not the one that the image was built from: build the image again" >&2
fi

# Process numbers repeat from container to container: a lock that a killed one left would be taken for a living process's.
if [[ -e .dvc/tmp/rwlock ]]; then
  rm -f .dvc/tmp/rwlock
fi

# The driver's branch that each CUDA needs at least (NVIDIA, CUDA toolkit release notes).
declare -A needs=([12]=525 [13]=580)
if [[ ${MODEL_EMOTION_GPU:-} == required ]]; then
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -1) || driver=
  [[ $driver =~ ^[0-9]+ ]] ||
    fail "no GPU in this container: start it with --gpus all, on a machine with an NVIDIA driver and the NVIDIA container toolkit"
  branch=${BASH_REMATCH[0]}
  cuda=$(python -c 'import torch; print((torch.version.cuda or "").partition(".")[0])')
  [[ -n $cuda ]] || fail "this image holds torch's CPU build: a GPU is of no use to it; build it without WHEELS_IMAGE"
  ((branch >= ${needs[$cuda]:-0})) || fail "NVIDIA driver $driver is too old for CUDA $cuda: it takes ${needs[$cuda]} or newer"
  python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null ||
    fail "there is a GPU (driver $driver), but torch can't start CUDA $cuda on it"
fi

if [[ -e dvc.yaml ]]; then
  python -m model_emotion.project.environment
fi
exec "$@"
