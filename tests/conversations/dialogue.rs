//! Dialogues as text, and their speaker.
//!
//! A file is spoken over one connection, unless it says otherwise, line by line:
//!
//! - `#` begins a comment. What is checked is told by the first comment of the file and the last one before it: they
//!   name the section of a standard, or the client or server that has need of it ([`names_its_reason`]).
//! - `C: text` is a line that the client says. Lines up to the next line of another kind go out in one write.
//! - `S: text` is a line that the server must answer. A new response begins with each status line; it must be matched
//!   as a whole. `S: ...` stands for any number of lines. `Server` and `Date` are checked in every response that the
//!   RTSP dispatcher makes, and may be left out here.
//! - `@verb arguments` is anything else: see [`Speaker::act`].
//!
//! In both kinds of lines `{name}` stands for a value. In a `C:` line it must be known: `{base}` is the server's URL
//! without the slash at its end, `{x*5000}` is that letter so many times. In an `S:` line, the first time a name
//! comes it takes over what is there, from then on the same must be there. What it may be goes by the name, without
//! digits at its end: see [`shape`]. `~regex~` in an `S:` line is matched and forgotten.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::thread;
use std::time::Duration;

use regex_lite::{Captures, Regex, escape};

use crate::client::{Client, PATIENCE, Response, Rtp, frame_bytes, is_bye, receiver_report, rtcp_types};

/// A line of a dialogue.
#[derive(Debug, Clone)]
struct Line {
    number: usize,
    kind: Kind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Client,
    Server,
    Act,
}

/// A dialogue, and the configuration that it wants of the server.
pub struct Dialogue {
    /// The name of its file.
    pub name: String,
    /// Lines of a configuration file; without any, all dialogues share a server.
    pub config: String,
    /// How many of its responses are checked for a reason that it names.
    pub reasoned_count: usize,
    lines: Vec<Line>,
}

impl Dialogue {
    /// Reads a file. Panics at a line that is no line.
    pub fn read(path: &Path) -> Self {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut config, mut lines) = (String::new(), Vec::new());
        let about: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        let (mut comment, mut reasoned_count) = (String::new(), 0);
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            match line.strip_prefix('#') {
                Some(text) => comment += text,
                None if line.is_empty() => comment.clear(),
                None => {}
            }
            let has_reason = names_its_reason(&about) || names_its_reason(&comment);
            reasoned_count += usize::from(has_reason && line.strip_prefix("S: ").is_some_and(is_status_line));
            let said =
                |kind, text: &str| Line { number, kind, text: text.strip_prefix(' ').unwrap_or(text).to_owned() };
            if let Some(text) = line.strip_prefix("C:") {
                lines.push(said(Kind::Client, text));
            } else if let Some(text) = line.strip_prefix("S:") {
                lines.push(said(Kind::Server, text));
            } else if let Some(text) = line.strip_prefix("@config ") {
                config += &format!("{text}\n");
            } else if let Some(text) = line.strip_prefix('@') {
                lines.push(said(Kind::Act, text));
            } else if !line.is_empty() && !line.starts_with('#') {
                panic!("{name}:{number}: neither C:, S:, @ nor #: {line:?}");
            }
        }
        Self { name, config, reasoned_count, lines }
    }

    /// How many responses it checks.
    pub fn response_count(&self) -> usize {
        self.lines.iter().filter(|line| line.kind == Kind::Server && is_status_line(&line.text)).count()
    }

    /// Speaks it with the server at `address`.
    ///
    /// # Errors
    /// Where it went wrong, and what was said.
    pub fn speak(&self, address: &str) -> Result<(), String> {
        let mut speaker = Speaker::new(address);
        let mut rest = self.lines.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().position(|line| line.kind != first.kind).unwrap_or(rest.len());
            let count = match first.kind {
                Kind::Client => same,
                Kind::Server => {
                    rest[1..same].iter().position(|line| is_status_line(&line.text)).map_or(same, |next| next + 1)
                }
                Kind::Act => 1,
            };
            let (now, later) = rest.split_at(count);
            let done = match first.kind {
                Kind::Client => speaker.say(now),
                Kind::Server => speaker.hear(now),
                Kind::Act => speaker.act(&first.text),
            };
            done.map_err(|error| format!("{}:{}: {error}", self.name, first.number))?;
            rest = later;
        }
        Ok(())
    }
}

/// Whether a comment names a standard's section, or whom a behaviour is for.
fn names_its_reason(comment: &str) -> bool {
    const PROGRAMS: [&str; 11] = [
        "FFmpeg",
        "VLC",
        "GStreamer",
        "LIVE555",
        "ExoPlayer",
        "QuickTime",
        "Larix",
        "mediamtx",
        "retina",
        "ONVIF",
        "set-top box",
    ];
    comment.contains("RFC ")
        || comment.contains("ection ")
        || comment.contains("(12.")
        || PROGRAMS.iter().any(|program| comment.contains(program))
}

fn is_status_line(text: &str) -> bool {
    text.starts_with("RTSP/") || text.starts_with("HTTP/")
}

/// The client's side of a dialogue.
struct Speaker {
    address: String,
    values: HashMap<String, String>,
    connections: BTreeMap<String, Client>,
    /// The name of the one that speaks.
    now: String,
    line_end: &'static str,
    /// Bytes sent at a time.
    piece_len: usize,
    /// So many of the frames that came and were not looked at came before the last answer.
    stale: usize,
}

impl Speaker {
    fn new(address: &str) -> Self {
        let mut values = HashMap::new();
        values.insert("base".to_owned(), format!("rtsp://{address}"));
        let mut speaker = Self {
            address: address.to_owned(),
            values,
            connections: BTreeMap::new(),
            now: "a".to_owned(),
            line_end: "\r\n",
            piece_len: usize::MAX,
            stale: 0,
        };
        speaker.client();
        speaker
    }

    fn client(&mut self) -> &mut Client {
        let address = &self.address;
        self.connections.entry(self.now.clone()).or_insert_with(|| Client::connect(address))
    }

    fn say(&mut self, lines: &[Line]) -> Result<(), String> {
        let mut text = String::new();
        for line in lines {
            text += &self.fill_in(&line.text)?;
            text += self.line_end;
        }
        let piece_len = self.piece_len;
        let is_sent = text.as_bytes().chunks(piece_len.min(text.len().max(1))).all(|piece| self.client().send(piece));
        if is_sent { Ok(()) } else { Err("the server closed the connection before all was said".to_owned()) }
    }

    /// Puts in what placeholders stand for.
    fn fill_in(&self, text: &str) -> Result<String, String> {
        let placeholder = Regex::new(r"\{([^}]*)\}").expect("a good pattern");
        let mut missing = None;
        let filled = placeholder.replace_all(text, |found: &Captures<'_>| {
            let name = &found[1];
            if let Some((letter, count)) = name.split_once('*') {
                return letter.repeat(count.parse().expect("a number of letters"));
            }
            self.values.get(name).cloned().unwrap_or_else(|| {
                missing = Some(name.to_owned());
                String::new()
            })
        });
        missing.map_or(Ok(filled.into_owned()), |name| Err(format!("nobody has said what {{{name}}} is")))
    }

    /// Takes a response and compares it.
    fn hear(&mut self, lines: &[Line]) -> Result<(), String> {
        let expected: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let expected = expected.strip_suffix(&[""]).unwrap_or(&expected);
        let response = self.client().response()?;
        self.stale = self.client().frames.len();
        let found = visible_lines(&response, expected);
        let evidence = |what: String| format!("{what}\nthe whole answer:\n  {}", response.lines().join("\n  "));
        check_stamp(&response).map_err(evidence)?;
        let mut found = found.as_slice();
        let mut skips = false;
        for line in expected {
            if *line == "..." {
                skips = true;
                continue;
            }
            let pattern = self.pattern(line)?;
            let at = found.iter().position(|found| pattern.is_match(found)).filter(|at| skips || *at == 0);
            let Some(at) = at else {
                let instead = found.first().map_or("the end", String::as_str);
                return Err(evidence(format!("expected {line:?}\nfound    {instead:?}")));
            };
            self.keep(&pattern, &found[at]);
            (found, skips) = (&found[at + 1..], false);
        }
        match found.first() {
            Some(line) if !skips => Err(evidence(format!("expected the end\nfound    {line:?}"))),
            _ => Ok(()),
        }
    }

    /// The pattern of a line that the server should say.
    fn pattern(&self, line: &str) -> Result<Regex, String> {
        let piece = Regex::new(r"\{([^}]*)\}|~([^~]*)~").expect("a good pattern");
        let (mut pattern, mut end) = ("^".to_owned(), 0);
        for found in piece.captures_iter(line) {
            let all = found.get(0).expect("the whole match");
            pattern += &escape(&line[end..all.start()]);
            end = all.end();
            pattern += &match (found.get(1), found.get(2)) {
                (Some(name), _) => match self.values.get(name.as_str()) {
                    Some(value) => escape(value),
                    None => format!("(?P<{}>{})", name.as_str(), shape(name.as_str())),
                },
                (_, Some(regex)) => format!("(?:{})", regex.as_str()),
                _ => String::new(),
            };
        }
        pattern += &escape(&line[end..]);
        pattern += "$";
        Regex::new(&pattern).map_err(|error| format!("{line:?} is no pattern: {error}"))
    }

    fn keep(&mut self, pattern: &Regex, line: &str) {
        let Some(found) = pattern.captures(line) else { return };
        for name in pattern.capture_names().flatten() {
            if let Some(value) = found.name(name) {
                self.values.insert(name.to_owned(), value.as_str().to_owned());
            }
        }
    }

    fn number(&self, name: &str) -> u64 {
        let value = self.values.get(name).unwrap_or_else(|| panic!("nobody has said what {name} is"));
        value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, no number"))
    }

    /// Does what a line says that neither side says:
    ///
    /// - `on NAME`: what follows goes over the connection of that name, which is opened if there is none. Else it is `a`.
    /// - `close`: the client closes this connection. `closed`: the server does, after all that it has said.
    /// - `ends lf`, `pieces 1`: how lines end, how many bytes are sent at a time.
    /// - `bytes 24 00`: sends these bytes. `report CHANNEL SSRC`: sends a receiver report.
    /// - `wait 300`: milliseconds.
    /// - `forget`: forgets the frames that came before the last answer.
    /// - `starts CHANNEL SEQ RTPTIME`: the first RTP packet on this channel behind the last answer has these.
    /// - `follows CHANNEL SEQ`: the first RTP packet on this channel behind the last answer has this sequence number.
    /// - `stamps CHANNEL RTPTIME OFFSET ...`: the next RTP packets on this channel, those with the same timestamp counted
    ///   once, have these timestamps, counted from that.
    /// - `frames CHANNEL COUNT`: waits for so many more packets on this channel, whose numbers follow each other.
    /// - `only CHANNEL ...`: of the frames that came and were not looked at, all are on these channels.
    /// - `sender-report CHANNEL`: waits for one.
    /// - `bye CHANNEL`: waits for the goodbye on this channel.
    /// - `silence MILLISECONDS`: all frames that came are forgotten, and no further one comes.
    /// - `same NAME NAME`, `differ NAME NAME`: compares two values.
    fn act(&mut self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let byte = |word: &str| u8::from_str_radix(word, 16).unwrap_or_else(|_| panic!("{word} is no byte"));
        let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{word} is no number"));
        match words.as_slice() {
            ["on", name] => {
                // What came on another connection may be new or old: nobody has asked for it yet.
                (self.now, self.stale) = ((*name).to_owned(), 0);
            }
            ["close"] => drop(self.connections.remove(&self.now)),
            ["closed"] => {
                self.client().wait_for_close(PATIENCE)?;
                let left = self.client().text();
                if !left.is_empty() {
                    return Err(format!("before closing, the server said\n{left}"));
                }
            }
            ["ends", "lf"] => self.line_end = "\n",
            ["ends", "crlf"] => self.line_end = "\r\n",
            ["pieces", len] => self.piece_len = number(len) as usize,
            ["bytes", bytes @ ..] => {
                let bytes: Vec<u8> = bytes.iter().map(|word| byte(word)).collect();
                self.client().send(&bytes);
            }
            ["report", channel, ssrc] => {
                let ssrc = u32::from_str_radix(&self.values[*ssrc], 16).expect("an SSRC");
                self.client().send(&frame_bytes(number(channel) as u8, &receiver_report(ssrc)));
            }
            ["wait", millis] => thread::sleep(Duration::from_millis(number(millis))),
            ["forget"] => self.forget(None),
            ["starts", channel, seq, rtptime] => {
                self.forget(Some(number(channel) as u8));
                let (seq, rtptime) = (self.number(seq), self.number(rtptime));
                let first = Rtp::parse(&self.next_on(number(channel) as u8)?);
                if (u64::from(first.sequence), u64::from(first.rtptime)) != (seq, rtptime) {
                    return Err(format!("{first:?}, but RTP-Info told {seq} and {rtptime}"));
                }
            }
            ["follows", channel, seq] => {
                self.forget(Some(number(channel) as u8));
                let next = Rtp::parse(&self.next_on(number(channel) as u8)?);
                if u64::from(next.sequence) != self.number(seq) {
                    return Err(format!("{next:?}, but RTP-Info told {}", self.number(seq)));
                }
            }
            ["stamps", channel, rtptime, offsets @ ..] => {
                let start = self.number(rtptime) as u32;
                let mut found: Vec<u32> = Vec::new();
                while found.len() < offsets.len() {
                    found.push(Rtp::parse(&self.next_on(number(channel) as u8)?).rtptime.wrapping_sub(start));
                    found.dedup();
                }
                let expected: Vec<u32> = offsets.iter().map(|offset| number(offset) as u32).collect();
                if found != expected {
                    return Err(format!("timestamps {found:?} behind RTP-Info, not {expected:?}"));
                }
            }
            ["frames", channel, count] => {
                let mut last: Option<Rtp> = None;
                for _ in 0..number(count) {
                    let next = Rtp::parse(&self.next_on(number(channel) as u8)?);
                    if last.is_some_and(|last| last.sequence.wrapping_add(1) != next.sequence) {
                        return Err(format!("{next:?} follows {last:?}"));
                    }
                    last = Some(next);
                }
            }
            ["only", channels @ ..] => {
                let channels: Vec<u8> = channels.iter().map(|word| number(word) as u8).collect();
                if let Some(other) = self.client().frames.iter().find(|frame| !channels.contains(&frame.channel)) {
                    return Err(format!("{other:?} came"));
                }
            }
            ["sender-report", channel] => {
                let types = rtcp_types(&self.next_on(number(channel) as u8)?);
                if types != [200, 202] {
                    return Err(format!("{types:?} is no report and description"));
                }
            }
            ["bye", channel] => while !is_bye(&self.next_on(number(channel) as u8)?) {},
            ["silence", millis] => {
                self.client().frames.clear();
                self.stale = 0;
                if let Ok(frame) = self.client().frame(Duration::from_millis(number(millis))) {
                    return Err(format!("{frame:?} came"));
                }
            }
            ["same", one, other] if self.values[*one] == self.values[*other] => {}
            ["differ", one, other] if self.values[*one] != self.values[*other] => {}
            ["same" | "differ", one, other] => {
                return Err(format!("{one} is {}, {other} is {}", self.values[*one], self.values[*other]));
            }
            _ => panic!("nobody knows how to @{text}"),
        }
        Ok(())
    }

    /// Forgets the frames that came before the last answer, on one channel or on all.
    fn forget(&mut self, channel: Option<u8>) {
        let stale = self.stale;
        let (mut index, mut left) = (0, 0);
        self.client().frames.retain(|frame| {
            index += 1;
            let keeps = index > stale || channel.is_some_and(|channel| channel != frame.channel);
            left += usize::from(keeps && index <= stale);
            keeps
        });
        self.stale = left;
    }

    /// The next frame on a channel; those on others stay where they are.
    fn next_on(&mut self, channel: u8) -> Result<Vec<u8>, String> {
        let client = self.client();
        let mut others = Vec::new();
        let found = loop {
            match client.frame(PATIENCE) {
                Ok(frame) if frame.channel == channel => break Ok(frame.data),
                Ok(frame) => others.push(frame),
                Err(error) => break Err(format!("{error} instead of a frame on channel {channel}")),
            }
        };
        let place = others.len();
        for frame in others.into_iter().rev() {
            client.frames.push_front(frame);
        }
        self.stale -= usize::from(place < self.stale);
        found
    }
}

/// The lines of a response, without `Server` and `Date` if they are not expected.
fn visible_lines(response: &Response, expected: &[&str]) -> Vec<String> {
    let hides =
        |line: &String, name: &str| line.starts_with(name) && !expected.iter().any(|line| line.starts_with(name));
    response.lines().into_iter().filter(|line| !hides(line, "Server: ") && !hides(line, "Date: ")).collect()
}

/// Whoever tells the server tells the date, too, and both as they should be.
fn check_stamp(response: &Response) -> Result<(), String> {
    let Some(server) = response.header("Server") else { return Ok(()) };
    let date = response.header("Date").unwrap_or_default();
    let is_date = Regex::new(&format!("^{}$", shape("date"))).expect("a good pattern").is_match(date);
    if server.starts_with("camreel/") && is_date { Ok(()) } else { Err(format!("Server {server:?}, Date {date:?}")) }
}

/// What a value of this name looks like.
fn shape(name: &str) -> &'static str {
    match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "session" => "[0-9A-F]{16}",
        // RFC 2326 section 12.18, by way of RFC 1123.
        "date" => {
            "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] [A-Z][a-z]{2} 20[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
        }
        "ssrc" => "[0-9A-F]{8}",
        "seq" | "rtptime" | "port" | "number" => "[0-9]+",
        _ => "[^;,\\s]+",
    }
}
