#!/usr/bin/env bash
# What the other scripts share: where the project is, and its built server. Usage: source it; alone it does nothing.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
target=$(realpath -m -- "${CARGO_TARGET_DIR:-$root/target}")
# The server's program. Whoever sets CAMREEL_BIN has built it.
server_binary=$(realpath -m -- "${CAMREEL_BIN:-$target/release/camreel}")

# Ends the script with a message.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints the comment at the top of the script that runs: what it does and how it is used.
usage() {
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
}

# Whether the program named is installed.
has() {
    command -v "$1" >/dev/null
}

# Builds the server unless it is there and no older than its sources. Where there is no cargo, what is there is taken.
build_server() {
    if [[ -z ${CAMREEL_BIN:-} ]] && ! is_built; then
        if has cargo; then
            CARGO_TARGET_DIR=$target cargo build --release --locked --manifest-path "$root/Cargo.toml" >&2
        elif [[ ! -x $server_binary ]]; then
            fail "there is no cargo to build the server with; https://rustup.rs installs it"
        fi
    fi
    [[ -x $server_binary ]] || fail "$server_binary is no program"
}

is_built() {
    [[ -x $server_binary ]] &&
        [[ -z $(find "$root/src" "$root/Cargo.toml" "$root/Cargo.lock" -type f -newer "$server_binary" -print -quit) ]]
}
