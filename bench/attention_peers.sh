#!/bin/sh
# Attention here and in its peers (peers/attention_peers.py), which are installed into a place of their own first:
#     attention_peers.sh BUILD [OPTION...]       PYTHON=python3 names an interpreter that has them, in place of that
set -eu
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-}
[ -e "$build/python/libattn/__init__.py" ] || {
    echo "attention_peers.sh: $build/python holds no package: the build needs the headers of Python 3.11 or later" >&2
    exit 1
}
if [ -z "$python" ]; then
    venv=$build/peers
    [ -x "$venv/bin/python" ] || {
        echo "attention_peers.sh: installing PyTorch, ONNX Runtime and JAX in $venv, which may take long" >&2
        python3 -m venv "$venv"
    }
    install() {
        "$venv/bin/pip" install --quiet --retries 1 --disable-pip-version-check "$@"
    }
    # One by one: what cannot be installed is named by the bench, and does not keep the others away.
    for package in numpy onnx onnxruntime 'jax[cpu]'; do
        install "$package" || echo "attention_peers.sh: $package was not installed" >&2
    done
    # PyTorch for the CPU alone; where its index is out of reach the usual one's, which brings gigabytes for GPUs along.
    "$venv/bin/python" -c 'import torch' 2>/dev/null || install torch --index-url https://download.pytorch.org/whl/cpu ||
        install torch || echo 'attention_peers.sh: torch was not installed' >&2
    python=$venv/bin/python
fi
PYTHONPATH=$build/python exec "$python" "$here/peers/attention_peers.py" "$@"
