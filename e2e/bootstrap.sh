#!/usr/bin/env bash
# Makes the development environment from the lock file. Installs python3-venv where apt and root allow, else names it.
set -euo pipefail
python=$1
venv=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Pintle needs Python 3.11 or newer as '$python'; name another one with: make PYTHON=python3.12 ..." >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
  else
    echo "Python's venv module is missing; install it, for example: sudo apt-get install python3-venv" >&2
    exit 1
  fi
fi
echo "==> development environment in $venv (once, about a minute)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . 2>/dev/null ||
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -e .
