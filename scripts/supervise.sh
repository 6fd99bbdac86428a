#!/usr/bin/env bash
# Keeps camreel running in the background: one instance, started again after a crash or when it no longer answers.
#
# Usage: scripts/supervise.sh start|restart [-- camreel arguments]
#        scripts/supervise.sh stop|reload|status
#
#   start    starts it, unless it runs already. Without arguments it serves what config/camreel.toml says.
#   restart  stop, then start. Without arguments, those of the last start.
#   stop     ends server and supervisor. The server gets 5 seconds before it is killed.
#   reload   has the server read its configuration again and reopen its log (SIGHUP).
#   status   prints pid, uptime, URL and health. Exit status 0: healthy, 1: running but unhealthy, 3: stopped.
#
# A crash, or three unanswered health checks in a row, is followed by a new start after 1, 2, 4 ... 60 seconds; once a
# server has run for a minute, the delay begins at 1 again. An end with status 0 is taken as wanted; status 2 (wrong
# arguments) and ten ends in a row, each within 10 seconds of its start, as hopeless. Both end the supervisor.
# A health check is an RTSP OPTIONS request to the first URL that the server has printed.
#
# Files, in run/ or the folder $CAMREEL_RUN_DIR:
#   camreel.out         what the server prints; camreel.out.1 is that of the run before
#   supervisor.log      starts, ends and failed checks
#   *.lock, *.pid       a pid counts only while its lock is held, so nothing in here can be stale after a reboot
#
# Environment: CAMREEL_RUN_DIR; CAMREEL_BIN, the server's binary [target/release/camreel, built when missing];
# CAMREEL_HEALTH_INTERVAL, seconds between health checks [30]; CAMREEL_HEALTH_TIMEOUT, seconds for an answer [5].
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
self=$root/scripts/$(basename "${BASH_SOURCE[0]}")
run=${CAMREEL_RUN_DIR:-$root/run}
binary=${CAMREEL_BIN:-${CARGO_TARGET_DIR:-$root/target}/release/camreel}
health_interval=${CAMREEL_HEALTH_INTERVAL:-30}
health_timeout=${CAMREEL_HEALTH_TIMEOUT:-5}

readonly START_WAIT=20       # seconds until a new server must answer
readonly STOP_WAIT=5         # seconds from TERM to KILL
readonly FAILED_CHECKS_MAX=3 # in a row
readonly DELAY_MAX=60        # seconds between two starts
readonly STEADY_AFTER=60     # seconds after which a server counts as steady
readonly QUICK_END=10        # seconds within which an end counts as quick
readonly QUICK_ENDS_MAX=10   # in a row
readonly OUTPUT_MAX=$((20 << 20)) # bytes of camreel.out before it is moved aside

usage() {
    sed -n '/^# Usage:/,/^#   status/s/^# \{0,1\}//p' "$self" >&2
    exit 2
}

say() { printf '%s\n' "$*"; }
log() { printf '%(%F %T)T %s\n' -1 "$*" >>"$run/supervisor.log"; }

# --- locks: whoever holds one is alive

# Whether someone holds the lock $1. A shared probe, so that two probes do not get into each other's way.
held() {
    [[ -e $run/$1.lock ]] && ! flock --shared --nonblock "$run/$1.lock" true
}

# The pid of the holder of $1; nothing if there is none.
pid_of() {
    if held "$1"; then cat "$run/$1.pid" 2>/dev/null || true; fi
}

# Waits until nobody holds $1, at most $2 seconds.
wait_free() {
    local deadline=$((SECONDS + $2))
    while held "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# --- health

# The first URL in the server's banner, such as rtsp://192.168.1.5:8554/
url() {
    sed -n 's|^ *\(rtsp://[^/ ]*/\).*|\1|p;T;q' "$run/camreel.out" 2>/dev/null || true
}

# Whether the server answers an OPTIONS request.
answers() {
    local authority host port
    authority=$(url)
    authority=${authority#rtsp://}
    authority=${authority%/}
    [[ -n $authority ]] || return 1
    if [[ $authority =~ ^(.*):([0-9]+)$ ]]; then # an IPv6 address without port ends in a bracket
        host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}
    else
        host=$authority port=554
    fi
    host=${host#[} host=${host%]}
    # shellcheck disable=SC2016  # expanded by the inner shell
    timeout "$health_timeout" bash -c '
        exec 3<>"/dev/tcp/$1/$2" &&
        printf "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: camreel-supervise\r\n\r\n" >&3 &&
        IFS= read -r line <&3 && [[ $line == "RTSP/1.0 200"* ]]' - "$host" "$port" 2>/dev/null
}

# --- the supervisor itself, in the background

server=0     # pid of the running server, 0 if none runs
stopping=0   # a signal has told us to stop

supervise() {
    exec 9>"$run/supervisor.lock"
    flock --wait 2 9 || exit 0 # another one was faster
    echo $$ >"$run/supervisor.pid"
    trap 'stopping=1; end_server TERM' TERM INT
    trap 'end_server HUP' HUP
    local delay=1 quick_ends=0
    while true; do
        local started=$SECONDS status=0
        launch "$@"
        watch || status=$?
        local ran=$((SECONDS - started))
        server=0
        if ((stopping)); then
            log "stopped"
            return 0
        elif ((status == 0)); then
            log "the server ended by itself with status 0 after $ran s; not started again"
            return 0
        elif ((status == 2)); then
            log "the server rejects its arguments (status 2); not started again"
            return 1
        fi
        quick_ends=$((ran < QUICK_END ? quick_ends + 1 : 0))
        if ((quick_ends >= QUICK_ENDS_MAX)); then
            log "gave up after $quick_ends ends in a row, each within $QUICK_END s; the last words are in camreel.out"
            return 1
        fi
        if ((ran >= STEADY_AFTER)); then delay=1; fi
        log "the server ended with status $status after $ran s; starting it again in $delay s"
        pause "$delay"
        if ((stopping)); then return 0; fi
        delay=$((delay * 2 < DELAY_MAX ? delay * 2 : DELAY_MAX))
    done
}

# Starts the server. It holds a lock of its own, so that it is found even if this supervisor gets killed.
launch() {
    if [[ -e $run/camreel.out ]]; then mv -f "$run/camreel.out" "$run/camreel.out.1"; fi
    hold_lock_and_serve "$@" </dev/null >>"$run/camreel.out" 2>&1 &
    server=$!
    echo "$server" >"$run/camreel.pid"
    log "started $binary $* as $server"
}

hold_lock_and_serve() {
    exec 9>&- 8>"$run/camreel.lock"
    if ! flock --wait 2 8; then
        echo "another server holds $run/camreel.lock"
        exit 1
    fi
    exec "$binary" "$@"
}

# Waits for the server's end and checks its health meanwhile. Returns the server's status.
watch() {
    local failed_checks=0 due=$((SECONDS + health_interval))
    while kill -0 "$server" 2>/dev/null; do
        # A signal ends this wait at once, but a sleep in the foreground only when it is over.
        sleep 1 9>&- &
        wait $! || true
        if ((SECONDS < due || stopping)); then continue; fi
        if answers; then
            failed_checks=0
        elif kill -0 "$server" 2>/dev/null; then
            failed_checks=$((failed_checks + 1))
            log "health check failed ($failed_checks of $FAILED_CHECKS_MAX)"
        fi
        if ((failed_checks >= FAILED_CHECKS_MAX)); then
            log "the server no longer answers; ending it"
            failed_checks=0
            end_server TERM
        fi
        limit_output
        due=$((SECONDS + health_interval))
    done
    wait "$server"
}

# Sleeps, unless told to stop meanwhile.
pause() {
    local until=$((SECONDS + $1))
    while ((SECONDS < until && !stopping)); do sleep 0.2 9>&-; done
}

# Passes a signal on. A server that does not end on TERM is killed by a helper, which waits while we watch.
end_server() {
    if ((server == 0)); then return; fi
    kill -"$1" "$server" 2>/dev/null || true
    if [[ $1 == TERM ]]; then
        (wait_free camreel "$STOP_WAIT" || kill -KILL "$server" 2>/dev/null || true) 9>&- &
    fi
}

# The output of a server that runs for months must not fill the disk. The banner is kept: `url` reads it.
limit_output() {
    if (($(stat -c %s "$run/camreel.out") > OUTPUT_MAX)); then
        cp "$run/camreel.out" "$run/camreel.out.1"
        head -n 50 "$run/camreel.out.1" >"$run/camreel.out"
    fi
}

# --- commands

start() {
    mkdir -p "$run"
    if held supervisor; then
        say "camreel runs already, pid $(pid_of camreel)"
        return 0
    fi
    if held camreel; then
        say "ending the server $(pid_of camreel), whose supervisor is gone"
        end_orphan
    fi
    if [[ ! -x $binary && -z ${CAMREEL_BIN:-} ]]; then
        cargo build --release --quiet --manifest-path "$root/Cargo.toml"
    fi
    if (($# == 0)); then
        "$binary" check --config "$root/config/camreel.toml" >/dev/null
    fi
    printf '%s\0' "$PWD" "$@" >"$run/arguments"
    # What the configuration names is relative to the project; what the caller names, to where the caller stands.
    if (($# == 0)); then cd "$root"; fi
    if [[ -e $run/camreel.out ]]; then mv -f "$run/camreel.out" "$run/camreel.out.1"; fi
    setsid nohup "$self" supervise -- "$@" </dev/null >>"$run/supervisor.log" 2>&1 &
    local deadline=$((SECONDS + START_WAIT))
    until answers; do
        if ((SECONDS >= deadline)) || { ((SECONDS > deadline - START_WAIT + 3)) && ! held camreel; }; then
            say "camreel does not answer; it said:"
            tail -n 20 "$run/camreel.out" 2>/dev/null || true
            say "the supervisor said:"
            tail -n 5 "$run/supervisor.log" 2>/dev/null || true
            if held supervisor; then say "the supervisor keeps trying; '$0 stop' ends that"; fi
            return 1
        fi
        sleep 0.2
    done
    say "camreel runs, pid $(pid_of camreel), $(url)"
}

stop() {
    if held supervisor; then
        kill -TERM "$(pid_of supervisor)"
        if ! wait_free supervisor $((STOP_WAIT + 3)); then
            say "the supervisor does not end; killing it"
            kill -KILL "$(pid_of supervisor)" || true
        fi
    elif ! held camreel; then
        say "camreel does not run"
        return 0
    fi
    if held camreel; then end_orphan; fi
    say "camreel stopped"
}

# Ends a server that no supervisor looks after.
end_orphan() {
    local pid
    pid=$(pid_of camreel)
    kill -TERM "$pid" 2>/dev/null || true
    wait_free camreel "$STOP_WAIT" || kill -KILL "$pid" 2>/dev/null || true
    wait_free camreel 2
}

restart() {
    local -a last=()
    if (($# == 0)) && [[ -s $run/arguments ]]; then
        mapfile -d '' last <"$run/arguments"
        cd "${last[0]}"
        set -- "${last[@]:1}"
    fi
    stop
    start "$@"
}

reload() {
    if ! held camreel; then
        say "camreel does not run"
        return 3
    fi
    kill -HUP "$(pid_of camreel)"
    say "camreel reads its configuration again"
}

status() {
    if ! held camreel; then
        if held supervisor; then
            say "camreel is down; its supervisor is about to start it again (see $run/supervisor.log)"
            return 1
        fi
        say "camreel is stopped"
        return 3
    fi
    local pid uptime supervisor health=unhealthy status=1
    pid=$(pid_of camreel)
    uptime=$(($(date +%s) - $(stat -c %Y "$run/camreel.pid")))
    supervisor=$(pid_of supervisor)
    if answers; then health=healthy status=0; fi
    say "camreel runs, pid $pid, up ${uptime} s, $(url) $health, supervisor ${supervisor:-gone}"
    return "$status"
}

command=${1:-}
shift || true
if [[ ${1:-} == -- ]]; then
    shift
elif (($# > 0)); then
    usage
fi
case $command in
start | restart | supervise) "$command" "$@" ;;
stop | reload | status) (($# == 0)) || usage; "$command" ;;
*) usage ;;
esac
