//! The writing half of a connection: responses and interleaved packets share it, message by message.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::sync::Leaf;

/// Writes whole messages to a connection. A peer that takes nothing for the write timeout is cut off.
#[derive(Debug)]
pub struct ConnectionWriter {
    stream: TcpStream,
    /// The turn to write. The only lock of the server under which something blocks, and never longer than the write
    /// timeout without progress.
    turn: Leaf<()>,
    is_dead: AtomicBool,
}

impl ConnectionWriter {
    /// Writes to `stream`.
    ///
    /// # Errors
    /// When the socket refuses the timeout.
    pub fn new(stream: TcpStream, write_timeout: Duration) -> io::Result<Self> {
        stream.set_write_timeout(Some(write_timeout))?;
        Ok(Self { stream, turn: Leaf::new(()), is_dead: AtomicBool::new(false) })
    }

    /// Writes `slices` as one message.
    ///
    /// # Errors
    /// When the peer is gone or takes nothing; the connection is then shut down, since part of a message may be out.
    pub fn write(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let written = self.turn.with(|()| self.write_all(slices));
        if written.is_err() {
            self.shutdown();
        }
        written
    }

    fn write_all(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        if self.is_dead.load(Ordering::Relaxed) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        // Empty slices at the front would look like a write of nothing.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match (&self.stream).write_vectored(slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => IoSlice::advance_slices(&mut slices, count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(io::Error::new(ErrorKind::TimedOut, "the client takes no data"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the connection both ways; whoever reads or writes it wakes up.
    pub fn shutdown(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
