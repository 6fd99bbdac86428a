//! The streaming thread: one for each session. It owns the player and the transports, so nothing is locked between
//! disk and socket. It waits in one place, for the next packet's time or an order, whichever comes first.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use log::{debug, info, warn};

use super::session::{Session, random};
use super::transport::Transport;
use super::{Shared, panic_text};
use crate::config::Config;
use crate::media;
use crate::player::{Pacing, PlayError, PlayPoint, PlayRequest, Player, Step};
use crate::rtp::{Payloader, RtpStream, rtcp};
use crate::time::{MediaTime, NtpTime};

/// Stack of a streaming thread, in bytes. Only what is touched takes memory.
const STACK_LEN: usize = 256 << 10;
/// Timestamps start in the lower half, so that none wraps within the first hours, which confuses FFmpeg; and not at
/// 0, which it takes for "unknown".
const FIRST_RTPTIME_MASK: u32 = 0x7fff_ffff;
/// RTCP goes out, and is looked for, at least so often (RFC 3550 section 6.2; receivers expect 5 s or less).
const RTCP_INTERVAL: Duration = Duration::from_millis(4500);
/// The longest RTCP packet that is read, in bytes.
const RTCP_LEN_MAX: usize = 1500;
/// The most RTCP packets read from a track at a time, so that a flood of them does not hold up playback.
const RTCP_COUNT_MAX: usize = 16;

/// What a worker tells a streaming thread.
pub enum Order {
    /// Add a track, or replace it.
    AddTrack(Box<NewTrack>, Sender<()>),
    /// Send a track, which goes on, another way, in packets of at most so many bytes; from the next [`Order::Run`] on.
    MoveTrack(usize, Box<dyn Transport>, usize, Sender<()>),
    /// Send these tracks in packets of at most so many bytes.
    LimitPackets(Vec<usize>, usize),
    /// Prepare playback; the answer goes into the response to PLAY.
    Play(Vec<usize>, PlayRequest, Sender<Result<PlayPoint, PlayError>>),
    /// The response to PLAY, or to SETUP of a track that plays, is out: send.
    Run,
    /// Stop these tracks. Answered when the last packet is out.
    Pause(Vec<usize>, Sender<()>),
    /// Stop all tracks when playback gets there.
    PauseAt(MediaTime, Sender<Result<(), PlayError>>),
    /// Say goodbye on a track and forget it.
    RemoveTrack(usize, Sender<()>),
    /// End the session.
    End(EndReason, Option<Sender<()>>),
}

/// A track that was set up.
pub struct NewTrack {
    /// Index in the recording.
    pub track: usize,
    /// Where its packets go.
    pub transport: Box<dyn Transport>,
    /// How they are made.
    pub payloader: Box<dyn Payloader>,
    /// What their headers count.
    pub stream: RtpStream,
    /// The random start of their timestamps.
    pub first_rtptime: u32,
}

impl NewTrack {
    /// A track whose packets start at random numbers (RFC 3550 section 5.1) and have this SSRC.
    pub fn new(
        track: usize,
        transport: Box<dyn Transport>,
        payloader: Box<dyn Payloader>,
        ssrc: u32,
        config: &Config,
    ) -> Self {
        let (payload_type, sequence) = (payload_type(&*payloader, track), u16::from_ne_bytes(random()));
        let stream = RtpStream::new(payload_type, ssrc, sequence, config.rtp.udp_max_payload_size);
        let first_rtptime = u32::from_ne_bytes(random()) & FIRST_RTPTIME_MASK | 1;
        Self { track, transport, payloader, stream, first_rtptime }
    }
}

/// The payload type of a track: the format's own, or one of the dynamic range (RFC 3551 section 6).
pub fn payload_type(payloader: &dyn Payloader, track: usize) -> u8 {
    payloader.static_payload_type().unwrap_or(96 + (track % 32) as u8)
}

/// How the configuration wants samples to be spread over time.
pub fn pacing(config: &Config) -> Pacing {
    Pacing {
        lead: config.rtp.lead,
        scale_max: config.play.scale_max,
        speed_max: config.play.speed_max,
        picture_rate_max: config.play.picture_rate_max,
        key_frame_rate_max: config.play.key_frame_rate_max,
        ..Pacing::default()
    }
}

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The client said so.
    Teardown,
    /// No sign of life.
    TimedOut,
    /// The connection its media went through is gone.
    ConnectionClosed,
    /// The client takes no data, or cannot be reached.
    CannotSend(String),
    /// The server stops.
    Shutdown,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Teardown => f.write_str("torn down"),
            Self::TimedOut => f.write_str("timed out"),
            Self::ConnectionClosed => f.write_str("connection closed"),
            Self::CannotSend(error) => write!(f, "cannot send: {error}"),
            Self::Shutdown => f.write_str("server stops"),
        }
    }
}

/// Starts a session's streaming thread.
///
/// # Errors
/// When there can be none, or the server stops.
pub fn spawn(shared: &Arc<Shared>, session: &Arc<Session>, player: Player, orders: Receiver<Order>) -> io::Result<()> {
    let token = shared.thread_token().ok_or_else(|| io::Error::other("the server stops"))?;
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    thread::Builder::new().name("streamer".to_owned()).stack_size(STACK_LEN).spawn(move || {
        let _token = token;
        run(&shared, &session, player, orders);
    })?;
    Ok(())
}

/// Runs a session's streaming thread to its end. The session is out of the registry when this returns, even if it
/// panicked.
fn run(shared: &Shared, session: &Arc<Session>, player: Player, orders: Receiver<Order>) {
    let _leave = Leave { shared, session };
    let streamer = Streamer::new(shared, session, player, orders);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || streamer.run()));
    if let Err(panic) = ended {
        log::error!(
            "{}: {}: session {} ended: fault: {}",
            session.peer,
            session.file.display(),
            session.id,
            panic_text(&*panic)
        );
    }
}

/// Takes the session out of the registry, so that who is told of its end finds its place and its channels free.
fn leave(shared: &Shared, session: &Session) {
    session.mark_ended();
    shared.registry.remove(&session.id);
}

/// The same, whatever happens.
struct Leave<'a> {
    shared: &'a Shared,
    session: &'a Session,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        leave(self.shared, self.session);
    }
}

struct Streamer<'a> {
    shared: &'a Shared,
    session: &'a Arc<Session>,
    player: Player,
    orders: Receiver<Order>,
    transports: Vec<Option<Box<dyn Transport>>>,
    /// Other ways for tracks, whose responses are not out yet: track, way, and longest packet.
    moving: Vec<(usize, Box<dyn Transport>, usize)>,
    next_rtcp: Instant,
    wall_clock: WallClock,
    rtcp_buffer: Vec<u8>,
    started: Instant,
    /// PLAY was answered once.
    has_played: bool,
    sent: Sent,
}

/// What time it is when. Read once for a session: were each report to read the clocks anew, the tracks would lie to
/// each other as far apart as the thread was interrupted in between, and would jump when the system's clock is set.
struct WallClock {
    instant: Instant,
    time: SystemTime,
}

impl WallClock {
    fn ntp(&self, at: Instant) -> NtpTime {
        NtpTime::from(self.time + at.saturating_duration_since(self.instant))
    }
}

/// What the session's last log line tells.
#[derive(Debug, Default)]
struct Sent {
    packets: u64,
    bytes: u64,
    /// Damage that was stepped over; the first is logged.
    skipped: u64,
    /// Datagrams that the system refused; the first is logged.
    refused: u64,
}

impl<'a> Streamer<'a> {
    fn new(shared: &'a Shared, session: &'a Arc<Session>, player: Player, orders: Receiver<Order>) -> Self {
        let now = Instant::now();
        Self {
            shared,
            session,
            player,
            orders,
            transports: session.recording.tracks().iter().map(|_| None).collect(),
            moving: Vec::new(),
            next_rtcp: now + RTCP_INTERVAL,
            wall_clock: WallClock { instant: now, time: SystemTime::now() },
            rtcp_buffer: Vec::new(),
            started: now,
            has_played: false,
            sent: Sent::default(),
        }
    }

    fn run(mut self) {
        let reason = loop {
            let now = Instant::now();
            if now >= self.next_rtcp {
                self.exchange_rtcp(now);
                // Whoever is always behind never waits, and would not look below.
                if now >= self.deadline() {
                    break self.time_out();
                }
            }
            let wake = match self.advance(now) {
                Ok(wake) => wake,
                Err(reason) => break reason,
            };
            // Woken by an order, by the next packet's time, by RTCP's or by the session's own deadline.
            let order = match wake {
                None => self.orders.try_recv().ok(),
                Some(due) => {
                    let deadline = self.deadline();
                    match self.orders.recv_deadline(due.min(self.next_rtcp).min(deadline)) {
                        Ok(order) => Some(order),
                        Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => None,
                        // Another sign of life may have come since the deadline was read, or may lie in a socket.
                        Err(RecvTimeoutError::Timeout) if self.has_sign_of_life() => None,
                        Err(RecvTimeoutError::Timeout) => break self.time_out(),
                        Err(RecvTimeoutError::Disconnected) => break EndReason::Shutdown,
                    }
                }
            };
            if let Some(order) = order
                && let Some(reason) = self.obey(order)
            {
                break reason;
            }
        };
        self.end(&reason);
    }

    fn time_out(&mut self) -> EndReason {
        leave(self.shared, self.session);
        self.say_goodbye_to_all();
        EndReason::TimedOut
    }

    fn has_sign_of_life(&mut self) -> bool {
        self.receive_all_rtcp();
        Instant::now() < self.deadline()
    }

    /// Whoever has paused says nothing for as long as it takes (FFmpeg, mpv): the open connection is sign enough.
    fn deadline(&self) -> Instant {
        if self.has_played && !self.player.is_playing() && self.session.is_connected() {
            self.session.note_life();
        }
        self.session.deadline(self.shared.config().rtsp.session_timeout)
    }

    /// Takes one step of playback. `None`: there is more to do at once; else when there will be.
    fn advance(&mut self, now: Instant) -> Result<Option<Instant>, EndReason> {
        match self.player.poll(now) {
            Ok(Step::Begin { track, shown }) => {
                self.report(track, shown.max(now), rtcp::sender_report);
                Ok(None)
            }
            Ok(Step::Send { track, batch, packets }) => {
                let Some(transport) = &mut self.transports[track] else { return Ok(None) };
                self.sent.packets += packets.len() as u64;
                self.sent.bytes += packets.clone().map(|index| batch.packet_len(index) as u64).sum::<u64>();
                if let Err(error) = transport.send(batch, packets) {
                    if !transport.is_datagram() {
                        return Err(EndReason::CannotSend(error.to_string()));
                    }
                    self.note_refused(&error);
                }
                Ok(None)
            }
            Ok(Step::Wait(due)) => Ok(Some(due)),
            Ok(Step::Idle) => Ok(Some(self.next_rtcp)),
            Ok(Step::Skipped(error)) => {
                self.note_skipped(&error);
                Ok(None)
            }
            Ok(Step::Paused) => {
                self.note_playing();
                Ok(None)
            }
            Ok(Step::Ended) => {
                self.finish_playback();
                Ok(None)
            }
            Err(error) => {
                self.log_warning(&format!("playback ends here: {error}"));
                self.finish_playback();
                Ok(None)
            }
        }
    }

    /// Does what was ordered; a reason, if that ends the session.
    fn obey(&mut self, order: Order) -> Option<EndReason> {
        match order {
            Order::AddTrack(new, reply) => {
                let NewTrack { track, transport, payloader, stream, first_rtptime } = *new;
                self.player.add_track(track, payloader, stream, first_rtptime, transport.is_datagram());
                self.transports[track] = Some(transport);
                let _ = reply.send(());
            }
            Order::MoveTrack(track, transport, packet_len_max, reply) => {
                self.moving.push((track, transport, packet_len_max));
                let _ = reply.send(());
            }
            Order::LimitPackets(tracks, packet_len_max) => {
                tracks.into_iter().for_each(|track| self.player.limit_packets(track, packet_len_max));
            }
            Order::Play(tracks, request, reply) => {
                let point = self.player.play(&tracks, &request, Instant::now());
                self.has_played |= point.is_ok();
                let _ = reply.send(point);
            }
            Order::Run => {
                for (track, transport, packet_len_max) in std::mem::take(&mut self.moving) {
                    self.player.move_track(track, transport.is_datagram(), packet_len_max);
                    self.transports[track] = Some(transport);
                }
                let now = Instant::now();
                self.player.run(now);
                self.next_rtcp = now + RTCP_INTERVAL;
            }
            Order::PauseAt(point, reply) => {
                let _ = reply.send(self.player.pause_at(point, Instant::now()));
            }
            Order::Pause(tracks, reply) => {
                self.player.pause(&tracks);
                self.note_playing();
                let _ = reply.send(());
            }
            Order::RemoveTrack(track, reply) => {
                self.say_goodbye(track);
                self.transports[track] = None;
                self.player.remove_track(track);
                self.note_playing();
                let _ = reply.send(());
            }
            Order::End(reason, reply) => {
                leave(self.shared, self.session);
                if reason != EndReason::ConnectionClosed {
                    self.say_goodbye_to_all();
                }
                if let Some(reply) = reply {
                    let _ = reply.send(());
                }
                return Some(reason);
            }
        }
        None
    }

    /// The end of the recording or of the range: every track says goodbye, so that clients need not guess. The session
    /// stays and can play again.
    fn finish_playback(&mut self) {
        debug!("{}: {}: played to its end", self.session.peer, self.session.file.display());
        self.say_goodbye_to_all();
        self.note_playing();
    }

    fn note_playing(&self) {
        let is_playing = self.player.is_playing();
        self.session.with_state(|state| state.is_playing = is_playing);
    }

    fn say_goodbye_to_all(&mut self) {
        (0..self.transports.len()).for_each(|track| self.say_goodbye(track));
    }

    /// Sends a report on every track that plays, and reads what the clients sent.
    fn exchange_rtcp(&mut self, now: Instant) {
        self.next_rtcp = now + RTCP_INTERVAL;
        self.receive_all_rtcp();
        if self.player.is_playing() {
            let active: Vec<usize> = self.player.active_tracks().collect();
            active.into_iter().for_each(|track| self.report(track, now, rtcp::sender_report));
        }
    }

    /// Who never sent a packet must not say goodbye (RFC 3550 section 6.3.7); who pauses has sent some.
    fn say_goodbye(&mut self, track: usize) {
        let is_active = self.player.active_tracks().any(|active| active == track);
        if is_active || self.player.stream(track).is_some_and(|stream| stream.packet_count() > 0) {
            self.report(track, Instant::now(), rtcp::sender_report_and_bye);
        }
    }

    /// Sends a report that says which timestamp belongs to the time `at`, which is now or soon.
    fn report(&mut self, track: usize, at: Instant, write: fn(&mut Vec<u8>, NtpTime, u32, &RtpStream, &str)) {
        let rtptime = self.player.rtptime_at(track, at);
        let (Some(transport), Some(stream), Some(rtptime)) =
            (&mut self.transports[track], self.player.stream(track), rtptime)
        else {
            return;
        };
        self.rtcp_buffer.clear();
        let ntp = self.wall_clock.ntp(self.player.report_time(at));
        write(&mut self.rtcp_buffer, ntp, rtptime, stream, &self.shared.cname);
        // A broken connection shows with the next packet, or is already known.
        let _ = transport.send_rtcp(&self.rtcp_buffer);
    }

    fn receive_all_rtcp(&mut self) {
        (0..self.transports.len()).for_each(|track| self.receive_rtcp(track));
    }

    fn receive_rtcp(&mut self, track: usize) {
        let Some(transport) = &mut self.transports[track] else { return };
        if !transport.is_datagram() {
            return;
        }
        let mut buffer = [0; RTCP_LEN_MAX];
        let mut has_left = false;
        for _ in 0..RTCP_COUNT_MAX {
            let Some(len) = transport.receive_rtcp(&mut buffer) else { break };
            has_left |= self.session.receive_rtcp(track, &buffer[..len]);
        }
        if has_left {
            debug!("{}: {}: the client left track {track}", self.session.peer, self.session.file.display());
            self.player.pause(&[track]);
            self.note_playing();
        }
    }

    fn note_skipped(&mut self, error: &media::Error) {
        self.sent.skipped += 1;
        if self.sent.skipped == 1 {
            self.log_warning(&error.to_string());
        }
    }

    fn note_refused(&mut self, error: &std::io::Error) {
        self.sent.refused += 1;
        if self.sent.refused == 1 {
            self.log_warning(&format!("packets cannot be sent: {error}"));
        }
    }

    fn log_warning(&self, what: &str) {
        let Session { peer, file, id, .. } = &**self.session;
        warn!("{peer}: {}: session {id}: {what}", file.display());
    }

    fn end(&self, reason: &EndReason) {
        let Session { peer, file, id, .. } = &**self.session;
        let Sent { packets, bytes, skipped, refused } = self.sent;
        let (lost, jitter) = self.session.with_state(|state| {
            let reports = || {
                state.tracks.iter().enumerate().filter_map(|(track, set_up)| Some((track, set_up.as_ref()?.report?)))
            };
            // Negative where packets came twice (RFC 3550 section 6.4.1).
            let lost: i64 = reports().map(|(_, report)| i64::from(report.cumulative_lost.max(0))).sum();
            let jitter = reports().filter_map(|(track, report)| self.player.ticks_to_millis(track, report.jitter));
            (lost, jitter.reduce(f64::max))
        });
        let mut figures =
            format!("{:.1} s, {packets} packets, {bytes} bytes, {lost} lost", self.started.elapsed().as_secs_f64());
        if let Some(jitter) = jitter {
            figures += &format!(", jitter {jitter:.1} ms");
        }
        if skipped > 0 {
            figures += &format!(", {skipped} damaged places skipped");
        }
        if refused > 0 {
            figures += &format!(", {refused} sends refused");
        }
        info!("{peer}: {}: session {id} ended: {reason}; {figures}", file.display());
    }
}
