//! Two network namespaces with a cable between them. Multicast goes nowhere else, least of all onto the interfaces of
//! the machine that runs the tests.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Where the server is, on both versions of IP.
pub const SERVER: &str = "10.99.0.1";
pub const SERVER_V6: &str = "fd99::1";
/// Where the clients are.
pub const CLIENT: &str = "10.99.0.2";

/// Two machines, as far as the network is concerned. They are gone when this is dropped.
pub struct Lan {
    names: [String; 2],
}

/// One of the two.
#[derive(Debug, Clone, Copy)]
pub enum End {
    Server = 0,
    Client = 1,
}

impl Lan {
    /// Lays the cable; `None`, and a word on standard error, where that is not allowed.
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let names = ["server", "client"].map(|end| format!("camreel-{}-{number}-{end}", std::process::id()));
        let lan = Self { names };
        match lan.lay() {
            Ok(()) => Some(lan),
            Err(error) => {
                // Not through the macro, whose output the test runner keeps to itself.
                let _ = writeln!(std::io::stderr(), "SKIPPED, for there can be no network namespaces here: {error}");
                None
            }
        }
    }

    fn lay(&self) -> Result<(), String> {
        let [server, client] = &self.names;
        ip(&format!("netns add {server}"))?;
        ip(&format!("netns add {client}"))?;
        ip(&format!("link add cable netns {server} type veth peer name cable netns {client}"))?;
        for (name, host) in [(server, 1), (client, 2)] {
            ip(&format!("-n {name} addr add 10.99.0.{host}/24 dev cable"))?;
            ip(&format!("-n {name} addr add fd99::{host}/64 dev cable nodad"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set cable up"))?;
            ip(&format!("-n {name} route add 224.0.0.0/4 dev cable"))?;
        }
        Ok(())
    }

    /// Does something at one end. Sockets and programs that it opens stay there.
    pub fn at<T: Send>(&self, end: End, act: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.names[end as usize]);
        let enter = || {
            let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("{path}: {error}"));
        };
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter();
                act()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
