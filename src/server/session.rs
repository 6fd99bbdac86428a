//! Sessions: what a worker and a streaming thread share of one, and the registry of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::connection::Attached;
use super::group::Call;
use super::streamer::Order;
use crate::media::Recording;
use crate::rtp::rtcp;
use crate::sync::Leaf;

/// How long an order may wait for the streaming thread, which may be waiting for a slow client in turn.
const ORDER_TIMEOUT: Duration = Duration::from_secs(15);

/// When to look again at a session that needs no sign of life.
const UNATTENDED_WAIT: Duration = Duration::from_secs(3600);

/// One viewer of one recording.
pub struct Session {
    /// 64 random bits in hexadecimal: nobody guesses it, and no client stumbles over its characters.
    pub id: String,
    /// The recording's path below the root, for the log and to tell another file.
    pub file: PathBuf,
    /// Opened by the first SETUP and kept, whatever happens to the file.
    pub recording: Arc<dyn Recording>,
    /// The client's address.
    pub peer: IpAddr,
    /// Who logged in for it; `None` where nobody has to.
    user: Option<String>,
    orders: Orders,
    state: Leaf<SessionState>,
    /// Nanoseconds from `born` to the last sign of life.
    last_sign: AtomicU64,
    born: Instant,
    has_ended: AtomicBool,
    /// It needs no sign of life.
    is_unattended: bool,
}

/// Who carries out a session's orders. Always a rendezvous, so that no order is left with a thread that has ended.
pub enum Orders {
    /// Its own streaming thread.
    Streamer(Sender<Order>),
    /// The manager of the group that it is a viewer of.
    Group(Sender<Call>),
}

/// What changes of a session.
#[derive(Debug, Default)]
pub struct SessionState {
    /// What was set up for each track of the recording.
    pub tracks: Vec<Option<SetUpTrack>>,
    /// PLAY was answered, and neither PAUSE nor the end came since.
    pub is_playing: bool,
    /// What hangs on the connection that last named it, for as long as that is open.
    pub connection: Weak<Attached>,
}

/// A track after SETUP.
#[derive(Debug, Clone, PartialEq)]
pub struct SetUpTrack {
    /// The URL of the track as SETUP had it: RTP-Info must repeat it to the letter.
    pub url: String,
    /// Of our packets, to know which report blocks are about them.
    pub ssrc: u32,
    /// The connection it is interleaved in, if it is.
    pub connection: Option<u64>,
    /// What the client last reported.
    pub report: Option<rtcp::Report>,
}

impl Session {
    /// A session of a client.
    pub fn new(
        id: String,
        file: PathBuf,
        recording: Arc<dyn Recording>,
        (peer, user): (IpAddr, Option<String>),
        orders: Orders,
    ) -> Self {
        let tracks = vec![None; recording.tracks().len()];
        Self {
            id,
            file,
            recording,
            peer,
            user,
            orders,
            state: Leaf::new(SessionState { tracks, ..SessionState::default() }),
            last_sign: AtomicU64::new(0),
            born: Instant::now(),
            has_ended: AtomicBool::new(false),
            is_unattended: false,
        }
    }

    /// The same, but it does not end for want of a sign of life.
    pub fn unattended(self) -> Self {
        Self { is_unattended: true, ..self }
    }

    /// Whether it is a viewer of a group, whose stream others may watch as well.
    pub fn is_in_group(&self) -> bool {
        matches!(self.orders, Orders::Group(_))
    }

    /// Whether a request of this user, or where nobody logs in, from this address, may use it. An id that leaked is
    /// of no use to anybody else (CVE-2026-41470 of LIVE555: sessions of others could be played and torn down).
    pub fn belongs_to(&self, user: Option<&str>, peer: IpAddr) -> bool {
        match &self.user {
            Some(owner) => user == Some(owner),
            None => user.is_none() && peer == self.peer,
        }
    }

    /// Looks at or changes what changes.
    pub fn with_state<R>(&self, access: impl FnOnce(&mut SessionState) -> R) -> R {
        self.state.with(access)
    }

    /// Whether the connection that last named it is open.
    pub fn is_connected(&self) -> bool {
        self.with_state(|state| state.connection.strong_count() > 0)
    }

    /// The client is there.
    pub fn note_life(&self) {
        self.last_sign.store(self.born.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// When the session ends unless another sign of life comes within `timeout` of the last.
    pub fn deadline(&self, timeout: Duration) -> Instant {
        if self.is_unattended {
            return Instant::now() + UNATTENDED_WAIT;
        }
        self.born + Duration::from_nanos(self.last_sign.load(Ordering::Relaxed)) + timeout
    }

    /// Gives an order. False when the session has ended, or its thread did not take it in time.
    #[must_use]
    pub fn order(&self, order: Order) -> bool {
        self.order_by(order, Instant::now() + ORDER_TIMEOUT)
    }

    /// As [`Self::order`], but only if the thread takes it by then.
    #[must_use]
    pub fn order_by(&self, order: Order, deadline: Instant) -> bool {
        match &self.orders {
            Orders::Streamer(orders) => orders.send_deadline(order, deadline).is_ok(),
            Orders::Group(calls) => calls.send_deadline(Call::Of(self.id.clone(), order), deadline).is_ok(),
        }
    }

    /// As [`Self::order`], with the thread's answer.
    pub fn ask<T>(&self, order: impl FnOnce(Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        if !self.order(order(reply)) {
            return None;
        }
        answer.recv_timeout(ORDER_TIMEOUT).ok()
    }

    /// The streaming thread is leaving.
    pub fn mark_ended(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Whether the streaming thread has left.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Takes in RTCP from the client for `track`; true if it says goodbye. Reports about the packets of others are
    /// those of a stranger, or of a client that has mistaken us for one: they are ignored, and no sign of life.
    #[must_use]
    pub fn receive_rtcp(&self, track: usize, packet: &[u8]) -> bool {
        let received = rtcp::parse(packet);
        let is_ours = self.with_state(|state| {
            let Some(Some(set_up)) = state.tracks.get_mut(track) else { return false };
            let block = received.reports.iter().find(|block| block.ssrc == set_up.ssrc);
            set_up.report = block.copied().or(set_up.report);
            // A receiver that has got nothing yet reports nothing.
            block.is_some() || received.packet_count > 0 && received.reports.is_empty()
        });
        if is_ours {
            self.note_life();
        }
        is_ours && received.bye
    }
}

/// All sessions by id.
#[derive(Default)]
pub struct Registry {
    sessions: Leaf<HashMap<String, Arc<Session>>>,
}

impl Registry {
    /// The session named `id`.
    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions.with(|sessions| sessions.get(id).cloned())
    }

    /// Adds a session unless there are `max` already.
    #[must_use]
    pub fn add(&self, session: Arc<Session>, max: usize) -> bool {
        self.sessions.with(|sessions| {
            let has_room = sessions.len() < max;
            if has_room {
                sessions.insert(session.id.clone(), session);
            }
            has_room
        })
    }

    /// Takes a session out.
    pub fn remove(&self, id: &str) {
        self.sessions.with(|sessions| sessions.remove(id));
    }

    /// All sessions now.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.with(|sessions| sessions.values().cloned().collect())
    }
}

/// `N` random bytes from the kernel.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without the kernel's randomness nothing here can be made safe; the panic ends this one request.
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// A new session id.
pub fn random_id() -> String {
    format!("{:016X}", u64::from_ne_bytes(random()))
}
