#!/usr/bin/env bash
# Ranks under mpirun on this machine, more than it has cores: every collective has the bits of the simulated world, and a rank that fails,
# ends, is killed, hangs or does something else is named by all the others within 10 s, with nothing left running.
# usage: run.sh PROGRAM PLUGIN; 77 and a line where something is missing
set -euo pipefail
program=$1 plugin=${2:-}
if [[ -z $plugin || ! -e $plugin ]]; then echo 'skipped: the plug-in for MPI is not built; apt install libopenmpi-dev openmpi-bin, then cmake -DTENON_MPI=ON'; exit 77; fi
if ! command -v mpirun >/dev/null; then echo 'skipped: there is no mpirun; apt install openmpi-bin'; exit 77; fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
launcher=(mpirun) recovery='' # the option by which Open MPI's launcher goes on without the lost; MPICH's ends all at once
if mpirun --version 2>&1 | grep -q 'Open MPI'; then launcher+=(--oversubscribe) recovery=--enable-recovery; fi
mark="tenon-ranks-$$-$RANDOM" # an argument that only the ranks of this run have
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
failed=0
complain() { echo "mpi_test: $*"; sed 's/^/  /' "$work/said"; failed=1; }

left_running() { # nothing may be, a moment after mpirun has returned
  for _ in {1..30}; do
    if ! pgrep -f -- "$mark" >/dev/null; then return 1; fi
    sleep 0.1
  done
}

ranks() { # ranks SIZE MODE [OPTION...]: what they say stands in $work/said
  local size=$1 mode=$2; shift 2
  status=0
  timeout -k 2 60 "${launcher[@]}" "$@" -n "$size" "$program" "$plugin" "$mode" "$mark" >"$work/said" 2>&1 || status=$?
  if left_running; then
    complain "$size ranks, $mode: something is left running"
    pgrep -f -- "$mark" | xargs -r kill -9
  fi
}

# fault SIZE MODE WORDS [OPTION...]: every rank but the last says them, and none waits longer than 10 s.
fault() {
  local size=$1 mode=$2 words=$3 rank; shift 3
  ranks "$size" "$mode" "$@"
  for ((rank = 0; rank < size - 1; rank++)); do
    if ! grep -qE "^rank $rank after [0-9]\.[0-9] s: $words" "$work/said"; then
      complain "$size ranks, $mode $*: rank $rank does not say '$words'"
      return
    fi
  done
  # what goes on without the lost forgets how they ended; MPICH's does so at times in any case
  if [[ $status == 0 && -n $recovery && $* != *"$recovery"* ]]; then complain "$size ranks, $mode: mpirun ended with 0"; return; fi
  echo "$size ranks, $mode $*: as it should be"
}

for size in 1 2 3 4; do
  mode=check
  if [[ $size == 3 ]]; then mode=own; fi # the program begins and ends MPI itself
  ranks "$size" "$mode"
  if [[ $status != 0 ]] || ! grep -q "^$size ranks: .* as simulated" "$work/said"; then
    complain "$mode on $size ranks ended with $status"
  else
    grep "^$size ranks: " "$work/said"
  fi
done

for size in 2 3 4; do
  last=$((size - 1))
  for mode in kill kill-large; do
    ranks "$size" "$mode"
    if [[ -n $recovery ]]; then fault "$size" "$mode" "rank $last has (died|ended)" "$recovery"; fi
  done
  if [[ $size != 4 ]]; then
    fault "$size" fail-large "rank $last failed: threw: no more disk"
    fault "$size" exit "rank $last has ended, awaited in all_reduce"
    continue
  fi
  for large in '' -large; do
    fault "$size" "fail$large" "rank $last failed: threw: no more disk"
    fault "$size" "exit$large" "rank $last has ended, awaited in all_reduce"
    fault "$size" "exit3$large" "rank $last has ended with exit code 3"
    fault "$size" "shape$large" "the ranks do not do the same: .*rank $last all_reduce\(sum\) of 17 f32"
    fault "$size" "kind$large" 'the ranks do not do the same: .* broadcast of '
    fault "$size" "program$large" 'the ranks run different programs: '
    fault "$size" "group$large" 'ranks wait for each other: rank 2 waits for rank 3 in .* 4 ranks .*, rank 3 waits for rank 2 in .* 2 ranks '
  done
done
fault 3 hang 'rank 2 did not answer within 9 s in all_reduce'

# The same with the timeout of the environment, and without mpirun.
TENON_DIST_TIMEOUT=1 fault 2 hang-large 'rank 1 did not answer within 1 s in all_reduce'
status=0
env -i "$program" "$plugin" check "$mark" >"$work/said" 2>&1 || status=$?
if [[ $status != 3 ]] || ! grep -q 'was not started by mpirun' "$work/said"; then complain 'a process by itself is no world, and says so'; fi
exit $failed
