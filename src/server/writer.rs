//! The writing half of a connection: responses and interleaved packets share it, message by message. With TLS, what was
//! read goes through it as well, since records in and out share one state.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::tls::{Progress, Tls};
use crate::sync::Leaf;

/// Writes whole messages to a connection. A peer that takes nothing for the write timeout is cut off.
#[derive(Debug)]
pub struct ConnectionWriter {
    stream: TcpStream,
    /// The turn to write, and what to write through. The only lock of the server under which something blocks, and
    /// never longer than the write timeout without progress. Reading from the socket needs no turn.
    turn: Leaf<Layer>,
    is_secure: bool,
    is_dead: AtomicBool,
}

/// What is between a message and the socket.
#[derive(Debug)]
enum Layer {
    Plain,
    Tls(Box<Tls>),
}

impl ConnectionWriter {
    /// Writes to `stream`, within TLS if that is given.
    ///
    /// # Errors
    /// When the socket refuses the timeout.
    pub fn new(stream: TcpStream, tls: Option<Tls>, write_timeout: Duration) -> io::Result<Self> {
        stream.set_write_timeout(Some(write_timeout))?;
        let is_secure = tls.is_some();
        let layer = tls.map_or(Layer::Plain, |tls| Layer::Tls(Box::new(tls)));
        Ok(Self { stream, turn: Leaf::new(layer), is_secure, is_dead: AtomicBool::new(false) })
    }

    /// Whether nobody on the way can read along.
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Writes `slices` as one message.
    ///
    /// # Errors
    /// When the peer is gone or takes nothing; the connection is then shut down, since part of a message may be out.
    pub fn write(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.in_turn(|layer| match layer {
            Layer::Plain => write_all(slices, &self.stream),
            Layer::Tls(tls) => tls.write(slices, &self.stream),
        })
    }

    /// Takes in what was read from the socket and appends to `plain` what it says.
    ///
    /// # Errors
    /// When it is not the TLS that was agreed on, or the peer takes no answer; the connection is then shut down.
    pub fn decrypt(&self, bytes: &[u8], plain: &mut Vec<u8>) -> io::Result<Progress> {
        self.in_turn(|layer| match layer {
            Layer::Plain => {
                plain.extend_from_slice(bytes);
                Ok(Progress::Open)
            }
            Layer::Tls(tls) => tls.take_in(bytes, &self.stream, plain),
        })
    }

    fn in_turn<T>(&self, work: impl FnOnce(&mut Layer) -> io::Result<T>) -> io::Result<T> {
        let done = self.turn.with(|layer| {
            if self.is_dead.load(Ordering::Relaxed) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            work(layer)
        });
        done.map_err(|error| {
            self.shutdown();
            match error.kind() {
                ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, "the client takes no data"),
                _ => error,
            }
        })
    }

    /// Tells the peer that no more will come, unless somebody is writing just now, and ends the connection.
    pub fn close(&self) {
        if self.is_secure && !self.is_dead.load(Ordering::Relaxed) {
            self.turn.try_with(|layer| {
                if let Layer::Tls(tls) = layer {
                    tls.say_goodbye(&self.stream);
                }
            });
        }
        self.shutdown();
    }

    /// Ends the connection both ways; whoever reads or writes it wakes up.
    pub fn shutdown(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn write_all(mut slices: &mut [IoSlice<'_>], mut stream: &TcpStream) -> io::Result<()> {
    // Empty slices at the front would look like a write of nothing.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match stream.write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut slices, count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
