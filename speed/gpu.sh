#!/bin/sh
# The first ten minutes on a GPU: see speed/gpu.py. Lines are added to speed/results/gpu.jsonl unless --out says otherwise.
#   speed/gpu.sh                       on the GPU that torch sees
#   speed/gpu.sh --device cpu --tiny   that all of it runs, in a minute
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
[ -x "$python" ] || python=python3
case " $* " in *" --out "*|*" --tiny "*) ;; *) set -- "$@" --out speed/results/gpu.jsonl ;; esac
exec timeout 600 "$python" -m speed.gpu "$@"
