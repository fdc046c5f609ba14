#!/usr/bin/env bash
# Run a command in the image, on this checkout: docker/run.sh [OPTION OF `docker run`]... -- COMMAND...
#
# Environment: DOCKER, IMAGE, and MODEL_EMOTION_MIRROR: a folder or a URL.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${DOCKER:=docker}" "${IMAGE:=model-emotion}"
options=(--rm --user "$(id -u):$(id -g)" --volume "$PWD:/model-emotion")
if [[ -t 0 ]]; then options+=(-it); fi

# A git worktree or submodule keeps its history in another folder, which .git names. The container sees both
# folders under their own names, so that git finds each from the other.
if [[ -f .git ]]; then
  history=$(git rev-parse --git-common-dir)
  history=$(cd "$history" && pwd)
  options+=(--volume "$PWD:$PWD" --volume "$history:$history" --workdir "$PWD")
fi

case ${MODEL_EMOTION_MIRROR:-} in
'') ;;
http://* | https://*) options+=(--env "MODEL_EMOTION_MIRROR=$MODEL_EMOTION_MIRROR") ;;
*)
  mirror=$(cd "$MODEL_EMOTION_MIRROR" 2>/dev/null && pwd) || {
    echo "error: MODEL_EMOTION_MIRROR=$MODEL_EMOTION_MIRROR is neither a folder nor an http(s) URL" >&2
    exit 2
  }
  options+=(--volume "$mirror:/mirror:ro" --env MODEL_EMOTION_MIRROR=/mirror)
  ;;
esac

while (($#)) && [[ $1 != -- ]]; do
  options+=("$1")
  shift
done
exec $DOCKER run "${options[@]}" "$IMAGE" "${@:2}"
