#!/usr/bin/env bash
# The same 50 steps in Tenon and in PyTorch, in turns: losses beside each other, and the time of a step. Fails where a loss is more than
# 1e-4 apart. usage: compare.sh GPT PYTHON FOLDER [ROUNDS]
set -euo pipefail
# OpenBLAS as old as Debian's takes processors that it does not know for the least of their kind.
if [[ -z ${OPENBLAS_CORETYPE:-} ]] && grep -qw avx512bw /proc/cpuinfo; then export OPENBLAS_CORETYPE=SkylakeX; fi
gpt=$1 python=$2 folder=$3 rounds=${4:-2}
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
for ((round = 0; round < rounds; ++round)); do
  "$gpt" --compare "$folder"
  "$python" "$here/reference.py" "$folder" "$(nproc)"
done
