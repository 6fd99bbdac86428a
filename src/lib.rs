//! camreel: an RTSP server that streams camera recordings from a LAN box.
//!
//! A folder of recordings lies on a small machine; each file below it is a URL that any RTSP client plays, pauses and
//! seeks, at once and without conversion. The program in `main.rs` is a thin shell around this library.
//!
//! # Layers
//!
//! Imports only ever point down this list.
//!
//! | layer | what it knows | may import | sockets, threads, clock? |
//! |---|---|---|---|
//! | [`time`], [`sync`] | media time, NTP time; the one-lock rule | nothing of ours | no |
//! | [`media`] | a file: its tracks, samples, index, seek points | `time`, `sync` | reads files; the clock only to tell whether one still grows |
//! | [`rtp`] | samples into RTP packets; RTCP | `media`, `time` | no |
//! | [`rtsp`] | the text protocol: messages, headers, SDP, credentials | `time` | no: bytes in, bytes out |
//! | [`player`] | which packet is due when; seek, pause, end | `media`, `rtp`, `time` | no: `now` is an argument |
//! | [`library`] | URL path to an opened recording; the shared cache; kept indexes | `media`, `config`, `sync` | reads the media root, writes kept indexes |
//! | [`server`] | acceptors, workers, sessions, streaming threads, transports, HTTP | everything | yes, and only here |
//!
//! Beside them stand [`config`], [`cli`], [`logging`], [`passwd`], [`probe`] and [`indexing`], which the program puts
//! together.
//!
//! Three tables are where the program grows. A container is one file or folder and one line in
//! [`media::CONTAINERS`]; one that can only be read forward tells no more than how to read on from a place, and
//! [`media::scan`] makes seeking, indexes and growth of it; what grows with an index of its own is opened again
//! ([`media::growing`]). A payload format is one file and one arm in [`rtp::payloader_for`]; an RTSP method one file in
//! `server/methods` and one arm in its dispatcher.
//!
//! # One RTP packet, from file to socket
//!
//! 1. The session's streaming thread (`server/streamer.rs`) waits in one place, for the next packet's time or for an
//!    order, whichever comes first. So PAUSE, TEARDOWN and shutdown act at once, and nothing polls a flag.
//! 2. [`player::Player::poll`] hands over the sample that is due. Its bytes were read by the container's
//!    [`media::Reader`] with one `pread` into a reused buffer while the thread had time.
//! 3. The [`rtp::Payloader`] of its codec splits it: headers go into the [`rtp::PacketBatch`]'s own buffer, the payload
//!    stays where it was read.
//! 4. The transport (`server/transport`) sends the batch with a gather write: one call for up to 45 packets over UDP with
//!    segmentation offload, one `writev` for a sample over TCP.
//!
//! Waking is what costs, so all that is due within the lead (`rtp.lead`, 80 ms) leaves in one wake. Nothing is locked
//! between disk and socket but the writer of an interleaved connection, which responses share.
//!
//! # One request, from accept to response
//!
//! 1. An acceptor (`server/acceptor.rs`) blocks in `accept`, sets the socket's options, checks the limits and gives the
//!    connection to the pool. Over a limit the peer gets 503 and the log a line.
//! 2. A worker (`server/connection.rs`) owns the connection until it ends: blocking read, [`rtsp::Decoder`], method,
//!    response.
//! 3. PLAY asks the streaming thread to seek; the answer carries sequence numbers and timestamps; the 200 is written;
//!    only then is the thread told to run. So no packet overtakes its response.
//!
//! A viewer of a multicast group has a session as well, but no streaming thread: its orders go to the manager of the
//! group (`server/group`), which answers for all viewers and has one stream, a session that nobody can name. A channel
//! that repeats for ever is a recording like any other, made of one ([`media::looped`]).
//!
//! A session outlives its connection when its media go over UDP, and ends with it when they are interleaved. Any request
//! that names it, or an RTCP report about it, keeps it alive.
//!
//! # Threads
//!
//! | thread | how many | waits for | is woken by |
//! |---|---|---|---|
//! | main | 1 | a signal | the signal |
//! | acceptor | one for each listening socket | a connection | a connection; `shutdown` of the socket |
//! | worker | one for each connection, from a pool | bytes | bytes; the peer's or our `shutdown`; a timeout |
//! | worker that answers a wrong password | itself | up to 4 s | stop |
//! | indexer | 1 | a recording that is to be read from end to end; its pause after each step | a recording; the time; stop |
//! | streamer | one for each session and each group that is sent to | an order or the next packet's time | either; the write timeout while it sends |
//! | group | one for each channel with a multicast group | a call, or a viewer's time to be up | either; stop |
//! | register | one for each `[[register]]` | its connection to end, then some time | the other side; our `shutdown`; the time; stop |
//!
//! # Locks
//!
//! Every lock is a leaf: no thread holds two ([`sync::Leaf`] checks it in debug builds), and nothing blocks while one is
//! held, except the write of one message to a connection, which has a deadline.
//!
//! | lock | guards | taken by |
//! |---|---|---|
//! | `Shared::config` | the configuration as it is now | everybody, to clone an `Arc` |
//! | `Shared::connections` | the writers of all connections, to end them | workers; registers; stop |
//! | `Shared::threads` | the token that tells when all threads have ended | workers; stop |
//! | `Registry::sessions` | sessions by id | workers; streamers when they end; stop |
//! | `Session::state` | what was set up, whether it plays, what the client reported | its streamer; workers |
//! | `Group::viewers`, `Group::running` | who watches a group, and what | its manager; its streamer; workers |
//! | `Admission::open` | connections for each address | acceptors; workers when they end |
//! | `Tunnels::open` | HTTP tunnels by cookie | workers |
//! | `Attached::sessions`, `Attached::channels`, `Login::proven` | what hangs on a connection or tunnel | the one or two workers of it |
//! | `Nonces::uses` | which counts of which nonces have come | workers |
//! | `Failures::by_address` | wrong passwords of late | workers |
//! | `ConnectionWriter::turn` | the turn to write to a connection, and its TLS state | its worker; streamers interleaved in it |
//! | `Shared::tls` | certificate and key | workers of new connections; main, on SIGHUP |
//! | `Library::cache` | recordings by path; opening happens outside | workers; managers of groups |
//! | `Source::looped` | the loop of a channel | the same |
//! | indexes within a recording (Matroska clusters, MP4 fragments and checkpoints, raw pictures, points of files read forward) | places found so far | streamers that seek; the indexer |

pub mod cli;
pub mod config;
pub mod indexing;
pub mod library;
pub mod logging;
pub mod media;
pub mod passwd;
pub mod player;
pub mod probe;
pub mod rtp;
pub mod rtsp;
pub mod server;
pub mod sync;
pub mod time;
