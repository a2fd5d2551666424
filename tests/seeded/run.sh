#!/usr/bin/env bash
# Plants the bugs of bugs.txt one at a time in a copy of this checkout, builds, runs the tests, and says which were caught.
#   run.sh [--again | --check | --named] [NAME...]
# Without names a run that was cut off goes on; --again begins anew; --check only sees whether every bug can be planted;
# --named runs the tests that a bug names and no others.
# A bug is caught when a test fails, crashes or takes too long. One that does not compile, or whose text no longer stands in
# its file once, is an error of the table, and the run fails; so it does where less than nine of ten are caught. Refuses to
# touch anything but build-seeded/ of this checkout.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
source=$(dirname "$(dirname "$here")")
work=$source/build-seeded results=$source/build-seeded/results
tree=$work/tree folder=$work/tree/build  # as in a checkout, so that a compiler cache knows the objects
jobs=${JOBS:-$(nproc)}
seconds=${TENON_SEEDED_SECONDS:-300}  # for one test

say() { printf '%s\n' "$*" >&2; }
die() { printf 'seeded: %s\n' "$*" >&2; exit 1; }

declare -A says file tests old new
names=()
read_table() {
  local line name=''
  while IFS= read -r line || [[ -n $line ]]; do
    case $line in
      'bug '*) name=${line#bug }; names+=("$name"); old[$name]='' new[$name]='' ;;
      'says '*) says[$name]=${line#says } ;;
      'file '*) file[$name]=${line#file } ;;
      'tests '*) tests[$name]=${line#tests } ;;
      '- '*) old[$name]+=${line#- }$'\n' ;;
      '+' | '+ '*) line=${line#+}; new[$name]+=${line# }$'\n' ;;
      '' | '#'*) ;;
      *) die "bugs.txt: a line that is none of its kinds: $line" ;;
    esac
  done <"$here/bugs.txt"
}

plant() {  # plant NAME IN OUT: 1 when the text does not stand there exactly once
  OLD=${old[$1]} NEW=${new[$1]} perl -0777 -e '
    local $/; open my $in, "<", $ARGV[0] or die "$ARGV[0]: $!\n"; my $text = <$in>;
    (my $old = $ENV{OLD}) =~ s/\s+//g;
    my $pattern = join "\\s*", map { quotemeta } split //, $old;
    my $count = () = $text =~ /$pattern/g;
    exit 1 if $count != 1;
    $text =~ s/$pattern/$ENV{NEW}/;
    open my $out, ">", $ARGV[1] or die "$ARGV[1]: $!\n"; print $out $text;' "$2" "$3"
}

copy_tree() {  # what the checkout holds now; a file that is the same keeps its time
  mkdir -p "$tree"
  local path
  git -C "$source" ls-files --cached --others --exclude-standard | while IFS= read -r path; do
    [[ -f $source/$path ]] || continue
    cmp -s "$source/$path" "$tree/$path" && continue
    mkdir -p "$tree/$(dirname "$path")"
    cp -p "$source/$path" "$tree/$path"
    touch "$tree/$path"
  done
  (cd "$tree" && find . -type f -not -path './build/*' | sed 's|^\./||') | while IFS= read -r path; do
    [[ -f $source/$path ]] || rm -f "$tree/$path"
  done
}

build() { ninja -C "$folder" -j "$jobs" "$@" >"$work/build.log" 2>&1; }

run_one() {  # run_one TEST[:FILTER]
  local test=${1%%:*} filter='*'
  [[ $1 == *:* ]] && filter=${1#*:}
  rm -rf "$work/cache" && mkdir -p "$work/cache"
  (cd "$folder" && XDG_CACHE_HOME=$work/cache TENON_VERIFY=1 TENON_FUZZ_JOBS=$jobs timeout -k 10 "$seconds" \
    "./$test" --gtest_filter="$filter" --gtest_fail_fast) >"$work/test.log" 2>&1
}

report() {
  local name status by took caught=0 total=0 sound=1
  printf '\n%-44s %-10s %-28s %s\n' bug '' by seconds
  while IFS=$'\t' read -r name status by took; do
    printf '%-44s %-10s %-28s %s\n' "$name" "$status" "$by" "$took"
    total=$((total + 1))
    [[ $status == error ]] && sound=0
    [[ $status == caught ]] && caught=$((caught + 1))
    [[ $status == caught ]] || printf '    %s: %s\n' "${file[$name]:-?}" "${says[$name]:-?}"
  done <"$results"
  printf '%d / %d caught\n' "$caught" "$total"
  [[ $sound == 1 && $caught -ge $(((total * 9 + 9) / 10)) ]]
}

declare -A stale=()
check_table() {  # marks what cannot be planted
  local name bad=0
  for name in "${names[@]}"; do
    [[ -n ${says[$name]:-} && -n ${file[$name]:-} && -n ${tests[$name]:-} && -n ${old[$name]} ]] \
      || { say "$name: the record lacks a line"; bad=1; stale[$name]=1; continue; }
    [[ -f $source/${file[$name]} ]] && plant "$name" "$source/${file[$name]}" /dev/null \
      || { say "$name: its text does not stand exactly once in ${file[$name]}"; bad=1; stale[$name]=1; }
  done
  return $bad
}

read_table
fits=1
check_table || fits=0
if [[ ${1:-} == --check ]]; then say "$((${#names[@]} - ${#stale[@]})) of ${#names[@]} bugs can be planted"; [[ $fits == 1 ]]; exit; fi
chosen=("${names[@]}") resuming=1
named_only=0
if [[ ${1:-} == --named ]]; then named_only=1; shift; fi
case ${1:-} in
  --again) rm -f "$results" ;;
  '') ;;
  *)
    chosen=("$@") resuming=0
    for name in "${chosen[@]}"; do [[ -n ${file[$name]:-} ]] || die "no such bug: $name"; done
    ;;
esac
mkdir -p "$work" && touch "$results"
say 'copying the tree'
copy_tree
if [[ ! -e $folder/build.ninja ]]; then
  launcher=$(command -v ccache || true)
  cmake --preset dev -S "$tree" -B "$folder" ${LLVM_DIR:+"-DLLVM_DIR=$LLVM_DIR"} \
    "-DCMAKE_C_COMPILER_LAUNCHER=$launcher" "-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher" >"$work/configure.log" 2>&1 \
    || { cat "$work/configure.log" >&2; die 'configuring failed'; }
fi
needed=$(for name in "${chosen[@]}"; do for t in ${tests[$name]}; do echo "${t%%:*}"; done; done | sort -u)
all=$(cd "$tree/tests" && ls ./*_test.cc | sed 's|^\./||; s|\.cc$||')
say "building $(wc -w <<<"$needed") tests"
build $needed || { tail -30 "$work/build.log" >&2; die 'the tree itself does not build'; }
for t in $(for name in "${chosen[@]}"; do echo "${tests[$name]}"; done | tr ' ' '\n' | sort -u); do
  run_one "$t" || { tail -20 "$work/test.log" >&2; die "$t fails without a bug planted"; }
done

judge() {  # judge NAME: sets status and by
  local name=$1 t
  status=error by='does not apply'
  [[ -z ${stale[$name]:-} ]] || return 0
  plant "$name" "$source/${file[$name]}" "$tree/${file[$name]}"
  status=missed by=''
  local first=()
  for t in ${tests[$name]}; do first+=("${t%%:*}"); done
  if ! build "${first[@]}"; then
    status=error by='does not compile'
    tail -15 "$work/build.log" >&2
    return
  fi
  for t in ${tests[$name]}; do
    if ! run_one "$t"; then status=caught by=$t; return; fi
  done
  [[ $named_only == 0 ]] || return 0
  say "    its own tests pass; running the others"
  if ! build; then status=error by='does not compile'; return; fi
  for t in $all; do
    [[ " ${tests[$name]} " == *" $t "* || $t == size_test || $t == layering_test ]] && continue
    if ! run_one "$t"; then status=caught by="$t (not named)"; return; fi
  done
}

number=0
for name in "${chosen[@]}"; do
  number=$((number + 1))
  if [[ $resuming == 1 ]] && grep -q "^$name"$'\t' "$results"; then continue; fi
  began=$SECONDS
  judge "$name"
  cp -p "$source/${file[$name]}" "$tree/${file[$name]}" && touch "$tree/${file[$name]}"
  { grep -v "^$name"$'\t' "$results" || true; printf '%s\t%s\t%s\t%s\n' "$name" "$status" "$by" $((SECONDS - began)); } \
    >"$results.new" && mv "$results.new" "$results"
  say "$(printf '[%d/%d] %-44s %-8s %s (%d s)' "$number" "${#chosen[@]}" "$name" "$status" "$by" $((SECONDS - began)))"
done
report
