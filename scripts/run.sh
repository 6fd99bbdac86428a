#!/usr/bin/env bash
# Builds the server if needed and runs it in the foreground; Ctrl-C ends it.
#
# Usage: scripts/run.sh [camreel arguments]
#
# Without arguments it serves what config/camreel.toml says: the folder recordings/. With arguments, relative paths
# are those of the folder it is called from. CAMREEL_BIN names another program to run.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

build_server
if (($# == 0)); then
    cd -- "$root"
    set -- --config config/camreel.toml
fi
exec "$server_binary" "$@"
