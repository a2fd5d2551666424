#!/usr/bin/env bash
# Configures Tenon as users do, by itself and as a part of another project, and reads the flags and targets that come out.
# Builds nothing: ship.sh does.
# usage: configure.sh SOURCE_ROOT CXX
set -euo pipefail
source=$1 cxx=$2
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
fail() { printf 'configure_test: %s\n' "$*" >&2; exit 1; }
configure() {  # configure FOLDER ARGUMENT...: what CMake says lies in FOLDER.log
  local folder=$1; shift
  cmake -B "$folder" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "$@" >"$folder.log" 2>&1
}
flags_of() { grep -m1 "\"command\".*$2" "$1/compile_commands.json" || fail "$2 is not compiled in $1"; }
optimised() { [[ $1 =~ \ -O[23]\  && $1 == *' -DNDEBUG '* && $1 != *' -Werror '* ]]; }

# By itself, with and without a word about the type of build.
for type in '' Release RelWithDebInfo; do
  configure "$work/plain$type" -S "$source" -G Ninja ${type:+"-DCMAKE_BUILD_TYPE=$type"} || { cat "$work/plain$type.log"; fail 'plain CMake failed'; }
  flags=$(flags_of "$work/plain$type" 'ir/graph/graph\.cc')
  optimised "$flags" || fail "a plain build (${type:-no type}) compiles with: $flags"
  [[ $flags == *' -fstack-protector-strong '* && $flags == *' -D_FORTIFY_SOURCE='* ]] || fail "not hardened: $flags"
done

# As a part of another project: the library alone, and not a flag for that project's own files.
for from in subdirectory fetch; do
  folder=$work/$from
  configure "$folder" -S "$source/tests/package/consumer" -G Ninja "-DTENON_FROM=$from" "-DTENON_TREE=$source" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_VISIBILITY_PRESET=hidden || { cat "$folder.log"; fail "$from failed"; }
  flags=$(flags_of "$folder" 'ir/graph/graph\.cc')
  optimised "$flags" || fail "$from: not optimised: $flags"
  [[ $flags != *-fvisibility=hidden* ]] || fail "$from: the project's choice would hide all of Tenon"
  flags=$(flags_of "$folder" consumer/consumer.cc)
  [[ $flags != *ffp-contract* && $flags != *-fstack-protector* && $flags != *-Wall* ]] || fail "$from: Tenon's flags leak: $flags"
  [[ $flags == */public* ]] || fail "$from: the consumer does not see the public headers: $flags"
  ninja -C "$folder" -t targets all >"$folder.targets"
  if grep -E '^(demo|bench|ops_test|math_exhaustive):' "$folder.targets"; then fail "$from: Tenon's own programs are built"; fi
  if grep -q tenon.h "$folder/_deps/tenon-build/cmake_install.cmake"; then fail "$from: Tenon is installed with the project"; fi
done

# What is missing or misspelt is named, with a way out.
if configure "$work/none" -S "$source" -G Ninja -DCMAKE_DISABLE_FIND_PACKAGE_LLVM=ON; then fail 'went on without LLVM'; fi
for way in 'apt install llvm-19-dev' 'dnf install llvm-devel'; do
  grep -q "$way" "$work/none.log" || { cat "$work/none.log"; fail "a missing LLVM is not answered by: $way"; }
done
if configure "$work/bare" -S "$source" -G Ninja -DTENON_ZLIB=OFF; then fail 'went on without zlib'; fi
grep -q 'apt install zlib1g-dev' "$work/bare.log" || { cat "$work/bare.log"; fail 'a missing zlib is not answered by what to install'; }
if configure "$work/odd" -S "$source" -G Ninja -DTENON_LLVM=some; then fail 'TENON_LLVM=some went through'; fi
grep -q "is 'shared' or 'static'" "$work/odd.log" || fail 'TENON_LLVM=some is not explained'

# Without MPI everything configures but where it is asked for, and says what would help.
mpi() {  # mpi NAME WORDS ARGUMENT...
  local name=$1 words=$2; shift 2
  configure "$work/$name" -S "$source" -G Ninja "$@" || { cat "$work/$name.log"; fail "configuring with $* failed"; }
  grep -q "$words" "$work/$name.log" || { cat "$work/$name.log"; fail "with $* nothing is said of MPI"; }
  grep -q 'apt install libopenmpi-dev' "$work/$name.log" || fail "with $* nothing is said of what helps"
  if ninja -C "$work/$name" -t targets all | grep -q '^tenon_mpi:'; then fail "with $* there is a plug-in"; fi
}
mpi off 'not built, for TENON_MPI is OFF' -DTENON_MPI=OFF
mpi without 'MPI: not found' -DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON
if configure "$work/on" -S "$source" -G Ninja -DTENON_MPI=ON -DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON; then fail 'TENON_MPI=ON went on without MPI'; fi
tr -s '[:space:]' ' ' <"$work/on.log" | grep 'apt install libopenmpi-dev' >/dev/null || fail 'a missing MPI is not answered by what to install'
echo 'plain builds, add_subdirectory, FetchContent: as they should be'
