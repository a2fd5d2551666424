#!/usr/bin/env bash
# Training by many processes: the losses and the final parameters have the same bits on 1, 2, 4 and 8 ranks of mpirun, on as many simulated
# ones, with the optimizer's state in parts, and where a rank is killed and 2 ranks go on from the last checkpoint.
# usage: train.sh PROGRAM [STEPS [FOLDER]]: examples/distributed as it was built, 200 steps unless told, the data set; 77 and a line where
# something is missing
set -euo pipefail
program=$1 steps=${2:-200} data=${3:-/usr/share/datasets/fashion-mnist}
if [[ ! -e $data/train-images-idx3-ubyte.gz ]]; then echo "skipped: there is no data set in $data; apt install dataset-fashion-mnist"; exit 77; fi
if [[ ! -e $(dirname "$program")/libtenon_mpi.so ]]; then echo 'skipped: the plug-in for MPI is not built; apt install libopenmpi-dev openmpi-bin, then cmake -DTENON_MPI=ON'; exit 77; fi
if ! command -v mpirun >/dev/null; then echo 'skipped: there is no mpirun; apt install openmpi-bin'; exit 77; fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export TENON_THREADS=${TENON_THREADS:-1} # of a process; bits do not depend on it
launcher=(mpirun) recovery=()
if mpirun --version 2>&1 | grep -q 'Open MPI'; then launcher+=(--oversubscribe) recovery=(--enable-recovery); fi
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
expected='' failed=0

run() { # run NAME SECONDS COMMAND...: what it says stands in $work/said, its exit code in $status
  local name=$1 seconds=$2 begin=$SECONDS; shift 2
  status=0
  timeout -k 5 "$seconds" "$@" >"$work/said" 2>&1 || status=$?
  took=$((SECONDS - begin))
}
complain() { echo "train.sh: $*"; sed 's/^/  /' "$work/said"; failed=1; }
same() { # same NAME COMMAND...: the digest is everybody's
  local name=$1 line; shift
  run "$name" 600 "$@"
  line=$(grep -o 'loss .*, digest [0-9a-f]*$' "$work/said" | tail -1) || true
  if [[ $status != 0 || -z $line ]]; then complain "$name ended with $status"; return; fi
  grep -o 'step *[0-9]*  loss [^ ]*$' "$work/said" >"$work/losses" || true # mpirun's ranks draw the bar, too
  if [[ -z $expected ]]; then
    expected=$line
    cp "$work/losses" "$work/expected"
  elif [[ $line != "$expected" ]]; then
    complain "$name: $line, and not $expected"
    return
  elif [[ $name != *restart* ]] && ! cmp -s "$work/losses" "$work/expected"; then
    complain "$name prints other losses"
    return
  fi
  printf '%-44s %s  (%d s)\n' "$name" "$line" "$took"
}

same 'one process' "$program" --steps "$steps" "$data"
for n in 1 2 4 8; do same "$n ranks of mpirun" "${launcher[@]}" -n "$n" "$program" --steps "$steps" "$data"; done
for n in 2 4 8; do same "$n simulated ranks" "$program" --simulate "$n" --steps "$steps" "$data"; done
same '4 ranks of mpirun, state in parts' "${launcher[@]}" -n 4 "$program" --sharded --steps "$steps" "$data"
grep "optimizer's state takes" "$work/said" || true

# Rank 1 of 4 kills itself; the others say so and end; 2 ranks go on.
every=$(((steps + 3) / 4)) die=$((steps * 2 / 3))
for parts in '' --sharded; do
  checkpoint=(--checkpoint "$work/checkpoints$parts" --every "$every" --steps "$steps" ${parts:+"$parts"})
  run 'a killed rank' 600 "${launcher[@]}" ${recovery[@]+"${recovery[@]}"} -n 4 "$program" "${checkpoint[@]}" --die-at "$die" "$data"
  if ((${#recovery[@]})); then
    heard=$(grep -cE '^distributed: .*rank 1 has (died|ended)' "$work/said") || true
    if [[ $heard != 3 ]]; then complain "of 3 ranks that are left, $heard say that rank 1 has died"; fi
  fi
  if grep -q 'digest [0-9a-f]' "$work/said"; then complain 'a run with a killed rank came to an end'; fi
  same "restart on 2 ranks ${parts:-after a kill}" "${launcher[@]}" -n 2 "$program" "${checkpoint[@]}" --restore "$data"
  grep '^restored' "$work/said" || complain 'nothing was restored'
done
exit $failed
