# What ./dev needs from Debian, and how it gets it. Sourced by ./dev; says what it installs, and why, before it does.
# Debian package, a file that shows it is there, and what it is for.
build_packages=(
  'g++            /usr/bin/g++                              the C++20 compiler'
  'cmake          /usr/bin/cmake                            configures the build'
  'ninja-build    /usr/bin/ninja                            runs the build'
  'ccache         /usr/bin/ccache                           makes rebuilds quick'
  'zlib1g-dev     /usr/include/zlib.h                       reads and writes what is compressed: .npz, .gz'
)
test_packages=(
  'libgtest-dev   /usr/include/gtest/gtest.h                the test framework'
  'libmpfr-dev    /usr/include/mpfr.h                       exact values to compare the math functions with'
  'qemu-user      /usr/bin/qemu-aarch64                     runs programs saved for AArch64'
  'gcc-aarch64-linux-gnu /usr/bin/aarch64-linux-gnu-gcc     links programs saved for AArch64'
  'libc6-dev-arm64-cross /usr/aarch64-linux-gnu/include/stdio.h the C library of AArch64'
)
mpi_packages=(
  "libopenmpi-dev /usr/include/$(uname -m)-linux-gnu/mpi    MPI, for the plug-in libtenon_mpi.so"
  'openmpi-bin    /usr/bin/mpirun                          starts the ranks'
)
demo_packages=('dataset-fashion-mnist /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz the training data')
text_packages=('fortunes /usr/share/games/fortunes/computers a text to learn from')
torch_packages=(
  'python3-torch  /usr/lib/python3/dist-packages/torch      PyTorch, to compare with'
  "libopenblas0-pthread /usr/lib/$(uname -m)-linux-gnu/openblas-pthread/libblas.so.3 its products of matrices, at their best"
)
onnx_packages=('libonnx-testdata /usr/share/libonnx-testdata/data models in ONNX, with their answers')
fuzzer_packages=('libclang-rt-19-dev /usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.fuzzer-x86_64.a the fuzzer')
bench_packages=('libbenchmark-dev /usr/include/benchmark/benchmark.h the benchmark framework')
format_packages=('clang-format-19 /usr/bin/clang-format-19 lays out the code')
clang_packages=('clang-19 /usr/bin/clang++-19 the second compiler')
llvm19_packages=('llvm-19-dev /usr/lib/llvm-19/lib/cmake/llvm/LLVMConfig.cmake the oldest LLVM that serves')
peer_packages=(
  'python3-venv   /usr/share/doc/python3-venv               keeps what the comparison needs apart'
  'python3-torch  /usr/lib/python3/dist-packages/torch      PyTorch, a peer'
  'python3-scipy  /usr/lib/python3/dist-packages/scipy      SciPy and NumPy, peers'
  "libopenblas0-pthread /usr/lib/$(uname -m)-linux-gnu/openblas-pthread/libblas.so.3 products of matrices for both, at their best"
)
package_packages=(
  'libzstd-dev    /usr/include/zstd.h                       what archives of LLVM refer to'
  'dpkg-dev       /usr/bin/dpkg-shlibdeps                   finds what a .deb depends on'
  'file           /usr/bin/file                             tells the packer what is a library'
  'pkg-config     /usr/bin/pkg-config                       one way of using what was installed'
  'debootstrap    /usr/sbin/debootstrap                     makes the Debian that the .deb is tried in'
)

newest_llvm() {  # the newest development files on this machine, empty when there are none
  local version
  for version in 22 21 20 19; do
    if [[ -e /usr/lib/llvm-$version/lib/cmake/llvm/LLVMConfig.cmake ]]; then echo "$version"; return; fi
  done
}

need() {  # need 'PACKAGE FILE PURPOSE'...: installs the packages whose file is missing
  local row package file purpose version missing=()
  for row in "$@"; do
    read -r package file purpose <<<"$row"
    if [[ ! -e $file ]]; then missing+=("$package|$purpose"); fi
  done
  if [[ " $* " == *' g++ '* && -z ${LLVM_DIR:-} && -z $(newest_llvm) ]]; then missing+=('llvm|code generation'); fi
  if [[ ${#missing[@]} == 0 ]]; then return; fi

  if ! command -v apt-get >/dev/null; then  # another system: its files may lie elsewhere, so let CMake decide
    say "no apt-get here; if the build fails, install the equivalents of: ${missing[*]%%|*}"
    return
  fi
  local root=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || die "needs these packages, and neither root nor sudo is at hand: ${missing[*]%%|*}"
    root=(sudo)
  fi
  say "reading the package lists"
  quietly "${root[@]}" apt-get update || say "apt-get update failed; going on with the lists that are here"
  local packages=()
  for row in "${missing[@]}"; do
    package=${row%%|*}
    if [[ $package == llvm ]]; then
      for version in 22 21 20 19; do
        if [[ $(apt-cache policy "llvm-$version-dev") == *'Candidate: '[0-9]* ]]; then package=llvm-$version-dev; break; fi
      done
      [[ $package != llvm ]] || die 'apt offers no llvm-19-dev or newer'
    fi
    packages+=("$package")
    say "needs $package: ${row#*|}"
  done
  local size
  size=$("${root[@]}" apt-get install --assume-no --no-install-recommends "${packages[@]}" 2>/dev/null | grep '^Need to get' || true)
  say "installing with apt: ${packages[*]}. ${size}"
  quietly "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}" \
    || die 'apt-get install failed'
}
