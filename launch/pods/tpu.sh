#!/usr/bin/env bash
# Meta-trains on a Cloud TPU VM slice of any number of hosts.
#
# Needs: gcloud, logged in, with a project whose TPU quota covers the slice; a bucket in the slice's region that all
# hosts see as a folder (gcsfuse is installed below). Every host runs the same last line; the slice itself tells
# the processes about each other.
#
#   NAME=pod ZONE=us-central2-b TYPE=v4-32 BUCKET=my-bucket ./tpu.sh --preset paper --estimator pes
#
# A preempted slice: run it again with RESUME=1; what was saved is gone on with.
set -euo pipefail

: "${NAME:?a name for the slice}" "${ZONE:?its zone}" "${TYPE:?its type, such as v4-32}" "${BUCKET:?a bucket}"
version=${VERSION:-tpu-ubuntu2204-base}
resume=${RESUME:+--resume}
options=$(printf '%q ' "$@")

everywhere() {
    gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all --command="$1"
}

if ! gcloud compute tpus tpu-vm describe "$NAME" --zone="$ZONE" >/dev/null 2>&1; then
    gcloud compute tpus tpu-vm create "$NAME" --zone="$ZONE" --accelerator-type="$TYPE" --version="$version" --spot
fi

everywhere "
    set -e
    test -d ~/metarule || git clone --quiet '${SOURCE:?where the repository is}' ~/metarule
    test -d ~/env || python3 -m venv ~/env
    ~/env/bin/pip install --quiet 'jax[tpu]' ~/metarule
    command -v gcsfuse >/dev/null || { sudo apt-get update -qq && sudo apt-get install -qq gcsfuse; }
    mkdir -p ~/runs && { mountpoint -q ~/runs || gcsfuse --implicit-dirs '$BUCKET' ~/runs; }
"
everywhere "\$HOME/env/bin/metarule pod-check --distributed"
everywhere "\$HOME/env/bin/metarule train --distributed --run \$HOME/runs/$NAME $resume $options"
