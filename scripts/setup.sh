#!/usr/bin/env bash
# Two virtual environments from one lock: .venv (commands, trainer, MLflow, Envoy) and .venv-serving (MLServer, which
# pins older web packages); with PARTS=checks only what answering a pull request needs. TORCH=cpu|gpu chooses the build of PyTorch; by default the machine decides.
# With PARTS=airflow a third one beside them, from a lock of its own: .venv-airflow (Airflow, and the package that its DAGs call).
# Nothing is installed whose SHA-256 does not stand in requirements.lock (requirements-airflow.lock), or in requirements-cpu.lock for that build of PyTorch.
set -euo pipefail
cd "$(dirname "$0")/.."

export UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv}"

fail() { echo "setup: $*" >&2; exit 1; }

python="${PYTHON:-}"
for candidate in python3.11 python3; do
  [ -n "$python" ] || ! "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || python="$candidate"
done
[ -n "$python" ] || fail "Python 3.11 is not on PATH; install it, or name it with PYTHON=/path/to/python3.11"

parts="${PARTS:-all}"
lock=requirements.lock
[ "$parts" != airflow ] || lock=requirements-airflow.lock

said="$(mktemp)"
trap 'rm -f "$said"' EXIT

# What went wrong, in a line; anything else is what the installer said.
explain() {
  local name
  name="$(sed -n 's/.*Hash mismatch for `\([^`]*\)`.*/\1/p; s/^ *\([A-Za-z0-9_.-]*==[^ ]*\) from .*/\1/p' "$said" | head -1)"
  if grep -q 'Hash mismatch\|DO NOT MATCH THE HASHES' "$said"; then
    fail "${name:-a file} is not the file that $lock names: its SHA-256 differs; find out who changed it, then install from an index you trust"
  fi
  name="$(sed -n 's/.*no trusted hash was provided for: `\([^`]*\)`.*/\1/p' "$said" | head -1)"
  [ -z "$name" ] || fail "$name has no SHA-256 in $lock; run make lock, and look at what it changes"
  cat "$said" >&2
  fail "$1"
}

install() { .venv/bin/uv pip install --quiet --require-hashes --constraint "$lock" "$@" >"$said" 2>&1 || explain "cannot install; check the network and the index"; }

[ "$parts" = airflow ] || rm -f .venv/.ready .venv/.checks
.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv || fail "cannot make a virtual environment; on Debian: apt-get install python3-venv"
sed -n '/^uv==/,/[^\\]$/p' requirements.lock >.venv/uv.txt
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r .venv/uv.txt >"$said" 2>&1 || explain "pip cannot reach a package index; check the network and pip's configuration"
# The package itself is built by what the lock names, not by what a build fetches.
package() { .venv/bin/uv pip install --quiet --python "$1" --no-deps --no-build-isolation --editable . ; }
case "$parts" in
  checks)
    install --python .venv --group checks --group setup --requirements pyproject.toml
    package .venv
    touch .venv/.checks
    exit ;;
  airflow)
    [ -x .venv-airflow/bin/python ] || .venv/bin/uv venv --quiet --python "$python" .venv-airflow
    install --python .venv-airflow --group airflow-tests --group setup --requirements pyproject.toml
    package .venv-airflow
    touch .venv-airflow/.ready
    exit ;;
esac
[ -x .venv-serving/bin/python ] || .venv/bin/uv venv --quiet --python "$python" .venv-serving

wheels="${TORCH_WHEELS:-$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)}"
torch="${TORCH:-auto}"
if [ "$torch" = auto ]; then
  if [ -e /proc/driver/nvidia/version ]; then torch=gpu; else torch=cpu; fi
fi
case "$torch" in
  gpu) from=() ; build="the CUDA build of PyTorch (several GB)" ;;
  cpu)
    from=(--constraint requirements-cpu.lock)
    if compgen -G "$wheels/torch-*+cpu*.whl" >/dev/null; then
      from+=(--find-links "$wheels"); build="the CPU build of PyTorch from the configured folder of wheels"
    else
      from+=(--torch-backend cpu); build="the CPU build of PyTorch from its own index"
    fi ;;
  *) fail "TORCH=$torch must be auto, cpu or gpu" ;;
esac
echo "setup: installing $build; choose otherwise with TORCH=cpu, TORCH=gpu or TORCH_WHEELS=/folder" >&2

install --python .venv "${from[@]}" --group local --group trainer --group dev --group setup --requirements pyproject.toml
package .venv
install --python .venv-serving "${from[@]}" --group serving
touch .venv/.checks .venv/.ready
