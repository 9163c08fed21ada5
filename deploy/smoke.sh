#!/bin/sh
# Does everything work? Render, train, score: a minute, from a person's machine. Ends with a score, and 0. Images and
# network are new ones each time (their seed is the time), so that an earlier run answers nothing.
#   MLFLOW_TRACKING_URI=https://... MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=... \
#   MLFLOW_EXPERIMENT_NAME=... deploy/smoke.sh [FOLDER]
# FOLDER: where the images go, in a folder of their own (data/smoke); the shared one in a lab that has one. Run it in the
# project's folder.
set -eu
: "${MLFLOW_TRACKING_URI:?the address of the server}" "${MLFLOW_EXPERIMENT_NAME:?the experiment that you may write to}"
export MLSPATIAL_PROGRESS=1
# files through the server: the store may be closed to this machine
export MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="${MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD:-false}"
seed=$(date +%s)
step() { name=$1; shift; python -m "entrypoints.$name" --study smoke "$@" > /dev/null; }
step render --dataset "smoke-$seed" --n_train 64 --n_heldout 40 --size 32 --categories apple,cup --seed "$seed" \
    --environments procedural:meadow --out "${1:-data/smoke}/$seed"
step train --task distance --dataset "smoke-$seed" --arch resnet18w8 --batches 20 --batch_size 8 --seed "$seed"
exec python -m entrypoints.score --study smoke --models "task=distance,dataset=smoke-$seed" --benchmarks simulated_v1 \
    --layers avgpool
