#!/usr/bin/env bash
# Measures the server under load and prints a markdown table: CPU for each packet, memory for each session, how evenly
# pictures arrive, how many packets are lost, over UDP and TCP. Every row has a fresh server.
#
# Usage: scripts/bench.sh --loadgen PATH [--sessions "1 50 200 500 1000"] [--seconds 10] [--transports "udp tcp"]
#
# PATH is the load generator: a program that takes `load --url U -n N -t SECONDS --settle S --ramp R [--tcp]
# --server-pid P` and prints one JSON object. The recording is 1080p H.264 of 2 Mbit/s, generated once with ffmpeg.
# Also needs jq. Client and server share this machine: with many sessions, what is measured is both.
#
# Late is how long after its time a picture arrives, as against the earliest picture of its session. Pictures leave in
# groups, up to `lead` (config/camreel.toml) before their time, so up to `lead` of it is intended. Without
# idle cores left, rows tell about the machine rather than the server.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

loadgen=
sessions="1 50 200 500 1000"
seconds=10
transports="udp tcp"
# Session starts a second, and how long all of them play before the measuring begins.
ramp=200
settle=2

media=$target/bench
scratch=
server=

main() {
    parse "$@"
    for program in ffmpeg jq; do
        has "$program" || fail "there is no $program; apt-get install $program"
    done
    build_server
    make_recording
    scratch=$(mktemp -d)
    trap clean_up EXIT
    # Each session of the load generator holds several sockets.
    ulimit -n "$(ulimit -Hn)"
    print_head
    local transport count
    for transport in $transports; do
        for count in $sessions; do
            measure "$transport" "$count"
        done
    done
}

parse() {
    while (($# > 0)); do
        case $1 in
        --loadgen) loadgen=${2:?} ;;
        --sessions) sessions=${2:?} ;;
        --seconds) seconds=${2:?} ;;
        --transports) transports=${2:?} ;;
        *) usage >&2 && exit 2 ;;
        esac
        shift 2
    done
    [[ -n $loadgen ]] || { usage >&2 && exit 2; }
    [[ -x $loadgen ]] || fail "$loadgen is no program"
}

# A recording that lasts longer than any measurement. Noise, as of a real lens, keeps the bit rate up.
make_recording() {
    local most=0 count
    for count in $sessions; do most=$((count > most ? count : most)); done
    local length=$((most / ramp + settle + seconds + 30))
    recording=1080p-2mbit-${length}s.mp4
    mkdir -p -- "$media"
    [[ ! -e $media/$recording ]] || return 0
    echo "making a recording of $length s..." >&2
    ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=1920x1080:rate=25:duration=10 \
        -vf noise=alls=6:allf=t -c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 0 -g 50 -sc_threshold 0 \
        -b:v 2M -maxrate 2M -bufsize 2M -x264-params nal-hrd=cbr -f mp4 "$media/10s"
    ffmpeg -nostdin -v error -y -stream_loop -1 -i "$media/10s" -t "$length" -c copy -movflags +faststart -f mp4 "$media/new"
    mv -- "$media/new" "$media/$recording"
    rm -- "$media/10s"
}

print_head() {
    local model
    model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
    echo "$("$server_binary" --version), $(nproc) cores ${model:-of unknown make}, Linux $(uname -r | cut -d - -f 1)," \
        "$seconds s for each row"
    echo
    echo "| transport | sessions | packets/s | CPU, % of a core | CPU for a packet, us | memory for a session, KiB" \
        "| late p50 / p99 / max, ms | lost | idle cores |"
    echo "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
}

# One row: transport $1, $2 sessions.
measure() {
    start_server
    local options=()
    [[ $1 == udp ]] || options=(--tcp)
    "$loadgen" load --url "rtsp://127.0.0.1:$port/$recording" -n "$2" -t "$seconds" --settle "$settle" \
        --ramp "$ramp" "${options[@]}" --server-pid "$server" >"$scratch/result" 2>"$scratch/loadgen.log" ||
        { cat -- "$scratch/loadgen.log" >&2 && fail "the load generator failed"; }
    stop_server
    # Datagrams that the receiving side threw away are lost, but not by the server.
    jq -r --arg transport "$1" --arg sessions "$2" '
        def round(digits): if . == null then "-" else . * pow(10; digits) | round / pow(10; digits) end;
        [ $transport,
          (if .window_sessions_with_data == .sessions then $sessions
           else "\(.window_sessions_with_data) of \($sessions)" end),
          (.pps | round(0)), (.server.cpu_per_s * 100 | round(1)), (.server.us_per_pkt | round(2)),
          (.server.rss_per_session_kb | round(0)),
          "\(.late_video_ms.p50 | round(1)) / \(.late_video_ms.p99 | round(1)) / \(.late_video_ms.max | round(1))",
          "\(.win_lost)" + (if .rcvbuf_errors > 0 then " (\(.rcvbuf_errors) by the client)" else "" end),
          (.sys_per_s.idle | round(2)) ]
        | "| " + (map(tostring) | join(" | ")) + " |"' "$scratch/result"
    jq -r '.errors | to_entries[] | "\(.value) sessions failed: \(.key)"' "$scratch/result" >&2
}

start_server() {
    rm -f -- "$scratch/banner"
    "$server_binary" --bind 127.0.0.1 --port 0 --http-port 0 --log-level warn "$media" \
        >"$scratch/banner" 2>"$scratch/server.log" &
    server=$!
    port=
    for _ in {1..100}; do
        port=$(sed -n 's|^ *rtsp://127.0.0.1:\([0-9]*\)/.*|\1|p' "$scratch/banner" 2>/dev/null) || true
        [[ -z $port ]] || return 0
        sleep 0.1
    done
    cat -- "$scratch/server.log" >&2
    fail "the server does not start"
}

stop_server() {
    kill "$server"
    wait "$server" || true
    server=
    sed 's/^/the server said: /' "$scratch/server.log" | head -n 5 >&2
}

clean_up() {
    [[ -z $server ]] || kill "$server" || true
    rm -rf -- "$scratch"
}

main "$@"
