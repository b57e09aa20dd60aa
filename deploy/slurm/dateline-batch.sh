#!/bin/bash
# Annotates an archive with an array of tasks, each with a GPU of its own:
#
#   INPUT='/data/archive/*.parquet' OUTPUT=/data/marked sbatch --array=0-7 deploy/slurm/dateline-batch.sh
#
# Each task does its share of the plan's shards (`--workers auto`); no task waits for another. Submit the same line again
# after whatever went wrong: what is done is not done again. The last to end writes OUTPUT/_SUCCESS.
# With SCHEDULER=HOST:PORT set, each task is an executor of `dateline-cluster` instead, for as long as the job lasts, and
# shards go to whoever is free (docs/cluster.md).
#SBATCH --job-name=dateline
#SBATCH --array=0-3
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=dateline-%A_%a.log
# TERM a minute before the time is up: what is under way is dropped, what is committed stays.
#SBATCH --signal=TERM@60
set -euo pipefail

: "${SLURM_ARRAY_TASK_ID:?is not set: start this with sbatch --array=0-N}"
# The folder of a model that all nodes see.
MODEL="${MODEL:-}"
DEVICE="${DEVICE:-cuda}"
model=()
if [[ -n "$MODEL" ]]; then model=(--model "$MODEL"); fi

# Slurm shows each task its own GPU alone, by CUDA_VISIBLE_DEVICES; `cuda` is the first of those.
echo "task $SLURM_ARRAY_TASK_ID on $(hostname), GPU ${CUDA_VISIBLE_DEVICES:-none}"

if [[ -n "${SCHEDULER:-}" ]]; then
    : "${MODEL:?name the model folder that the plan was made with}"
    # Several tasks may share a node: a port for each.
    exec srun dateline-cluster executor --scheduler "$SCHEDULER" --bind 0.0.0.0 --advertise "$(hostname -f)" \
        --port "$((51000 + SLURM_JOB_ID % 10000))" --device "$DEVICE" "${model[@]}"
fi

: "${INPUT:?name a file, a folder, a pattern or a URL}"
: "${OUTPUT:?name a folder that all nodes see, or a URL}"
exec srun dateline batch "$INPUT" --output "$OUTPUT" --workers auto --device "$DEVICE" --progress json "${model[@]}"
