#!/usr/bin/env bash
# The voice detector from end to end: the model of the PyPI package silero-vad (or the file that is the first argument), streamed by a
# jitted function, by a C program with the object that it saved, and by ONNX Runtime, compared. Needs a built tree; its folder of
# downloads and results is BUILD/vad-run. usage: examples/vad/run.sh [MODEL.onnx], BUILD being build/ unless set.
set -euo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$source/build}
folder=$build/vad-run
mkdir -p "$folder"

if [[ ! -x $folder/venv/bin/python ]] || ! "$folder/venv/bin/python" -c 'import onnxruntime, numpy' 2>/dev/null; then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet numpy onnxruntime
fi
model=${1:-}
if [[ -z $model ]]; then
  "$source/examples/text/fetch.sh" model silero-vad 6.2.3 7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8 11 "$build/models"
  model=$build/models/silero-vad/silero_vad/data/silero_vad.onnx
fi
"$build/vad" "$model" "$folder"
cc -O2 -I"$build/include" -I"$folder" "$source/examples/vad/stream.c" "$folder/silero_vad.o" "$build/libtenon_runtime.a" \
  -lpthread -lm -o "$folder/stream"
"$folder/stream" "$folder/vad.wav" "$folder/vad.c.txt"
"$folder/venv/bin/python" "$source/examples/vad/reference.py" "$model" "$folder/vad.wav" "$folder/vad.tenon.txt" "$folder/vad.c.txt"
