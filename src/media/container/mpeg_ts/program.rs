//! Which program is played and where its streams are: looked for when a file is opened, followed while it is read.

use std::collections::BTreeMap;

use super::packet::{Found, PACKET_LEN, Packet, Packets};
use super::psi::{ProgramMap, Sections, StreamEntry, parse_pat};
use super::streams::{StreamKind, guess, kind_of};
use crate::media::Error;

/// The PID of the program association table.
const PID_PAT: u16 = 0;
/// How far into a file maps are looked for, and how far behind the first one those of other programs, in bytes.
const MAP_SEARCH_LEN: u64 = 8 << 20;
const FURTHER_MAPS_LEN: u64 = 1 << 20;
/// How far streams are looked for that no map tells, in bytes.
const GUESS_SEARCH_LEN: u64 = 2 << 20;
/// stream_type of PES packets with private data.
const PRIVATE: u8 = 0x06;
/// How many streams are guessed, and how many PES packets of each are looked at.
const GUESSED_MAX: usize = 16;
const GUESSES_MAX: u32 = 100;
/// How much of a PES packet is looked at to guess what it has.
const GUESS_LEN: usize = 4 * PACKET_LEN;

/// A stream that can be streamed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Its PID.
    pub pid: u16,
    /// What it is.
    pub kind: StreamKind,
}

/// What the maps of a file say.
#[derive(Debug, Default)]
pub struct Discovery {
    /// program_number of the program that is played; `None` where there is no map.
    pub number: Option<u16>,
    /// Its streams.
    pub places: Vec<Place>,
    /// Those of them that nothing but their content tells.
    pub guessed: Vec<Place>,
    /// What is left out, in words.
    pub left_out: Vec<String>,
}

/// The streams of a map, of which some are known by their content, and what of it cannot be streamed.
fn places(map: &ProgramMap, guessed: &[Place]) -> (Vec<Place>, Vec<String>) {
    let (mut places, mut left_out) = (Vec::new(), Vec::new());
    for entry in &map.streams {
        let guess = guessed.iter().find(|place| place.pid == entry.pid).map(|place| place.kind);
        match kind_of(entry, &map.descriptors).or_else(|name| guess.ok_or(name)) {
            Ok(kind) => places.push(Place { pid: entry.pid, kind }),
            Err(name) => left_out.push(format!("stream {:#06x} is left out: {name}", entry.pid)),
        }
    }
    (places, left_out)
}

/// Reads the maps at the start of a file and picks the first program that has anything to play.
///
/// # Errors
/// When the file cannot be read.
pub fn discover(packets: impl Fn() -> Packets) -> Result<Discovery, Error> {
    let maps = find_maps(packets())?;
    if maps.is_empty() {
        return Ok(Discovery { places: guess_streams(packets(), |_| true)?, ..Discovery::default() });
    }
    let is_private = |entry: &&StreamEntry| entry.stream_type == PRIVATE && entry.descriptors.is_empty();
    let private: Vec<_> = maps.iter().flat_map(|map| &map.streams).filter(is_private).map(|entry| entry.pid).collect();
    let guessed = if private.is_empty() { vec![] } else { guess_streams(packets(), |pid| private.contains(&pid))? };
    Ok(pick(&maps, guessed))
}

/// The maps of all programs in their order.
fn find_maps(mut packets: Packets) -> Result<Vec<ProgramMap>, Error> {
    let start = packets.position();
    let (mut end, mut pat, mut wanted) = (MAP_SEARCH_LEN, Sections::default(), Vec::new());
    let mut maps: BTreeMap<u16, Sections> = BTreeMap::new();
    let mut found: BTreeMap<u16, ProgramMap> = BTreeMap::new();
    let mut bytes = [0; PACKET_LEN];
    while packets.position() - start < end && (wanted.is_empty() || found.len() < wanted.len()) {
        match packets.next(&mut bytes, true)? {
            Found::Starved => break,
            Found::Skipped(_) => continue,
            Found::Packet(_) => {}
        }
        let Some(packet) = Packet::parse(&bytes).filter(|packet| !packet.has_error) else { continue };
        if packet.pid == PID_PAT {
            pat.push(packet.payload, packet.is_start, |section| {
                for program in parse_pat(section).unwrap_or_default() {
                    if !wanted.contains(&program) {
                        wanted.push(program);
                        maps.entry(program.1).or_default();
                    }
                }
            });
        } else if let Some(sections) = maps.get_mut(&packet.pid) {
            let before = found.len();
            sections.push(packet.payload, packet.is_start, |section| {
                found.extend(ProgramMap::parse(section).map(|map| (map.number, map)));
            });
            if before == 0 && !found.is_empty() {
                end = end.min(packets.position() - start + FURTHER_MAPS_LEN);
            }
        }
    }
    Ok(wanted.iter().filter_map(|(number, _)| found.remove(number)).collect())
}

/// The PID of the map of a program.
///
/// # Errors
/// When the file cannot be read.
pub fn map_pid(mut packets: Packets, number: u16) -> Result<Option<u16>, Error> {
    let (start, mut pat, mut found) = (packets.position(), Sections::default(), None);
    let mut bytes = [0; PACKET_LEN];
    while found.is_none() && packets.position() - start < MAP_SEARCH_LEN {
        match packets.next(&mut bytes, true)? {
            Found::Starved => break,
            Found::Skipped(_) => continue,
            Found::Packet(_) => {}
        }
        if let Some(packet) = Packet::parse(&bytes).filter(|packet| packet.pid == PID_PAT && !packet.has_error) {
            pat.push(packet.payload, packet.is_start, |section| {
                let programs = parse_pat(section).unwrap_or_default();
                found = programs.iter().find(|program| program.0 == number).map(|(_, pid)| *pid);
            });
        }
    }
    Ok(found)
}

fn pick(maps: &[ProgramMap], guessed: Vec<Place>) -> Discovery {
    let is_playable = |map: &&ProgramMap| !places(map, &guessed).0.is_empty();
    let Some(map) = maps.iter().find(is_playable).or(maps.first()) else { return Discovery::default() };
    let (places, mut left_out) = places(map, &guessed);
    let others = maps.iter().filter(|other| other.number != map.number);
    left_out.extend(others.map(|other| format!("program {} is left out", other.number)));
    Discovery { number: Some(map.number), places, guessed, left_out }
}

/// Guesses streams by their PES packets, in the order in which they come, video first.
fn guess_streams(mut packets: Packets, is_wanted: impl Fn(u16) -> bool) -> Result<Vec<Place>, Error> {
    #[derive(Default)]
    struct Candidate {
        bytes: Vec<u8>,
        tries: u32,
    }
    let start = packets.position();
    let mut candidates: BTreeMap<u16, Candidate> = BTreeMap::new();
    let mut places: Vec<Place> = Vec::new();
    let mut bytes = [0; PACKET_LEN];
    while packets.position() - start < GUESS_SEARCH_LEN && places.len() < GUESSED_MAX {
        match packets.next(&mut bytes, true)? {
            Found::Starved => break,
            Found::Skipped(_) => continue,
            Found::Packet(_) => {}
        }
        let Some(packet) = Packet::parse(&bytes).filter(|packet| !packet.is_scrambled && !packet.has_error) else {
            continue;
        };
        if !is_wanted(packet.pid) || places.iter().any(|place| place.pid == packet.pid) {
            continue;
        }
        let candidate = candidates.entry(packet.pid).or_default();
        if packet.is_start {
            candidate.bytes.clear();
            candidate.tries += 1;
        }
        let is_begun = packet.is_start || !candidate.bytes.is_empty();
        if is_begun && candidate.bytes.len() < GUESS_LEN && candidate.tries < GUESSES_MAX {
            candidate.bytes.extend_from_slice(packet.payload);
            places.extend(guess(&candidate.bytes).map(|kind| Place { pid: packet.pid, kind }));
        }
    }
    places.sort_by_key(|place| !place.kind.is_video);
    Ok(places)
}

/// Follows the map of one program through a file.
#[derive(Debug, Default)]
pub struct ProgramReader {
    /// `None`: there are no maps to follow.
    number: Option<u16>,
    guessed: Vec<Place>,
    pat: Sections,
    map: Sections,
    map_pid: Option<u16>,
    last: Option<ProgramMap>,
}

impl ProgramReader {
    /// Follows the program that was found, or if it is gone the first one.
    pub fn new(discovery: &Discovery) -> Self {
        Self { number: discovery.number, guessed: discovery.guessed.clone(), ..Self::default() }
    }

    /// Takes a packet of no stream of the program, and gives the streams when their map is new.
    pub fn push(&mut self, packet: &Packet<'_>) -> Option<Vec<Place>> {
        let number = self.number?;
        if packet.pid == PID_PAT {
            let mut programs = Vec::new();
            self.pat.push(packet.payload, packet.is_start, |section| {
                programs.extend(parse_pat(section).unwrap_or_default())
            });
            let found = programs.iter().find(|program| program.0 == number).or(programs.first());
            if let Some((_, pid)) = found.filter(|(_, pid)| self.map_pid != Some(*pid)) {
                self.map_pid = Some(*pid);
                self.map.reset();
            }
            return None;
        }
        if self.map_pid != Some(packet.pid) {
            return None;
        }
        let mut found = None;
        self.map.push(packet.payload, packet.is_start, |section| {
            // Several programs may have their maps in one PID.
            let map = ProgramMap::parse(section);
            found = map.filter(|map| map.number == number || found.is_none()).or(found.take());
        });
        let map = found.filter(|map| self.last.as_ref() != Some(map))?;
        let streams = places(&map, &self.guessed).0;
        self.last = Some(map);
        Some(streams)
    }
}
