#!/bin/sh
# Does everything work? Render, train, score: a minute, from a person's machine. Ends with a score, and 0.
#   MLFLOW_TRACKING_URI=https://... MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=... deploy/smoke.sh [FOLDER]
# FOLDER: where the images go (data/smoke), the shared one in a lab that has one. Run it in the project's folder.
set -eu
: "${MLFLOW_TRACKING_URI:?the address of the server}"
step() { name=$1; shift; python -m "entrypoints.$name" --study smoke "$@" > /dev/null; }
step render --dataset smoke --n_train 64 --n_heldout 40 --size 32 --categories apple,cup \
    --environments procedural:meadow --out "${1:-data/smoke}"
step train --task distance --dataset smoke --arch resnet18w8 --batches 20 --batch_size 8
exec python -m entrypoints.score --study smoke --models "task=distance,dataset=smoke" --benchmarks simulated_v1 \
    --layers avgpool
