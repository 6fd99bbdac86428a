#!/usr/bin/env bash
# The test command: installs what the tests need and is missing, then runs everything that must pass.
#
# Usage: scripts/test.sh
# Needs: Rust with cargo (https://rustup.rs), on Debian 12 or a relative of it. Packages are installed with apt-get, by
# root or with sudo; elsewhere, install the same programs by hand.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

step='start'
trap 'if (($? != 0)); then printf "\nscripts/test.sh: FAILED at: %s\n" "$step"; fi' EXIT

run() {
    step="$*"
    printf '\n== %s\n' "$step"
    "$@"
}

# The packages of the programs and GStreamer elements that are missing.
missing_packages() {
    local program element package
    while read -r program package; do
        command -v "$program" >/dev/null || echo "$package"
    done <<'END'
cc build-essential
ffmpeg ffmpeg
ffprobe ffmpeg
shellcheck shellcheck
gst-launch-1.0 gstreamer1.0-tools
END
    while read -r element package; do
        gst-inspect-1.0 --exists "$element" 2>/dev/null || echo "$package"
    done <<'END'
audioconvert gstreamer1.0-plugins-base
rtspsrc gstreamer1.0-plugins-good
rtph265depay gstreamer1.0-plugins-good
mulawdec gstreamer1.0-plugins-good
checksumsink gstreamer1.0-plugins-bad
h265parse gstreamer1.0-plugins-bad
avdec_h265 gstreamer1.0-libav
END
}

install_packages() {
    local -a packages as_root=()
    mapfile -t packages < <(missing_packages | sort -u)
    if ((${#packages[@]} == 0)); then return; fi
    if ! command -v apt-get >/dev/null; then
        echo "missing, and there is no apt-get to install it with: ${packages[*]}" >&2
        return 1
    fi
    if ((EUID != 0)); then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
}

install_rust_components() {
    if ! cargo fmt --version >/dev/null 2>&1; then rustup component add rustfmt; fi
    if ! cargo clippy --version >/dev/null 2>&1; then rustup component add clippy; fi
}

run install_packages
run install_rust_components
run cargo fmt --check
run shellcheck scripts/*.sh .ci/run
run cargo clippy --locked --all-targets -- -D warnings
run cargo test --locked --no-fail-fast
RUSTDOCFLAGS='-D warnings' run cargo doc --locked --no-deps

printf '\nscripts/test.sh: all passed\n'
