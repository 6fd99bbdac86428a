#!/usr/bin/env bash
# Builds camreel if it is not up to date, and runs it in the foreground until Ctrl-C.
#
# Usage: scripts/run.sh [camreel arguments]
#   scripts/run.sh                      config/camreel.toml, which serves ./recordings
#   scripts/run.sh /mnt/cameras         serves that folder
#   scripts/run.sh --help               all arguments
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=${CARGO_TARGET_DIR:-$root/target}/release/camreel

if command -v cargo >/dev/null; then
    cargo build --release --quiet --manifest-path "$root/Cargo.toml"
elif [[ ! -x $binary ]]; then
    echo "$binary is not built, and there is no cargo to build it with (https://rustup.rs)" >&2
    exit 1
fi

# What the configuration names is relative to the project; what the caller names, to where the caller stands.
if (($# == 0)); then
    cd "$root"
fi
exec "$binary" "$@"
