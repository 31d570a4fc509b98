#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Build Tryton's own virtualenv:  setup.sh VENV_DIR [PYTHON]
# Does nothing when the virtualenv already holds this lock and this module.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: setup.sh VENV_DIR [PYTHON]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
venv=$1
python=${2:-python3}

wanted=$(cd "$here" && cat setup.sh serve.py bootstrap.py requirements.lock pyproject.toml LICENSE COPYING \
    trytond_tollbook/*.py trytond_tollbook/*.xml trytond_tollbook/tryton.cfg | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$venv/tollbook.stamp" 2>/dev/null || :)" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear "$venv"
fi
rm -f "$venv/tollbook.stamp"
# Wheels only: a source archive would run its own build, with a build backend no hash covers.
"$venv/bin/python" -m pip install --quiet --only-binary :all: --require-hashes -r "$here/requirements.lock"

# Built from a copy, so that the build leaves nothing in the source directory.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
(cd "$here" && cp -R pyproject.toml LICENSE COPYING trytond_tollbook "$copy")
"$venv/bin/python" -m pip install --quiet --no-index --no-deps --no-build-isolation --force-reinstall "$copy"

# What runs the server lies beside it, so that one path is enough to find both.
mkdir -p "$venv/tollbook"
cp "$here/serve.py" "$here/bootstrap.py" "$venv/tollbook/"

printf '%s\n' "$wanted" > "$venv/tollbook.stamp"
