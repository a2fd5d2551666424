#!/usr/bin/env bash
# A program that finds its kernels on disk starts without LLVM; one that does not loads it, and says what is missing where it cannot.
# usage: start.sh SOURCE_ROOT BUILD_FOLDER CXX
set -euo pipefail
source=$1 build=$2 cxx=$3
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
fail() { printf 'start_test: %s\n' "$*" >&2; exit 1; }
export XDG_CACHE_HOME=$work/cache
unset TENON_CACHE TENON_CACHE_DIR LD_LIBRARY_PATH

mkdir "$work/lib"
cp -P "$build"/libtenon.so* "$build/libtenon_llvm.so" "$work/lib"
"$cxx" -std=c++20 -O1 -I "$build/public" "$source/tests/package/start.cc" -L "$work/lib" -ltenon "-Wl,-rpath,$work/lib" -o "$work/start" ||
  fail 'the program does not build'
runs() {  # what it prints must be 'tensor([3., 5.])' and whether LLVM was loaded
  local printed
  printed=$("$work/start" 2>"$work/log") || { cat "$work/log"; fail "the program failed $2"; }
  [[ $printed == "tensor([3., 5.]) $1" ]] || fail "the program printed '$printed' $2"
}
refuses() {
  if "$work/start" >"$work/out" 2>"$work/log"; then fail "the program runs $2"; fi
  grep -q "$1" "$work/log" || { cat "$work/log"; fail "the program does not say '$1' $2"; }
}

runs loaded 'with an empty cache'
runs absent 'with its kernels in the cache'
runs absent 'once more'
touch "$work/lib/libtenon_llvm.so"
runs loaded 'after the plug-in has changed'
runs absent 'with the plug-in as it was remembered'
LD_LIBRARY_PATH=/nowhere runs loaded 'with another path of the loader'
TENON_CACHE=0 runs loaded 'without a cache'

mv "$work/lib/libtenon_llvm.so" "$work/away.so"
refuses 'libtenon_llvm.so: cannot open shared object file' 'without the plug-in'
refuses 'install libtenon_llvm.so beside libtenon.so' 'without the plug-in'
echo 'const void* tenon_llvm(const char* build) { return build == 0 ? "" : 0; }' >"$work/other.c"
cc -shared -fPIC "$work/other.c" -o "$work/lib/libtenon_llvm.so"
refuses 'is of another build of Tenon' 'with a plug-in of another build'
rm "$work/lib/libtenon_llvm.so"
mkdir "$work/elsewhere"; mv "$work/away.so" "$work/elsewhere/libtenon_llvm.so"
LD_LIBRARY_PATH=$work/elsewhere runs loaded 'with the plug-in where the loader looks'
echo 'start: without LLVM where the kernels are in the cache'
