#!/usr/bin/env bash
# THE test command: installs what the tests need, then runs every check there is.
#
# Usage: scripts/test.sh
#
# Needs Rust (rust-version of Cargo.toml or later). What else is missing is installed with apt-get: FFmpeg and
# GStreamer, which the tests play recordings with, iproute2 for networks of their own, shellcheck, a C linker. Takes a
# few minutes on two cores.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# The gstreamer packages hold: gst-launch; videoconvert; rtspsrc and depayloaders; checksumsink and parsers; decoders;
# then what scripts it.
packages=(ffmpeg iproute2 shellcheck gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
    python3-gi gir1.2-gstreamer-1.0)
# A test that hangs is a test that fails.
tests_take_max=15m

failed=()

main() {
    cd -- "$root"
    has cargo || PATH=$PATH:$HOME/.cargo/bin
    has cargo || fail "there is no cargo; https://rustup.rs installs it"
    install_packages
    install_components
    step "format" cargo fmt --check
    step "lints" cargo clippy --locked --all-targets -- -D warnings
    step "tests" timeout --foreground "$tests_take_max" cargo test --locked --no-fail-fast
    step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
    step "shell scripts" shellcheck -x scripts/*.sh .ci/run
    echo
    if ((${#failed[@]} > 0)); then
        printf 'FAILED after %d s: %s\n' "$SECONDS" "$(join "${failed[@]}")"
        exit 1
    fi
    printf 'All checks passed after %d s.\n' "$SECONDS"
}

# Runs a check; the others run even if it fails.
step() {
    local name=$1
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" || failed+=("$name")
}

install_packages() {
    local package missing=()
    has cc || packages+=(gcc libc6-dev)
    if ! has apt-get; then
        echo "no apt-get here; the tests need what these packages hold: ${packages[*]}"
        return
    fi
    for package in "${packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0
    printf '== installing %s\n' "${missing[*]}"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}

is_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install_components() {
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 && continue
        has rustup || fail "cargo $component is missing, and there is no rustup to install it"
        rustup component add "${component/#fmt/rustfmt}"
    done
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Its arguments with commas between them.
join() {
    local IFS=,
    echo "${*}"
}

main "$@"
