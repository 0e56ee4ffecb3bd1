#!/usr/bin/env bash
# Two virtual environments from one lock: .venv (commands, trainer, MLflow, Envoy) and .venv-serving (MLServer, which
# pins older web packages); with PARTS=checks only what answering a pull request needs. TORCH=cpu|gpu chooses the build of PyTorch; by default the machine decides.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
export UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv}"

fail() { echo "setup: $*" >&2; exit 1; }

python="${PYTHON:-}"
for candidate in python3.11 python3; do
  [ -n "$python" ] || ! "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || python="$candidate"
done
[ -n "$python" ] || fail "Python 3.11 is not on PATH; install it, or name it with PYTHON=/path/to/python3.11"

rm -f .venv/.ready
.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv || fail "cannot make a virtual environment; on Debian: apt-get install python3-venv"
.venv/bin/python -m pip install -qq --disable-pip-version-check "uv==$UV_VERSION" || fail "pip cannot reach a package index; check the network and pip's configuration"
if [ "${PARTS:-all}" = checks ]; then
  .venv/bin/uv pip install --quiet --python .venv --constraint requirements.lock --group checks --editable .
  exit
fi
[ -x .venv-serving/bin/python ] || .venv/bin/uv venv --quiet --python "$python" .venv-serving

wheels="${TORCH_WHEELS:-$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)}"
torch="${TORCH:-auto}"
if [ "$torch" = auto ]; then
  if [ -e /proc/driver/nvidia/version ]; then torch=gpu; else torch=cpu; fi
fi
case "$torch" in
  gpu) from=() ; said="the CUDA build of PyTorch (several GB)" ;;
  cpu)
    if compgen -G "$wheels/torch-*+cpu*.whl" >/dev/null; then
      from=(--find-links "$wheels"); said="the CPU build of PyTorch from the configured folder of wheels"
    else
      from=(--torch-backend cpu); said="the CPU build of PyTorch from its own index"
    fi ;;
  *) fail "TORCH=$torch must be auto, cpu or gpu" ;;
esac
echo "setup: installing $said; choose otherwise with TORCH=cpu, TORCH=gpu or TORCH_WHEELS=/folder" >&2

.venv/bin/uv pip install --quiet --python .venv --constraint requirements.lock "${from[@]}" --group local --group trainer --group dev --editable .
.venv/bin/uv pip install --quiet --python .venv-serving --constraint requirements.lock "${from[@]}" --group serving
touch .venv/.ready
