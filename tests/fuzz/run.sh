#!/usr/bin/env bash
# Builds the fuzzers of tests/fuzz with clang's libFuzzer and its sanitizers, and runs each for so long. What is found stays in the build
# folder's fuzz/FORMAT, as crash-*, and comes back by running fuzz/FORMAT/fuzzer FILE.
# usage: run.sh SECONDS [FORMAT...]     BUILD_FOLDER: where to build, default build
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(dirname "$(dirname "$here")")
seconds=${1:?usage: run.sh SECONDS [FORMAT...]}; shift
work=${BUILD_FOLDER:-$root/build}/fuzz
clang=$(command -v clang++-19 || command -v clang++ || true)
flags=(-std=c++20 -O1 -g '-fsanitize=fuzzer,address,undefined' -fno-sanitize-recover=all -ffp-contract=off -Wno-deprecated-declarations)
mkdir -p "$work/include" && ln -sfn "$root" "$work/include/tenon"
if [[ -z $clang ]] || ! echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
    "$clang" -x c++ "${flags[@]}" - -o "$work/probe" 2>/dev/null; then
  echo 'SKIPPED: clang has no libFuzzer; apt install clang-19 libclang-rt-19-dev'
  exit 77
fi
formats=("$@")
if [[ ${#formats[@]} == 0 ]]; then
  for source in "$here"/*.cc; do formats+=("$(basename "$source" .cc)"); done
fi
python3 "$here/seeds.py" "$work/seeds"
export ASAN_OPTIONS=allocator_may_return_null=0:detect_leaks=1

# Every source is compiled once, into an object that is newer than it and than the headers that it includes.
object() {  # object SOURCE: prints its object
  local out=$work/objects/${1//\//-}.o from
  from=$root/$1
  mkdir -p "$work/objects"
  if [[ -e $out && -e $out.d ]] && [[ -z $(tr -s ' \\\n' '\n' <"$out.d" | tail -n +2 | sed '/^$/d' | xargs -r -I{} find {} -newer "$out" 2>/dev/null) ]]; then
    echo "$out"
    return
  fi
  (cd "$work" && "$clang" "${flags[@]/fuzzer,/fuzzer-no-link,}" -I "$work/include" -MD -MF "$out.d" -c "$from" -o "$out") >&2
  echo "$out"
}
common=(ir/base/error.cc runtime/input_file.cc runtime/new_file.cc runtime/write.cc)
status=0
for format in "${formats[@]}"; do
  folder=$work/$format
  mkdir -p "$folder/corpus" "$work/seeds/$format"
  objects=()
  read -r -a sources <<<"$(sed -n 's|^// sources:||p' "$here/$format.cc" | tr '\n' ' ')"
  for source in "${sources[@]}"; do
    if [[ ! -e $root/$source ]]; then echo "$format: SKIPPED, $source is not in this tree"; continue 2; fi
  done
  for source in "tests/fuzz/$format.cc" "${sources[@]}" "${common[@]}"; do objects+=("$(object "$source")"); done
  "$clang" "${flags[@]}" "${objects[@]}" -lz -o "$folder/fuzzer"
  echo "$format: $seconds s"
  (cd "$folder" && ./fuzzer -max_total_time="$seconds" -timeout=2 -rss_limit_mb=1024 -malloc_limit_mb=1024 -max_len=65536 \
    -print_final_stats=1 corpus "$work/seeds/$format" >log 2>&1) || status=1
  grep -E '^stat::(number_of_executed_units|peak_rss_mb)|ERROR|SUMMARY|^Test unit' "$folder/log" | sed "s/^/  /"
  echo "  corpus: $(find "$folder/corpus" -type f | wc -l) files, coverage: $(grep -oE 'cov: [0-9]+' "$folder/log" | tail -1)"
done
exit $status
