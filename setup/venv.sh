#!/usr/bin/env bash
# Create the virtual environment, with only pip and uv (checked by hash): setup/venv.sh FOLDER [PYTHON]
#
# Without PYTHON, the script uses python3 if the lock files support its version, or else the first installed
# of python3.11 to python3.14: 3.11 comes first, because the committed results were made with it. If none is
# installed but uv is, uv downloads one.
set -euo pipefail
venv=$1 named=${2:-}
tools=$(dirname "$0")/tools.lock
PATH=${PATH//"$venv/bin:"/} # use the machine's python3 and uv, not those of the environment to be replaced
clear=()
if [[ -e $venv/pyvenv.cfg ]]; then clear=(--clear); fi

serves() { # whether $1 is a Python that the lock files support and that can create environments
  "$1" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1
}

if [[ -n $named ]]; then
  serves "$named" || {
    echo "error: PYTHON=$named is not Python 3.11 to 3.14 with the modules venv and ensurepip" >&2
    exit 2
  }
  python=$named
else
  for each in python3 python3.11 python3.12 python3.13 python3.14; do
    if serves "$each"; then python=$each && break; fi
  done
fi

if [[ -n ${python:-} ]]; then
  echo "Installing the pinned packages into $(basename "$venv"), with $("$python" --version) ..."
  "$python" -m venv ${clear[@]+"${clear[@]}"} "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
    --require-hashes -r "$tools"
elif command -v uv >/dev/null; then
  echo "No Python 3.11 to 3.14 is installed: uv gets Python 3.13." \
    "Installing the pinned packages into $(basename "$venv") ..."
  uv venv --quiet ${clear[@]+"${clear[@]}"} --python 3.13 "$venv"
  uv pip install --quiet --python "$venv/bin/python" --no-deps --require-hashes -r "$tools"
else
  found=$(python3 --version 2>/dev/null) && found="python3 is ${found#Python }" || found="there is no python3"
  echo "error: Python 3.11 to 3.14 not found ($found). Install one (\`uv python install 3.13\`," \
    "\`apt install python3.13-venv\` or \`brew install python@3.13\`), then run make again" >&2
  exit 2
fi
