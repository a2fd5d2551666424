#!/usr/bin/env bash
# The same 50 steps in Tenon and in PyTorch, in turns: losses beside each other, and the time of a step. Fails where a loss is more than
# 1e-4 apart. usage: compare.sh GPT PYTHON FOLDER [ROUNDS]
set -euo pipefail
gpt=$1 python=$2 folder=$3 rounds=${4:-2}
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
for ((round = 0; round < rounds; ++round)); do
  "$gpt" --compare "$folder"
  "$python" "$here/reference.py" "$folder" "$(nproc)"
done
