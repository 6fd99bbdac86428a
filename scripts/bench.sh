#!/usr/bin/env bash
# Measures what viewers cost: CPU for each packet, memory and threads for each session, lateness of pictures, at
# growing numbers of sessions over UDP and TCP, all on this machine.
#
# Usage: scripts/bench.sh --loadgen PROGRAM [--sessions "1 50 200 500 1000"] [--seconds 12] [--server PROGRAM]
#
#   --loadgen   an RTSP load generator, called as
#                   PROGRAM load --url URL -n SESSIONS -t SECONDS [--tcp] --server-pid PID
#               that prints one JSON object with the fields used below
#   --server    the server [target/release/camreel, built first]
#
# The recording is 1080p at 25 pictures and 2 Mbit a second, made with ffmpeg (libx264). The load generator runs on the
# same machine and takes its share of it: at the largest numbers, look at `idle` before believing `late`.
#
# Columns: ok, sessions that played; kpps, packets a second in thousands; us/pkt, CPU time of the server for each
# packet in microseconds; cpu, server CPU in cores; KiB/s'n, resident memory for each session; thr, threads; lost,
# packets that did not arrive; late50 late99 late99.9, how late pictures came in milliseconds, counted from the
# earliest; rate, media time over wall time of the slowest track (1.000: real time); idle, idle cores of the machine.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
loadgen='' server='' seconds=12
sessions='1 50 200 500 1000'

usage() {
    sed -n '/^# Usage:/,/^#   --server/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

while (($# > 0)); do
    (($# > 1)) || usage
    case $1 in
    --loadgen) loadgen=$2 ;;
    --sessions) sessions=$2 ;;
    --seconds) seconds=$2 ;;
    --server) server=$2 ;;
    *) usage ;;
    esac
    shift 2
done
[[ -x $loadgen ]] || usage
if [[ -z $server ]]; then
    cargo build --release --quiet --manifest-path "$root/Cargo.toml"
    server=${CARGO_TARGET_DIR:-$root/target}/release/camreel
fi

work=$(mktemp -d)
pid=0
finish() {
    if ((pid > 0)); then kill "$pid" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT

# 100 seconds: longer than the largest number of sessions takes to start and to be measured.
make_recording() {
    mkdir "$work/media"
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=1920x1080:rate=25:duration=10 -c:v libx264 -preset veryfast \
        -bf 0 -g 50 -b:v 2M -maxrate 2M -bufsize 2M -x264-params nal-hrd=cbr "$work/10s.mp4"
    ffmpeg -nostdin -v error -stream_loop 9 -i "$work/10s.mp4" -c copy -movflags +faststart "$work/media/camera.mp4"
}

# Starts a server of its own for each row, so that memory is not what an earlier row has left behind.
start_server() {
    "$server" --bind 127.0.0.1 --port 0 --http-port 0 --log-level warn "$work/media" >"$work/server.log" 2>&1 &
    pid=$!
    url=''
    local deadline=$((SECONDS + 10))
    until [[ -n $url ]]; do
        if ((SECONDS > deadline)) || ! kill -0 "$pid" 2>/dev/null; then
            cat "$work/server.log" >&2
            return 1
        fi
        sleep 0.1
        url=$(sed -n 's|^ *\(rtsp://[^/ ]*/\).*|\1|p;T;q' "$work/server.log")
    done
}

stop_server() {
    kill -TERM "$pid"
    wait "$pid" || true
    pid=0
}

# The number at `"$2":` in the JSON file $1; with $3, that within the object `"$2":{...}`.
field() {
    if (($# == 2)); then
        grep -o "\"$2\":-\{0,1\}[0-9.]*" "$1" | head -n 1 | cut -d: -f2
    else
        grep -o "\"$2\":{[^}]*}" "$1" | grep -o "\"$3\":-\{0,1\}[0-9.]*" | head -n 1 | cut -d: -f2
    fi
}

row() {
    local transport=$1 count=$2 json=$work/row.json
    local -a flags=(load --url "${url}camera.mp4" -n "$count" -t "$seconds" --server-pid "$pid")
    if [[ $transport == tcp ]]; then flags+=(--tcp); fi
    "$loadgen" "${flags[@]}" >"$json"
    printf '%-4s %5d %5d %7.1f %7.1f %6.2f %8.0f %5d %5d %7.1f %7.1f %8.1f %6.3f %5.2f\n' "$transport" "$count" \
        "$(field "$json" got_rtp)" "$(field "$json" pps | awk '{ print $1 / 1000 }')" \
        "$(field "$json" us_per_pkt)" "$(field "$json" cpu_per_s)" "$(field "$json" rss_per_session_kb)" \
        "$(field "$json" threads)" "$(field "$json" win_lost)" "$(field "$json" late_video_ms p50)" \
        "$(field "$json" late_video_ms p99)" "$(field "$json" late_video_ms p999)" "$(field "$json" rate min)" \
        "$(field "$json" idle)"
}

ulimit -n "$(ulimit -H -n)"
make_recording
printf '%s, %d cores, %s\n' "$("$server" --version)" "$(nproc)" "$(uname -sr)"
printf '%-4s %5s %5s %7s %7s %6s %8s %5s %5s %7s %7s %8s %6s %5s\n' '' n ok kpps us/pkt cpu "KiB/s'n" thr lost \
    late50 late99 late99.9 rate idle
for transport in udp tcp; do
    for count in $sessions; do
        start_server
        row "$transport" "$count"
        stop_server
    done
done
