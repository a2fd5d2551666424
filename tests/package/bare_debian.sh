#!/usr/bin/env bash
# Installs the .deb in a minimal Debian of its own, and builds and runs a user's project there by find_package and by pkg-config.
# The system is made once, in FOLDER, by debootstrap, from the package sources of this machine; needs root.
# usage: bare_debian.sh FOLDER DEB CONSUMER
set -euo pipefail
base=$1/base root=$1/root deb=$2 consumer=$3
if [[ $(id -u) != 0 ]] || ! command -v debootstrap >/dev/null; then
  echo 'the .deb was not tried in a bare Debian: that needs root and debootstrap'
  exit
fi
apt=/etc/apt
if [[ ! -e $base/.complete ]]; then
  rm -rf "$base" && mkdir -p "$base"
  sources=$(find $apt -path '*/sources.list*' -type f -exec cat {} +)
  mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb [^h]*\(http[^ ]*\).*/\1/p' <<<"$sources" | grep -m1 '/debian/\?$' || echo http://deb.debian.org/debian)
  # shellcheck disable=SC1091
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$base" "$mirror" >"$1/debootstrap.log" 2>&1 ||
    { tail -20 "$1/debootstrap.log"; exit 1; }
  # Its packages come from where this machine's do.
  rm -f "$base/etc/apt/sources.list"
  cp -r $apt/sources.list.d $apt/apt.conf.d "$base/etc/apt/"
  if [[ -e $apt/sources.list ]]; then cp $apt/sources.list "$base/etc/apt/"; fi
  cp -L /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
  touch "$base/.complete"
fi
rm -rf --one-file-system "$root" && cp -a "$base" "$root"
cp "$deb" "$root/tmp/tenon.deb" && cp -r "$consumer" "$root/tmp/consumer"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cat >"$root/tmp/try.sh" <<'TRY'
set -e
export DEBIAN_FRONTEND=noninteractive HOME=/tmp LC_ALL=C
apt-get update -q
apt-get install -y -q --no-install-recommends /tmp/tenon.deb
if ls /usr/lib/x86_64-linux-gnu/libLLVM* 2>/dev/null; then echo 'the .deb brought LLVM along'; exit 1; fi
apt-get install -y -q --no-install-recommends g++ cmake make pkg-config
cmake -S /tmp/consumer -B /tmp/out && cmake --build /tmp/out
[ "$(/tmp/out/consumer)" = 'tensor([3., 5.])' ] && [ "$(/tmp/out/shipped)" = '3 5' ]
g++ -std=c++20 /tmp/consumer/consumer.cc $(pkg-config --cflags --libs tenon) -o /tmp/plain && [ "$(/tmp/plain)" = 'tensor([3., 5.])' ]
TRY
# The mounts are this command's own and end with it.
unshare --mount bash -c "mount --rbind /dev '$root/dev' && mount -t proc proc '$root/proc' && exec chroot '$root' bash /tmp/try.sh" \
  >"$1/try.log" 2>&1 || { tail -30 "$1/try.log"; echo 'package: the .deb failed in a bare Debian' >&2; exit 1; }
echo 'the .deb in a bare Debian: installs, builds a project by find_package and pkg-config, and runs'
