#!/usr/bin/env bash
# Prepare a container before any command: a user name, a home folder, a writable checkout, and a GPU if
# required.
set -euo pipefail

fail() { echo "error: $*" >&2; exit 2; }

# `docker run --user` with a uid unknown to the image leaves the user without a name and a home folder.
export USER=${USER:-reader} LOGNAME=${LOGNAME:-reader}
if [[ ! -w ${HOME:-/} ]]; then
  HOME=$(mktemp -d) || fail "no writable folder: with --read-only, add --tmpfs /tmp"
  export HOME
fi
export DVC_SITE_CACHE_DIR=${DVC_SITE_CACHE_DIR:-$HOME/.cache/dvc-site}
export MPLCONFIGDIR=${MPLCONFIGDIR:-$HOME/.config/matplotlib}

for folder in "$PWD" "$PWD"/.git "$PWD"/.dvc; do
  [[ ! -e $folder || -w $folder ]] ||
    fail "uid $(id -u) can't write to $folder: start the container as the owner of the checkout, with" \
      '--user "$(id -u):$(id -g)" (rootless podman also needs --userns=keep-id, rootless Docker --user 0:0;' \
      'with SELinux, add :z to the volume)'
done
if [[ -f .git ]] && ! git rev-parse --git-dir >/dev/null 2>&1; then # a git worktree or submodule
  fail "the container does not have $(sed 's/^gitdir: //' .git), which .git names: start it with" \
    "\`make docker-shell\`, which mounts that folder too"
fi

if [[ -e requirements.lock ]] && ! cmp -s requirements.lock /opt/build/requirements.lock; then
  echo "warning: requirements.lock has changed since the image was built: rebuild the image" >&2
fi

# Containers reuse process numbers: DVC would take the lock of a killed container for that of a running
# process.
if [[ -e .dvc/tmp/rwlock ]]; then
  rm -f .dvc/tmp/rwlock
fi

# The oldest driver branch that each version of CUDA supports (NVIDIA, CUDA toolkit release notes).
declare -A needs=([12]=525 [13]=580)
if [[ ${MODEL_EMOTION_GPU:-} == required ]]; then
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -1) || driver=
  [[ $driver =~ ^[0-9]+ ]] ||
    fail "no GPU in this container: start it with --gpus all, on a machine with an NVIDIA driver and" \
      "the NVIDIA container toolkit"
  branch=${BASH_REMATCH[0]}
  cuda=$(python -c 'import torch; print((torch.version.cuda or "").partition(".")[0])')
  [[ -n $cuda ]] || fail "this image has torch's CPU build and can't use a GPU: build it without WHEELS_IMAGE"
  ((branch >= ${needs[$cuda]:-0})) ||
    fail "NVIDIA driver $driver is too old for CUDA $cuda: install ${needs[$cuda]} or newer"
  python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null ||
    fail "torch can't start CUDA $cuda on the GPU (driver $driver)"
fi

if [[ -e dvc.yaml ]]; then
  [[ -e .git ]] || python -m model_emotion.project.checkout
  python -m model_emotion.project.environment
fi
exec "$@"
