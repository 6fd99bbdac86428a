//! The `onMetaData` object of an FLV file (Adobe Flash Video File Format Specification section E.5, in the Action
//! Message Format AMF 0). Of all that can be in it, numbers and arrays of numbers are kept.

use crate::media::Error;
use crate::media::bits::ByteReader;

/// How deep objects are followed into.
const DEPTH_MAX: usize = 8;
/// Numbers in an array beyond this are left out: a key frame each second of a day and more.
const NUMBERS_MAX: usize = 200_000;
/// Elements of an array that are not numbers, and are stepped over one by one, at most.
const ELEMENTS_MAX: u32 = 1_000_000;

/// What is told of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetaData {
    /// In seconds.
    pub duration: Option<f64>,
    /// Pictures a second.
    pub frame_rate: Option<f64>,
    /// In kbit/s.
    pub video_data_rate: Option<f64>,
    /// In kbit/s.
    pub audio_data_rate: Option<f64>,
    /// Where key frames lie in the file, in bytes.
    pub key_frame_positions: Vec<f64>,
    /// When those are, in seconds.
    pub key_frame_times: Vec<f64>,
}

impl MetaData {
    /// Reads the data of a script tag, which lies at byte `at` of the file; `None` when it is another script. What
    /// cannot be read is left out, with all behind it.
    pub fn parse(data: &[u8], at: u64) -> Option<Self> {
        let mut r = ByteReader::new(data, at, "onMetaData");
        if r.u8().ok()? != STRING || string(&mut r).ok()? != b"onMetaData" {
            return None;
        }
        let mut meta = Self::default();
        let _cut_off_or_malformed = value(&mut r, b"", &mut meta, 0);
        Some(meta)
    }

    fn put_number(&mut self, name: &[u8], number: f64) {
        match name {
            b"duration" => self.duration = Some(number),
            b"framerate" => self.frame_rate = Some(number),
            b"videodatarate" => self.video_data_rate = Some(number),
            b"audiodatarate" => self.audio_data_rate = Some(number),
            _ => {}
        }
    }

    fn array(&mut self, name: &[u8]) -> Option<&mut Vec<f64>> {
        match name {
            b"filepositions" => Some(&mut self.key_frame_positions),
            b"times" => Some(&mut self.key_frame_times),
            _ => None,
        }
    }
}

// Markers of AMF 0 section 2.1.
const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const REFERENCE: u8 = 7;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;

fn string<'a>(r: &mut ByteReader<'a>) -> Result<&'a [u8], Error> {
    let len = r.u16()?;
    r.take(len.into())
}

fn number(r: &mut ByteReader<'_>) -> Result<f64, Error> {
    Ok(f64::from_bits(r.u64()?))
}

/// Reads one value, called `name`.
fn value(r: &mut ByteReader<'_>, name: &[u8], meta: &mut MetaData, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(r.malformed());
    }
    match r.u8()? {
        NUMBER => meta.put_number(name, number(r)?),
        BOOLEAN => r.skip(1)?,
        STRING => drop(string(r)?),
        OBJECT => members(r, meta, depth)?,
        NULL | UNDEFINED => {}
        REFERENCE => r.skip(2)?,
        ECMA_ARRAY => {
            r.skip(4)?; // a count that writers get wrong; an end marker follows all the same
            members(r, meta, depth)?;
        }
        STRICT_ARRAY => strict_array(r, name, meta, depth)?,
        DATE => r.skip(10)?,
        LONG_STRING => {
            let len = r.u32()?;
            r.skip(len as usize)?;
        }
        _ => return Err(r.malformed()),
    }
    Ok(())
}

fn members(r: &mut ByteReader<'_>, meta: &mut MetaData, depth: usize) -> Result<(), Error> {
    while r.remaining() > 0 {
        let name = string(r)?;
        if name.is_empty() && r.clone().u8()? == OBJECT_END {
            return r.skip(1);
        }
        value(r, name, meta, depth + 1)?;
    }
    Ok(())
}

fn strict_array(r: &mut ByteReader<'_>, name: &[u8], meta: &mut MetaData, depth: usize) -> Result<(), Error> {
    let count = r.u32()?;
    for _ in 0..count.min(ELEMENTS_MAX) {
        if r.clone().u8()? != NUMBER {
            value(r, b"", meta, depth + 1)?;
            continue;
        }
        r.skip(1)?;
        let number = number(r)?;
        if let Some(numbers) = meta.array(name).filter(|numbers| numbers.len() < NUMBERS_MAX) {
            numbers.push(number);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Vec<u8> {
        [&(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat()
    }

    fn number(number: f64) -> Vec<u8> {
        [&[NUMBER][..], &number.to_be_bytes()].concat()
    }

    fn numbers(all: &[f64]) -> Vec<u8> {
        let mut bytes = vec![STRICT_ARRAY];
        bytes.extend((all.len() as u32).to_be_bytes());
        all.iter().for_each(|one| bytes.extend(number(*one)));
        bytes
    }

    fn script(members: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = [vec![STRING], name("onMetaData"), vec![ECMA_ARRAY, 0, 0, 0, 99]].concat();
        members.iter().for_each(|member| bytes.extend(member));
        bytes.extend([0, 0, OBJECT_END]);
        bytes
    }

    fn sample() -> Vec<u8> {
        script(&[
            [name("encoder"), vec![STRING], name("x")].concat(),
            [name("duration"), number(12.5)].concat(),
            [name("stereo"), vec![BOOLEAN, 1]].concat(),
            [name("when"), vec![DATE], vec![0; 10]].concat(),
            [name("framerate"), number(25.0)].concat(),
            [
                [name("keyframes"), vec![OBJECT]].concat(),
                [name("filepositions"), numbers(&[100.0, 9000.0])].concat(),
                [name("times"), numbers(&[0.0, 2.0])].concat(),
                vec![0, 0, OBJECT_END],
            ]
            .concat(),
            [name("videodatarate"), number(300.0)].concat(),
        ])
    }

    #[test]
    fn numbers_and_the_key_frame_index_are_read_and_all_else_stepped_over() {
        let expected = MetaData {
            duration: Some(12.5),
            frame_rate: Some(25.0),
            video_data_rate: Some(300.0),
            audio_data_rate: None,
            key_frame_positions: vec![100.0, 9000.0],
            key_frame_times: vec![0.0, 2.0],
        };
        assert_eq!(MetaData::parse(&sample(), 24), Some(expected));
        assert_eq!(MetaData::parse(&[&[STRING][..], &name("onCuePoint"), &number(1.0)].concat(), 24), None);
    }

    #[test]
    fn what_stands_before_a_cut_is_kept_wherever_it_is() {
        let whole = sample();
        for len in 13..whole.len() {
            let meta = MetaData::parse(&whole[..len], 24).unwrap();
            assert_eq!(meta.duration.is_some(), len >= 13 + 5 + 9 + 1 + 3 + 10 + 9, "cut to {len} bytes");
        }
    }

    #[test]
    fn objects_in_objects_without_end_are_given_up() {
        let mut bytes = [vec![STRING], name("onMetaData")].concat();
        for _ in 0..10_000 {
            bytes.extend([OBJECT, 0, 1, b'a']);
        }
        assert_eq!(MetaData::parse(&bytes, 0), Some(MetaData::default()));
    }
}
