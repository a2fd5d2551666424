#!/usr/bin/env bash
# Installs Tenon into a temporary prefix, builds and runs a user's project against it by find_package and by pkg-config, and
# checks what its header costs. Refuses to look at the source tree once the prefix exists.
# usage: run.sh SOURCE_ROOT BUILD_FOLDER CXX
set -euo pipefail
source=$1 build=$2 cxx=$3
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
fail() { printf 'package_test: %s\n' "$*" >&2; exit 1; }

cmake --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; fail 'cmake --install failed'; }
cp -r "$source/tests/package/consumer" "$work/consumer"
awk '/^```cpp/ {on = 1; next} /^```/ {if (on) exit} on' "$source/README.md" >"$work/consumer/readme.cc"

# What a user does.
cmake -G Ninja -S "$work/consumer" -B "$work/out" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Release \
  >"$work/configure.log" 2>&1 || { cat "$work/configure.log"; fail 'find_package(tenon) failed'; }
cmake --build "$work/out" >"$work/build.log" 2>&1 || { cat "$work/build.log"; fail 'the consumer does not build'; }
export XDG_CACHE_HOME=$work/cache
expected='tensor([3., 5.])'
printed=$("$work/out/consumer") || fail "the consumer failed and printed: $printed"
[[ $printed == "$expected" ]] || fail "the consumer printed '$printed', not '$expected'"
echo "consumer: $printed"

# The README's example: a least-squares fit of two points by three numbers, so the loss goes to zero.
printed=$("$work/out/readme") || fail "the README's example failed and printed: $printed"
awk -v line="$printed" 'BEGIN {gsub(/tensor\(|\)/, "", line); exit !(line ~ /^[0-9]/ && line + 0 < 0.001)}' ||
  fail "the README's example printed a loss of '$printed'"
echo "README: $printed"

# The shipped program: C, no compiler, no C++ library.
for program in shipped shipped_cpp; do
  printed=$("$work/out/$program") || fail "the shipped program failed and printed: $printed"
  [[ $printed == '3 5' ]] || fail "the shipped program printed '$printed', not '3 5'"
  if ldd "$work/out/$program" | grep libtenon; then fail 'the shipped program needs a library of Tenon'; fi
done
if ldd "$work/out/shipped" | grep -E 'libtenon|libLLVM|libstdc'; then fail 'the shipped program needs more than libc'; fi
echo "shipped: $printed"

# The same without CMake.
if command -v pkg-config >/dev/null; then
  PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name tenon.pc)")
  export PKG_CONFIG_PATH
  libraries=$(pkg-config --variable=libdir tenon)
  # shellcheck disable=SC2046
  "$cxx" -std=c++20 "$work/consumer/consumer.cc" $(pkg-config --cflags --libs tenon) "-Wl,-rpath,$libraries" -o "$work/plain" ||
    fail 'a program does not build with what pkg-config says'
  printed=$("$work/plain") || fail "the program built with pkg-config failed and printed: $printed"
  [[ $printed == "$expected" ]] || fail "the program built with pkg-config printed '$printed'"
  # shellcheck disable=SC2046
  cc "$work/consumer/shipped.c" "$work/out/line.tenon/line.o" -I "$work/out/line.tenon" $(pkg-config --cflags --libs tenon-runtime) \
    -o "$work/plain" || fail 'a shipped program does not build with what pkg-config says'
  [[ $("$work/plain") == '3 5' ]] || fail 'the shipped program built with pkg-config does not print 3 5'
  echo 'pkg-config: tenon, tenon-runtime'
fi

# What the header costs: its length after the preprocessor is the same on every machine, so that is what is held; the
# processor's time (the least of three) is told.
echo '#include <tenon/tenon.h>' >"$work/only.cc"
LC_ALL=C TIMEFORMAT='%U %S'
best=999999
for _ in 1 2 3; do
  { time "$cxx" -std=c++20 -fsyntax-only -I "$prefix/include" "$work/only.cc" 2>"$work/only.log"; } 2>"$work/only.time" ||
    { cat "$work/only.log"; fail '<tenon/tenon.h> does not compile alone'; }
  taken=$(awk '{printf "%d", 1000 * ($1 + $2)}' "$work/only.time")
  if ((taken < best)); then best=$taken; fi
done
lines=$("$cxx" -std=c++20 -E -P -I "$prefix/include" "$work/only.cc" | wc -l)
echo "#include <tenon/tenon.h>: $lines lines, $best ms"
((lines < 51000)) || fail "<tenon/tenon.h> brings $lines lines with it; 51,000 is the bound"
