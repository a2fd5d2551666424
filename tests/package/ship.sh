#!/usr/bin/env bash
# What is shipped, measured and tried: sizes, symbols, the header's time, a project that takes Tenon in by add_subdirectory and by
# FetchContent, the .tar.gz, and the .deb in a bare Debian. Long; ./dev package runs it behind a build.
# usage: ship.sh SOURCE_ROOT BUILD_FOLDER CXX
set -euo pipefail
source=$1 build=$2 cxx=$3
fail() { printf 'package: %s\n' "$*" >&2; exit 1; }
size() { awk -v n="$(stat -Lc %s "$1")" 'BEGIN {printf "%.2f MB", n / 1e6}'; }
tried=$build/tried
rm -rf "$tried" && mkdir -p "$tried"

cp "$(readlink -f "$build/libtenon.so")" "$tried/libtenon.so" && strip "$tried/libtenon.so"
echo "libtenon.so, LLVM inside, stripped: $(size "$tried/libtenon.so")"
[[ $(stat -c %s "$tried/libtenon.so") -lt 45000000 ]] || fail 'the library with LLVM inside is 45 MB or more'
echo "libtenon_runtime.a: $(size "$build/libtenon_runtime.a")"
if ldd "$tried/libtenon.so" | grep -E 'LLVM|libz|zstd'; then fail 'the library with LLVM inside needs more than the system'; fi
readelf -dW "$tried/libtenon.so" | grep BIND_NOW >/dev/null || fail 'not bound when it is loaded'
readelf -lW "$tried/libtenon.so" | grep GNU_RELRO >/dev/null || fail 'its tables stay writable'
nm -D "$tried/libtenon.so" | grep __stack_chk_fail >/dev/null || fail 'no stack protector'
"$source/tests/package/exports.sh" "$source" "$build" "$cxx"
"$source/tests/package/run.sh" "$source" "$build" "$cxx"

launcher=$(sed -n 's/^CMAKE_CXX_COMPILER_LAUNCHER:[A-Z]*=//p' "$build/CMakeCache.txt")
for from in subdirectory fetch; do
  cmake -G Ninja -S "$source/tests/package/consumer" -B "$tried/$from" "-DTENON_FROM=$from" "-DTENON_TREE=$source" -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_COMPILER_LAUNCHER=$launcher" "-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher" >"$tried/$from.log" 2>&1 &&
    ninja -C "$tried/$from" -j "${JOBS:-$(nproc)}" consumer shipped >>"$tried/$from.log" 2>&1 || { tail -30 "$tried/$from.log"; fail "$from failed"; }
  [[ $(XDG_CACHE_HOME=$tried/cache "$tried/$from/consumer") == 'tensor([3., 5.])' && $("$tried/$from/shipped") == '3 5' ]] || fail "$from: wrong results"
  echo "$from: builds and runs"
done

(cd "$build" && cpack >"$tried/cpack.log" 2>&1) || { cat "$tried/cpack.log"; fail 'cpack failed'; }
archive=$(ls "$build"/tenon-*.tar.gz) deb=$(ls "$build"/tenon_*.deb)
echo "$(basename "$archive"): $(size "$archive")"
echo "$(basename "$deb"): $(size "$deb"), needs $(dpkg-deb -f "$deb" Depends)"
mkdir "$tried/unpacked" && tar -C "$tried/unpacked" --strip-components=1 -xzf "$archive"
cmake -G Ninja -S "$source/tests/package/consumer" -B "$tried/archive" -DCMAKE_PREFIX_PATH="$tried/unpacked" -DCMAKE_CXX_COMPILER="$cxx" >"$tried/archive.log" 2>&1 &&
  ninja -C "$tried/archive" >>"$tried/archive.log" 2>&1 || { tail -30 "$tried/archive.log"; fail 'the archive cannot be used'; }
[[ $(XDG_CACHE_HOME=$tried/cache "$tried/archive/consumer") == 'tensor([3., 5.])' ]] || fail 'the archive: wrong results'
echo 'the archive, unpacked: builds and runs'
"$source/tests/package/bare_debian.sh" "$build/bare-debian" "$deb" "$source/tests/package/consumer"
