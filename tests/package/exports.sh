#!/usr/bin/env bash
# Holds cmake/exports.map against the library and the public headers: the library shows what they declare and nothing else, no
# line is idle, and nothing of LLVM's gets out. Which names headers declare is GCC's to say; another compiler skips that part.
# usage: exports.sh SOURCE_ROOT BUILD_FOLDER CXX
set -euo pipefail
source=$1 build=$2 cxx=$3
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export LC_ALL=C
library=$build/libtenon.so list=$source/cmake/exports.map
failed=0
complain() { printf 'exports_test: %s\n' "$1" >&2; sort -u "$2" | c++filt | sed 's/^/  /' >&2; failed=1; }

nm -D --defined-only "$library" | awk '{print $3}' | sort -u >"$work/shown"
echo "$(wc -l <"$work/shown") symbols"
grep -vE '^(tenon_|_ZN[KOR]*5tenon|_ZT[IS]N5tenon)' "$work/shown" >"$work/foreign" || true
if [[ -s $work/foreign ]]; then complain 'these symbols are not Tenon'"'"'s:' "$work/foreign"; fi

# Every line lets something out.
sed -n '/global:/,/local:/s/^ *\([_a-zA-Z].*\);$/\1/p' "$list" >"$work/lines"
while read -r pattern; do
  found=0
  while read -r symbol; do
    # shellcheck disable=SC2053
    if [[ $symbol == $pattern ]]; then found=1; break; fi
  done <"$work/shown"
  if [[ $found == 0 ]]; then echo "$pattern"; fi
done <"$work/lines" >"$work/idle"
if [[ -s $work/idle ]]; then complain 'lines of cmake/exports.map that match nothing:' "$work/idle"; fi

if [[ $("$cxx" --version) != *'Free Software Foundation'* ]]; then echo 'not GCC: declarations were not compared'; exit $failed; fi
mkdir "$work/ada"
printf '#include <tenon/tenon.h>\n#include <tenon/runtime/tenon_runtime.h>\n#include <tenon/runtime/tenon_cuda.h>\n#include <tenon/runtime/tenon_ranks.h>\n' >"$work/all.cc"
(cd "$work/ada" && "$cxx" -std=c++20 -fsyntax-only -fdump-ada-spec -I "$build/public" "$work/all.cc")
# It names its files as headers are called, folders aside: of headers with one name the last stays. Each of those by itself:
find -L "$build/public" -name '*.h' | awk -F/ '{count[$NF]++; paths[$NF] = paths[$NF] $0 "\n"} END {for (n in count) if (count[n] > 1) printf "%s", paths[n]}' >"$work/namesakes"
while read -r header; do
  alone=$(mktemp -d -p "$work/ada")
  (cd "$alone" && "$cxx" -x c++ -std=c++20 -fsyntax-only -w -fdump-ada-spec-slim -I "$build/public" "$header")
done <"$work/namesakes"
# GCC writes neither constructors nor operators like += and conversions there.
unwritten='^_ZT[IS]N5tenon|^_ZN5tenon.*[CD][12]E|^_ZN5tenon(pL|mI|mL|dV)E|^_ZNK5tenon[^E]*cvN'
find "$work/ada" -name '*.ads' -exec cat {} + | grep -o 'External_Name => "[^"]*"' | cut -d'"' -f2 | grep -E '5tenon|^tenon_' | sort -u >"$work/declared"
[[ $(wc -l <"$work/declared") -gt 200 ]] || { echo 'exports_test: GCC names few declarations; the scan is broken' >&2; exit 1; }
grep -vE "$unwritten" "$work/shown" | comm -23 - "$work/declared" >"$work/inside"
if [[ -s $work/inside ]]; then complain 'shown, though no public header declares it (narrow its line in cmake/exports.map):' "$work/inside"; fi
nm --defined-only "$build"/libtenon_layer_*.a "$build"/libtenon_runtime.a 2>/dev/null | awk '$2 ~ /^[TDBR]$/ {print $3}' | sort -u \
  | comm -12 - "$work/declared" | comm -23 - "$work/shown" >"$work/hidden"
if [[ -s $work/hidden ]]; then
  complain 'declared by a public header and not shown (cmake/exports.map needs a line):' "$work/hidden"
  sed -E 's/^(_ZN[KOR]*)/  mangled: \1/' "$work/hidden" >&2
fi
# What templates of the headers call, once they are instantiated.
if ! "$cxx" -std=c++20 -I "$build/public" "$source/tests/headers/every_template.cc" -o "$work/every_template" -L "$build" -ltenon \
  2>"$work/link.log"; then
  grep -o 'undefined reference to .*' "$work/link.log" >"$work/hidden" || cp "$work/link.log" "$work/hidden"
  complain 'templates of public headers call what is not shown (cmake/exports.map needs a line):' "$work/hidden"
fi
# Constructors that headers leave to the library: of the classes that a public header defines.
nm --defined-only "$build"/libtenon_layer_*.a 2>/dev/null | awk '$2 == "T" {print $3}' | grep -E '^_ZN5tenon[0-9]+[A-Za-z0-9]+C[12]E' | sort -u \
  | comm -23 - "$work/shown" >"$work/constructors"
while read -r symbol; do
  name=$(sed -E 's/^_ZN5tenon[0-9]+([A-Za-z0-9]+)C[12]E.*/\1/' <<<"$symbol")
  if grep -RqE "^(class|struct) $name( final)?( :.*)? \{" "$build/public"; then echo "$symbol"; fi
done <"$work/constructors" >"$work/hidden"
if [[ -s $work/hidden ]]; then complain 'constructors of public classes that are not shown (cmake/exports.map needs a line):' "$work/hidden"; fi
exit $failed
