//! Multicast: channels of which one stream goes to a group, for all who watch.
//!
//! A viewer has a session like any other, except that its orders go to the group's [`manager`], which answers for all.
//! The stream is a session of its own, which nobody can name, with a streaming thread as every session has.

mod manager;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::Shared;
use super::session::{Orders, Session, random};
use super::streamer::Order;
use crate::config::{Channel, Multicast};
use crate::media::Recording;
use crate::rtp::rtcp;
use crate::rtsp::headers::{PortPair, Protocol, TransportSpec};
use crate::sync::Leaf;

/// How long a new viewer may wait for the manager, which may be waiting for a disk in turn.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Stack of a manager, in bytes. Only what is touched takes memory.
const STACK_LEN: usize = 512 << 10;

/// All groups, by the path of their channel.
pub struct Groups {
    by_path: HashMap<PathBuf, Arc<Group>>,
}

/// A channel's group.
pub struct Group {
    path: PathBuf,
    config: Multicast,
    calls: Sender<Call>,
    /// Who watches. Changed by the manager alone.
    viewers: Leaf<Vec<Arc<Session>>>,
    /// What goes to the group now, if anything does.
    running: Leaf<Option<Arc<dyn Recording>>>,
    /// SSRC of the first track; the others count on from it.
    first_ssrc: u32,
}

/// A group whose manager is not there yet.
pub struct Unmanaged {
    group: Arc<Group>,
    calls: Receiver<Call>,
}

/// What the manager of a group is told.
pub enum Call {
    /// A viewer has come.
    Join(Arc<Session>, Sender<io::Result<()>>),
    /// An order to the viewer whose session has this id.
    Of(String, Order),
}

impl Groups {
    /// The groups of the configuration, and those who are still to be given a manager: the same.
    pub fn new(channels: &[Channel]) -> (Self, Vec<Unmanaged>) {
        let group = |channel: &Channel| {
            let (calls, receiver) = crossbeam_channel::bounded(0);
            let group = Group {
                path: channel.path.clone(),
                config: channel.multicast.clone()?,
                calls,
                viewers: Leaf::default(),
                running: Leaf::default(),
                first_ssrc: u32::from_ne_bytes(random()),
            };
            Some(Unmanaged { group: Arc::new(group), calls: receiver })
        };
        let unmanaged: Vec<Unmanaged> = channels.iter().filter_map(group).collect();
        let by_path = unmanaged.iter().map(|Unmanaged { group, .. }| (group.path.clone(), Arc::clone(group))).collect();
        (Self { by_path }, unmanaged)
    }

    /// The group of the channel at a path.
    pub fn find(&self, path: &Path) -> Option<&Arc<Group>> {
        self.by_path.get(path)
    }
}

impl Unmanaged {
    /// Starts the group's manager.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(self, shared: &Arc<Shared>) -> io::Result<()> {
        let Some(token) = shared.thread_token() else { return Ok(()) };
        let shared = Arc::clone(shared);
        thread::Builder::new().name("group".to_owned()).stack_size(STACK_LEN).spawn(move || {
            let _token = token;
            manager::run(&shared, &self.group, &self.calls);
        })?;
        Ok(())
    }
}

impl Group {
    /// How it is sent.
    pub fn config(&self) -> &Multicast {
        &self.config
    }

    /// What goes to the group now, if anything does. Who joins is told of this, whatever the file is meanwhile.
    pub fn running(&self) -> Option<Arc<dyn Recording>> {
        self.running.with(|running| running.clone())
    }

    /// The ports of a track; `None` where they are used up.
    pub fn ports(&self, track: usize) -> Option<PortPair> {
        let rtp = u16::try_from(track).ok()?.checked_mul(2)?.checked_add(self.config.port)?;
        Some(PortPair { rtp, rtcp: rtp.checked_add(1)? })
    }

    /// SSRC of a track.
    pub fn ssrc(&self, track: usize) -> u32 {
        self.first_ssrc.wrapping_add(track as u32)
    }

    /// How the response to SETUP describes the way of a track.
    pub fn transport(&self, track: usize) -> TransportSpec {
        TransportSpec {
            multicast: true,
            destination: Some(self.config.group.to_string()),
            port: self.ports(track),
            ttl: Some(self.config.ttl),
            ssrc: Some(self.ssrc(track)),
            ..TransportSpec::new(Protocol::RtpUdp)
        }
    }

    /// Where the orders of its viewers go.
    pub fn orders(&self) -> Orders {
        Orders::Group(self.calls.clone())
    }

    /// Adds a viewer.
    ///
    /// # Errors
    /// When nothing can be sent to the group, or the manager is not there.
    pub fn join(&self, session: &Arc<Session>) -> io::Result<()> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        let gone = |_| io::Error::other("its thread does not answer");
        self.calls.send_timeout(Call::Join(Arc::clone(session), reply), JOIN_TIMEOUT).map_err(|_| gone(()))?;
        answer.recv_timeout(JOIN_TIMEOUT).map_err(|_| gone(()))?
    }

    /// Takes in RTCP that came to the group. A report about our packets is a sign of life of all viewers at its
    /// address, for no report tells whose it is. Our own reports, which come back to us, are none.
    pub fn receive_rtcp(&self, from: SocketAddr, track: usize, packet: &[u8]) {
        let reports = rtcp::parse(packet).reports;
        if reports.iter().any(|report| report.ssrc == self.ssrc(track)) {
            for viewer in self.viewers_at(from.ip().to_canonical()) {
                // Who leaves does so by TEARDOWN, or falls silent.
                let _ = viewer.receive_rtcp(track, packet);
            }
        }
    }

    fn viewers_at(&self, address: IpAddr) -> Vec<Arc<Session>> {
        self.viewers.with(|viewers| viewers.iter().filter(|viewer| viewer.peer == address).cloned().collect())
    }
}
