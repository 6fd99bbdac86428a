//! RTSP within TLS (`rtsps`): certificates, and records in and out of a connection that several threads write to.
//!
//! Nothing here reads from a socket: [`super::connection`] does, without a lock, and hands over what came. Whose turn it
//! is to write is [`super::writer`]'s business.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context, ensure};
use nix::sys::socket::MsgFlags;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::config::Rtsps;

/// The type byte of a handshake record (RFC 8446 section 5.1), with which every TLS connection begins. No RTSP or HTTP
/// message does.
pub const HANDSHAKE_RECORD: u8 = 22;

/// Reads certificate and key; `None` when none are configured.
///
/// # Errors
/// When a file cannot be read or has no such thing in it, or the two do not belong together.
pub fn load(rtsps: &Rtsps) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let Some((certificate, key)) = rtsps.files() else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    ensure!(!chain.is_empty(), "there is no certificate in {}", certificate.display());
    let key_der =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read the key {}", key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .with_context(|| format!("cannot use {} with {}", certificate.display(), key.display()))?;
    Ok(Some(Arc::new(config)))
}

/// The TLS state of one connection.
pub struct Tls {
    connection: ServerConnection,
    has_begun: bool,
}

/// Where a connection stands after bytes were taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The handshake is not complete.
    Handshaking,
    /// Messages may come.
    Open,
    /// The peer has said goodbye.
    Closed,
}

impl Tls {
    /// At the start of a connection.
    ///
    /// # Errors
    /// When the configuration is of no use, which [`load`] has seen to.
    pub fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self { connection, has_begun: false })
    }

    /// Takes in bytes that came from `socket`, appends what they say to `plain`, and answers what the protocol itself
    /// wants answered.
    ///
    /// # Errors
    /// When the peer does not speak TLS, or none that we do; it has been told why.
    pub fn take_in(&mut self, mut bytes: &[u8], socket: &TcpStream, plain: &mut Vec<u8>) -> io::Result<Progress> {
        if !std::mem::replace(&mut self.has_begun, true)
            && bytes.first().is_some_and(|&first| first != HANDSHAKE_RECORD)
        {
            return Err(io::Error::new(ErrorKind::InvalidData, "no TLS on a port for it"));
        }
        let mut is_closed = false;
        while !bytes.is_empty() && !is_closed {
            self.connection.read_tls(&mut bytes)?;
            let processed = self.connection.process_new_packets();
            // Answers, or the alert that says what is wrong.
            let flushed = self.flush(socket);
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("TLS: {error}")))?;
            flushed?;
            is_closed = match self.connection.reader().read_to_end(plain) {
                Ok(_) => true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(error) => return Err(error),
            };
        }
        Ok(match is_closed {
            true => Progress::Closed,
            false if self.connection.is_handshaking() => Progress::Handshaking,
            false => Progress::Open,
        })
    }

    /// Writes `slices` as one message.
    ///
    /// # Errors
    /// As those of the socket.
    pub fn write(&mut self, mut slices: &mut [IoSlice<'_>], socket: &TcpStream) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let taken = self.connection.writer().write_vectored(slices)?;
            IoSlice::advance_slices(&mut slices, taken);
            self.flush(socket)?;
        }
        Ok(())
    }

    /// Says goodbye, as far as that can be done at once: without it some clients take the end for an attack.
    pub fn say_goodbye(&mut self, socket: &TcpStream) {
        use std::os::fd::AsRawFd;
        self.connection.send_close_notify();
        let mut records = Vec::new();
        while self.connection.wants_write() && self.connection.write_tls(&mut records).is_ok() {}
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = nix::sys::socket::send(socket.as_raw_fd(), &records, flags);
    }

    fn flush(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
