//! The thread that answers for a group: it starts the stream for the first viewer and ends it after the last one.
//!
//! It waits in one place, for calls, for the first viewer whose time is up, and for the server's stop.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, never, select};
use log::{error, info, warn};

use super::{Call, Group};
use crate::config::Multicast;
use crate::media::Recording;
use crate::media::container::Options;
use crate::player::{PlayError, PlayPoint, PlayRequest, Player};
use crate::rtp::payloader_for;
use crate::server::session::{Orders, Session, SetUpTrack, random_id};
use crate::server::streamer::{self, EndReason, NewTrack, Order};
use crate::server::transport::{self, Sizes};
use crate::server::{Shared, panic_text};

/// How often a channel that is always sent is looked after.
const ALWAYS_INTERVAL: Duration = Duration::from_secs(5);

/// Answers for a group until the server stops. A panic ends the group's sessions, and nothing else.
pub fn run(shared: &Arc<Shared>, group: &Arc<Group>, calls: &Receiver<Call>) {
    loop {
        let mut manager = Manager::new(shared, group, calls);
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| manager.run())) else {
            return manager.end_all(&EndReason::Shutdown);
        };
        error!("{}: group {}: fault: {}", group.path.display(), group.config.group, panic_text(&*panic));
        manager.end_all(&EndReason::CannotSend("a fault".to_owned()));
    }
}

struct Manager<'a> {
    shared: &'a Arc<Shared>,
    group: &'a Arc<Group>,
    calls: &'a Receiver<Call>,
    /// The session that goes to the group.
    stream: Option<Arc<Session>>,
    /// When a channel that is always sent is looked after next.
    next_care: Instant,
    /// Why it could not be sent, as last logged.
    complaint: String,
}

impl<'a> Manager<'a> {
    fn new(shared: &'a Arc<Shared>, group: &'a Arc<Group>, calls: &'a Receiver<Call>) -> Self {
        Self { shared, group, calls, stream: None, next_care: Instant::now(), complaint: String::new() }
    }

    fn run(&mut self) {
        loop {
            let now = Instant::now();
            self.end_silent_viewers(now);
            if self.group.config.is_always_on && now >= self.next_care {
                self.next_care = now + ALWAYS_INTERVAL;
                self.keep_on_air();
            }
            let timer = self.next_look().map_or_else(never, at);
            select! {
                recv(self.calls) -> call => match call {
                    Ok(call) => self.answer(call),
                    Err(_) => return,
                },
                recv(self.shared.stopping) -> _ => return,
                recv(timer) -> _ => {}
            }
        }
    }

    fn answer(&mut self, call: Call) {
        match call {
            Call::Join(session, reply) => {
                let joined = self.stream_of(&session.recording).map(|_| self.add_viewer(&session));
                let _ = reply.send(joined);
            }
            Call::Of(id, order) => {
                let viewers = self.viewers();
                // Whoever waits for an answer hears that there is none when the order is dropped.
                if let Some(viewer) = viewers.iter().find(|viewer| viewer.id == id) {
                    self.obey(viewer, order);
                }
            }
        }
    }

    /// Does what a viewer orders, as far as it is about that viewer alone.
    fn obey(&mut self, viewer: &Arc<Session>, order: Order) {
        match order {
            Order::Play(_, _, reply) => {
                if let Some(point) = self.play(&viewer.recording) {
                    let _ = reply.send(point);
                }
            }
            Order::Run => self.run_stream(),
            // The others go on watching, and so may this one, later.
            Order::Pause(_, reply) | Order::RemoveTrack(_, reply) => {
                viewer.with_state(|state| state.is_playing = false);
                let _ = reply.send(());
            }
            Order::PauseAt(_, reply) => {
                let _ = reply.send(Ok(()));
            }
            // What goes to all is not one viewer's to change.
            Order::LimitPackets(..) => {}
            Order::AddTrack(_, reply) | Order::MoveTrack(.., reply) => drop(reply),
            Order::End(reason, reply) => {
                self.remove_viewer(viewer, &reason);
                if let Some(reply) = reply {
                    let _ = reply.send(());
                }
            }
        }
    }

    fn viewers(&self) -> Vec<Arc<Session>> {
        self.group.viewers.with(|viewers| viewers.clone())
    }

    fn add_viewer(&self, viewer: &Arc<Session>) {
        self.group.viewers.with(|viewers| viewers.push(Arc::clone(viewer)));
    }

    fn remove_viewer(&mut self, viewer: &Arc<Session>, reason: &EndReason) {
        let is_last = self.group.viewers.with(|viewers| {
            viewers.retain(|other| !Arc::ptr_eq(other, viewer));
            viewers.is_empty()
        });
        viewer.mark_ended();
        self.shared.registry.remove(&viewer.id);
        info!("{}: {}: session {} ended: {reason}", viewer.peer, viewer.file.display(), viewer.id);
        if is_last && !self.group.config.is_always_on {
            self.end_stream(&EndReason::Teardown);
        }
    }

    fn end_silent_viewers(&mut self, now: Instant) {
        let timeout = self.shared.config().rtsp.session_timeout;
        for viewer in self.viewers().into_iter().filter(|viewer| viewer.deadline(timeout) <= now) {
            self.remove_viewer(&viewer, &EndReason::TimedOut);
        }
    }

    /// When something is to be done though nobody calls.
    fn next_look(&self) -> Option<Instant> {
        let timeout = self.shared.config().rtsp.session_timeout;
        let viewers = self.viewers();
        let deadlines = viewers.iter().map(|viewer| viewer.deadline(timeout));
        deadlines.chain(self.group.config.is_always_on.then_some(self.next_care)).min()
    }

    /// The stream that goes to the group, begun with `recording` where there is none.
    fn stream_of(&mut self, recording: &Arc<dyn Recording>) -> io::Result<Arc<Session>> {
        if let Some(stream) = self.stream.as_ref().filter(|stream| !stream.has_ended()) {
            return Ok(Arc::clone(stream));
        }
        let stream = self.begin_stream(recording)?;
        let Multicast { group, port, ttl, .. } = self.group.config();
        info!("{}: goes to {group}, ports from {port} on, ttl {ttl}", self.group.path.display());
        self.group.running.with(|running| *running = Some(Arc::clone(recording)));
        Ok(Arc::clone(self.stream.insert(stream)))
    }

    fn begin_stream(&self, recording: &Arc<dyn Recording>) -> io::Result<Arc<Session>> {
        let config = self.shared.config();
        let player = Player::new(Arc::clone(recording), streamer::pacing(&config), Instant::now());
        let player = player.map_err(io::Error::other)?;
        let (orders, receiver) = crossbeam_channel::bounded(0);
        let (to, orders) = ((self.group.config.group, None), Orders::Streamer(orders));
        let stream = Session::new(random_id(), self.group.path.clone(), Arc::clone(recording), to, orders);
        let stream = Arc::new(stream.unattended());
        let mut tracks = Vec::new();
        for (track, of) in recording.tracks().iter().enumerate() {
            // What RTP cannot carry is not in the description either.
            let Ok(payloader) = payloader_for(&of.codec, &self.shared.payload_options) else { continue };
            let transport = transport::Multicast::open(self.shared, self.group, track, Sizes::from(&*config))?;
            tracks.push(NewTrack::new(track, Box::new(transport), payloader, self.group.ssrc(track), &config));
        }
        streamer::spawn(self.shared, &stream, player, receiver)?;
        for new in tracks {
            let (track, ssrc) = (new.track, self.group.ssrc(new.track));
            let added = stream.ask(|reply| Order::AddTrack(Box::new(new), reply));
            added.ok_or_else(|| io::Error::other("the streaming thread does not answer"))?;
            let set_up = SetUpTrack { url: String::new(), ssrc, connection: None, report: None };
            stream.with_state(|state| state.tracks[track] = Some(set_up));
        }
        Ok(stream)
    }

    /// Where the stream is, or where it will begin; `None` if it cannot be had.
    fn play(&mut self, recording: &Arc<dyn Recording>) -> Option<Result<PlayPoint, PlayError>> {
        let stream = self.stream_of(recording).map_err(|error| self.complain(&error.to_string())).ok()?;
        let tracks = stream.with_state(|state| {
            let tracks = state.tracks.iter().enumerate();
            tracks.filter(|(_, set_up)| set_up.is_some()).map(|(track, _)| track).collect()
        });
        stream.ask(|reply| Order::Play(tracks, PlayRequest::default(), reply))
    }

    /// Lets the stream run; if it does already, there is nothing to do.
    fn run_stream(&self) {
        if let Some(stream) = self.stream.as_ref().filter(|stream| !is_playing(stream)) {
            stream.with_state(|state| state.is_playing = true);
            let _ = stream.order(Order::Run);
        }
    }

    fn keep_on_air(&mut self) {
        if self.stream.as_ref().is_some_and(|stream| !stream.has_ended() && is_playing(stream)) {
            return;
        }
        let options = Options::from(&*self.shared.config());
        match self.shared.library.open(&self.group.path, &options) {
            Ok(found) => match self.play(&found.recording) {
                Some(Ok(_)) => {
                    self.complaint.clear();
                    self.run_stream();
                }
                Some(Err(error)) => self.complain(&error.to_string()),
                None => {}
            },
            Err(error) => self.complain(&error.to_string()),
        }
    }

    /// Logs a reason once, not at every attempt.
    fn complain(&mut self, reason: &str) {
        if self.complaint != reason {
            warn!("{}: nothing can be sent to {}: {reason}", self.group.path.display(), self.group.config.group);
            reason.clone_into(&mut self.complaint);
        }
    }

    fn end_stream(&mut self, reason: &EndReason) {
        self.group.running.with(Option::take);
        if let Some(stream) = self.stream.take() {
            let _ = stream.ask(|reply| Order::End(reason.clone(), Some(reply)));
        }
    }

    fn end_all(&mut self, reason: &EndReason) {
        self.end_stream(reason);
        for viewer in self.viewers() {
            self.remove_viewer(&viewer, reason);
        }
    }
}

fn is_playing(stream: &Session) -> bool {
    stream.with_state(|state| state.is_playing)
}
