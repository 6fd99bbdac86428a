#!/usr/bin/env bash
# Keeps the server running in the background: starts it, asks it every 30 s whether it is well, starts it again when
# it crashed or hangs.
#
# Usage: scripts/supervise.sh start [-- camreel arguments]     without arguments: config/camreel.toml
#        scripts/supervise.sh stop
#        scripts/supervise.sh restart [-- camreel arguments]   without arguments: those of the last start
#        scripts/supervise.sh status       exit status 0: healthy, 1: not, 3: stopped
#        scripts/supervise.sh reload       has the server read its configuration again
#
# - Only one instance runs. `start` succeeds once the server answers; when one runs already it fails.
# - After a crash it starts the server again, after 1 s, then 2, 4 ... 60 s; after 60 s of service, after 1 s again.
# - Health is an answer to RTSP OPTIONS. After three questions without one the server is ended and started again.
# - When the server fails 5 times in a row before it has served at all, or does not understand its arguments, the
#   supervisor gives up; the reason is in the log. When the server ends with status 0, so does the supervisor.
# - State is in run/: camreel.log (the server's log and the supervisor's; at 10 MB it becomes camreel.log.1),
#   camreel.out (the server's banner), process ids, locks. Only the locks tell who runs, so that files left by a
#   power cut do no harm.
#
# Environment: CAMREEL_RUN_DIR (run/), CAMREEL_BIN (the built server), CAMREEL_START_WAIT (20: how long `start` waits),
# CAMREEL_STOP_WAIT (5: how long before KILL), CAMREEL_HEALTH_INTERVAL (30), CAMREEL_HEALTH_WAIT (5: for an answer),
# CAMREEL_HEALTH_MISSES (3), CAMREEL_DELAY_MAX (60), CAMREEL_STEADY (60), CAMREEL_FAILURES_MAX (5). Times in seconds.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

run_dir=$(realpath -m -- "${CAMREEL_RUN_DIR:-$root/run}")
start_wait=${CAMREEL_START_WAIT:-20}
stop_wait=${CAMREEL_STOP_WAIT:-5}
health_interval=${CAMREEL_HEALTH_INTERVAL:-30}
health_wait=${CAMREEL_HEALTH_WAIT:-5}
health_misses=${CAMREEL_HEALTH_MISSES:-3}
delay_max=${CAMREEL_DELAY_MAX:-60}
steady=${CAMREEL_STEADY:-60}
failures_max=${CAMREEL_FAILURES_MAX:-5}
log_len_max=$((10 << 20))

log=$run_dir/camreel.log
banner=$run_dir/camreel.out
last_arguments=$run_dir/camreel.args
# Each lock is held by the process whose id stands beside it, as long as it lives.
supervisor_pid=$run_dir/supervisor.pid
supervisor_lock=$run_dir/supervisor.lock
server_pid=$run_dir/camreel.pid
server_lock=$run_dir/camreel.lock

main() {
    case ${1:-} in
    start) start "${@:2}" ;;
    stop) stop ;;
    restart) restart "${@:2}" ;;
    status) status ;;
    reload) reload ;;
    # What `start` runs in the background. Descriptor 9 holds the lock.
    supervise-in-background) supervise "${@:2}" ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
}

# --- what a person calls ---

start() {
    [[ ${1:-} != -- ]] || shift
    mkdir -p -- "$run_dir"
    exec 9>"$supervisor_lock"
    # `status` holds the lock for a moment.
    flock -w 1 9 || fail "it runs already: $(status)"
    end_holder "$server_pid" "$stop_wait" # one whose supervisor was killed
    build_server 9>&-
    put "$supervisor_pid" ""
    put "$server_pid" ""
    put "$banner" ""
    printf '%s\0' "$PWD" "$@" >"$last_arguments" || echo "a later restart will not know these arguments" >&2
    if (($# == 0)); then
        cd -- "$root"
        set -- --config config/camreel.toml
        # What is wrong with it is told at once, rather than after as many tries.
        "$server_binary" check "$@" >/dev/null || fail "not started"
    fi
    touch -- "$log"
    local log_len
    log_len=$(stat -c %s -- "$log")
    CAMREEL_RUN_DIR=$run_dir CAMREEL_BIN=$server_binary \
        setsid "$root/scripts/supervise.sh" supervise-in-background "$@" </dev/null >>"$log" 2>&1 &
    await_service $! "$log_len"
}

# Waits until the server answers or the supervisor $1 has given up. Else shows the log from byte $2 on.
await_service() {
    local deadline=$(($(uptime_seconds) + start_wait))
    while (($(uptime_seconds) < deadline)) && is_alive "$1"; do
        if answers; then
            status
            return
        fi
        sleep 0.1
    done
    tail -c "+$(($2 + 1))" -- "$log" | head -n 40 >&2
    if is_alive "$1"; then
        fail "no answer within $start_wait s; the supervisor goes on trying, see $log"
    fi
    fail "the server did not start, see $log"
}

stop() {
    if ! is_held "$supervisor_lock" && ! is_held "$server_lock"; then
        echo "not running"
        return
    fi
    # The supervisor ends the server, once it has heard the answer it may be waiting for.
    end_holder "$supervisor_pid" $((health_wait + stop_wait + 3))
    end_holder "$server_pid" "$stop_wait"
    echo "stopped"
}

restart() {
    local arguments=("$@")
    if (($# == 0)) && [[ -e $last_arguments ]]; then
        mapfile -d '' -t arguments <"$last_arguments"
        [[ ! -d ${arguments[0]} ]] || cd -- "${arguments[0]}"
        arguments=(-- "${arguments[@]:1}")
    fi
    stop
    start "${arguments[@]}"
}

status() {
    local pid
    if ! is_held "$server_lock"; then
        if is_held "$supervisor_lock"; then
            echo "not serving: $(last_word)"
            return 1
        fi
        local last_word
        last_word=$(last_word)
        if [[ -z $last_word || $last_word == stopped ]]; then echo "stopped"; else echo "stopped: $last_word"; fi
        return 3
    fi
    pid=$(pid_in "$server_pid")
    if ! is_held "$supervisor_lock"; then
        echo "pid $pid, without its supervisor; restart it"
        return 1
    fi
    local health=healthy code=0
    answers || { health="no answer to OPTIONS" code=1; }
    echo "pid $pid, up $(uptime_of "$pid"), port $(port_of "$(address)"), $health"
    return "$code"
}

reload() {
    is_held "$server_lock" || fail "not running"
    kill -HUP "$(pid_in "$server_pid")"
    echo "told to read its configuration again; the answer is in $log"
}

# Ends the process whose id is in file $1, if it holds the lock beside it: TERM, up to $2 seconds, KILL.
end_holder() {
    local lock=${1%.pid}.lock pid
    is_held "$lock" || return 0
    pid=$(pid_in "$1")
    [[ -n $pid ]] || fail "another start is under way"
    kill -TERM "$pid" || true
    await_release "$lock" "$2" && return
    kill -KILL "$pid" || true
    await_release "$lock" 5 || fail "process $pid does not end"
}

# Whether the lock is free within $2 seconds.
await_release() {
    local deadline=$(($(uptime_seconds) + $2 + 1))
    while is_held "$1"; do
        (($(uptime_seconds) < deadline)) || return 1
        sleep 0.1
    done
}

# --- what runs in the background ---

# The processes that are waited for; 0 is none.
server=0
timer=0
stopping=false

# Runs the server with these arguments until it is told to stop, the server wants to end, or there is no hope.
supervise() {
    local delay=1 failures=0 started verdict
    # Nothing that fails here, such as a line of the log on a full disk, is a reason to leave the server alone.
    set +e
    put "$supervisor_pid" $$
    # Ending the timer wakes whoever waits.
    trap 'stopping=true; end_timer' TERM INT
    trap '((server == 0)) || kill -HUP "$server"' HUP
    say "supervisor $$ starts: camreel $*"
    while :; do
        started=$(uptime_seconds)
        launch "$@"
        watch
        put "$server_pid" ""
        if $stopping; then
            say "stopped"
            return 0
        fi
        if [[ $verdict == 0 ]]; then
            say "the server ended by itself with status 0: done"
            return 0
        fi
        # No banner, no service.
        if [[ -n $(address) ]]; then failures=0; else failures=$((failures + 1)); fi
        if [[ $verdict == 2 ]] || ((failures >= failures_max)); then
            say "giving up: the server failed with status $verdict before it served ($failures in a row)"
            return 1
        fi
        if (($(uptime_seconds) - started >= steady)); then delay=1; fi
        say "the server ended ($(in_words "$verdict")); starting it again in $delay s"
        set_timer "$delay"
        await
        delay=$((delay * 2 < delay_max ? delay * 2 : delay_max))
        if $stopping; then
            say "stopped"
            return 0
        fi
    done
}

launch() {
    put "$banner" ""
    exec 8>"$server_lock"
    flock -w 5 8 || { say "giving up: another process holds $server_lock" && exit 1; }
    "$server_binary" "$@" </dev/null 1<>"$banner" 9>&- &
    server=$!
    # From here the server alone holds its lock, also if it should outlive this process.
    exec 8>&-
    put "$server_pid" "$server"
    say "server $server started"
}

# Watches the server until it has ended; `verdict` is then its exit status, or "hung" when it had to be ended.
watch() {
    local misses=0 is_hung=false
    verdict=0
    while is_alive "$server"; do
        set_timer "$health_interval"
        await
        if $stopping; then end_server; fi
        is_alive "$server" || break
        trim_log
        if answers 9>&-; then
            misses=0
            continue
        fi
        misses=$((misses + 1))
        if ! is_alive "$server" || $stopping; then continue; fi
        say "no answer to OPTIONS ($misses of $health_misses)"
        if ((misses >= health_misses)); then
            is_hung=true
            end_server
        fi
    done
    wait "$server" 2>/dev/null || verdict=$?
    server=0
    if $is_hung; then verdict=hung; fi
}

# Ends the server: TERM, some time to say goodbye, KILL.
end_server() {
    kill -TERM "$server" || return 0
    set_timer "$stop_wait"
    await
    if is_alive "$server"; then
        say "it does not end: killing it"
        kill -KILL "$server" || true
        set_timer 5
        await
    fi
}

set_timer() {
    sleep "$1" 9>&- &
    timer=$!
}

end_timer() {
    ((timer == 0)) || kill "$timer" 2>/dev/null || true
}

# Waits until the timer or, if there is one, the server has ended. A signal ends the timer.
await() {
    while is_alive "$timer" && { ((server == 0)) || is_alive "$server"; }; do
        # Without this, bash adds its own line on how a child ended.
        if ((server == 0)); then wait "$timer"; else wait -n "$server" "$timer"; fi 2>/dev/null
    done
    end_timer
    timer=0
}

# Both logs stay below 20 MB. The server appends, so it may keep its file.
trim_log() {
    if (($(stat -c %s -- "$log") > log_len_max)); then
        cp -- "$log" "$log.1"
        : >"$log"
    fi
}

# Writes text $2 over the content of file $1. Recorders fill disks: a file that keeps its length keeps its place on the
# disk too, so that a server can still be started, found and asked when there is no other place left.
put() {
    printf '%-4095s\n' "$2" 1<>"$1"
}

# A line of the log.
say() {
    echo "$(date -u +%FT%TZ) [supervisor] $*"
}

in_words() {
    case $1 in
    hung) echo "it no longer answered" ;;
    *) if (($1 > 128)); then echo "signal $(($1 - 128))"; else echo "status $1"; fi ;;
    esac
}

# --- questions ---

is_held() {
    [[ -e $1 ]] && ! flock -sn "$1" true
}

is_alive() {
    kill -0 "$1" 2>/dev/null
}

# The process id in file $1, if there is one.
pid_in() {
    local pid=
    [[ ! -e $1 ]] || read -r pid <"$1" || true
    echo "$pid"
}

# The last thing the supervisor said.
last_word() {
    [[ ! -e $log ]] || sed -n 's/^[^ ]* \[supervisor\] //p' "$log" | tail -n 1
}

# The server's address as HOST:PORT, out of its banner: the loopback one if it has one.
address() {
    local urls
    urls=$(sed -n 's|^ *rtsp://\([^/]*\)/.*|\1|p' "$banner" 2>/dev/null)
    grep -m1 -E '^127\.|^\[::1\]' <<<"$urls" || head -n 1 <<<"$urls"
}

port_of() {
    if [[ $1 =~ :([0-9]+)$ ]]; then echo "${BASH_REMATCH[1]}"; else echo 554; fi
}

# Whether the server answers OPTIONS in time, whatever the answer: one that is full is not ill.
answers() {
    local address host port
    address=$(address)
    [[ -n $address ]] || return 1
    port=$(port_of "$address")
    host=${address%:"$port"}
    host=${host//[\[\]]/}
    # `timeout` runs programs, so the function goes through a shell of its own.
    timeout "$health_wait" bash -c 'ask_options "$@"' bash "$host" "$port" 2>/dev/null
}

# Asks host $1, port $2.
ask_options() {
    local line
    exec 3<>"/dev/tcp/$1/$2" || return 1
    printf 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: supervise.sh\r\n\r\n' >&3
    read -r line <&3 || return 1
    [[ $line == 'RTSP/1.0 '[1-5]* ]] || return 1
    # Closing with the rest unread would be a reset.
    until [[ $line == $'\r' ]]; do read -r line <&3 || return 0; done
}
export -f ask_options

# Seconds since boot: a clock that is set does not disturb it.
uptime_seconds() {
    local seconds
    read -r seconds _ </proc/uptime
    echo "${seconds%.*}"
}

# How long the process with this id has been running.
uptime_of() {
    local stat started
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || { echo "unknown" && return; }
    # Field 22, counted behind the name, which may have spaces in it.
    started=$(cut -d ' ' -f 20 <<<"${stat##*) }")
    local seconds=$(($(uptime_seconds) - started / $(getconf CLK_TCK)))
    printf '%dd %02d:%02d:%02d\n' $((seconds / 86400)) $((seconds / 3600 % 24)) $((seconds / 60 % 60)) $((seconds % 60))
}

main "$@"
