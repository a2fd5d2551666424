#!/usr/bin/env bash
# A training step of examples/distributed.cc by one process of two threads beside two processes of one thread each, by turns, and the same
# with what travels waited for at once: milliseconds, medians; then what explain() says of a step.
# usage: step.sh DISTRIBUTED [ROUNDS]
set -euo pipefail
program=$1
rounds=${2:-7}
few=100 many=600 # the difference leaves out starting and compiling
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

run() { # microseconds that a command takes
  local begin end
  begin=$(date +%s%N)
  "$@" >/dev/null
  end=$(date +%s%N)
  echo $(((end - begin) / 1000))
}
step() { # microseconds of a step
  local short long
  short=$(run "$@" --steps $few)
  long=$(run "$@" --steps $many)
  echo $(((long - short) / (many - few)))
}
median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }

names=('one process of 2 threads' 'two processes of 1 thread' 'two, the optimizer in parts' 'two, in parts, not overlapped')
commands=(
  "env TENON_THREADS=2 $program"
  "env TENON_THREADS=1 mpirun -n 2 $program"
  "env TENON_THREADS=1 mpirun -n 2 $program --sharded"
  "env TENON_THREADS=1 TENON_PASSES=-overlap mpirun -n 2 $program --sharded"
)
samples=('' '' '' '')
for ((round = 1; round <= rounds; round++)); do
  for k in "${!commands[@]}"; do
    read -ra command <<<"${commands[k]}"
    samples[k]+="$(step "${command[@]}")"$'\n'
  done
  printf 'round %d of %d\n' "$round" "$rounds" >&2
done
base=$(printf '%s' "${samples[0]}" | median)
for k in "${!names[@]}"; do
  own=$(printf '%s' "${samples[k]}" | median)
  printf '%-32s %6d us a step, %sx of one process\n' "${names[k]}" "$own" "$(ratio "$base" "$own")"
done
env TENON_THREADS=1 mpirun -n 2 "$program" --sharded --explain --steps 1 | sed -n '/^what ranks/,/^  in all/p'
