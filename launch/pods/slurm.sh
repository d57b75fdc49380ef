#!/usr/bin/env bash
# Meta-trains on GPU nodes under SLURM, one process a GPU.
#
# Needs: a virtual environment with `pip install 'jax[cuda12]' .` at ENVIRONMENT, and RUN, a folder that all nodes see.
# SLURM tells the processes about each other. A preempted job is queued again and goes on from its last checkpoint.
#
#   ENVIRONMENT=$HOME/env RUN=/scratch/$USER/run sbatch slurm.sh --preset paper --estimator pes
#
#SBATCH --job-name=metarule
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=48:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=metarule-%j.log
#SBATCH --signal=TERM@120
set -euo pipefail

: "${ENVIRONMENT:?a virtual environment with metarule}" "${RUN:?a folder that all nodes see}"
resume=()
if [[ -e "$RUN/configuration.json" ]]; then
    resume=(--resume)
fi

srun --kill-on-bad-exit=1 "$ENVIRONMENT/bin/metarule" pod-check --distributed
srun --kill-on-bad-exit=1 "$ENVIRONMENT/bin/metarule" train --distributed --run "$RUN" "${resume[@]}" "$@"
