//! Headers and VOPs of MPEG-4 part 2 video for tests.

use super::increment_bits;

/// Bits, most significant first; the last byte is stuffed as the standard has it, with a 0 and 1s.
#[derive(Default)]
struct Written {
    bits: Vec<bool>,
}

impl Written {
    fn put(mut self, value: u32, count: usize) -> Self {
        self.bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn behind(mut self, start: [u8; 4]) -> Vec<u8> {
        self.bits.push(false);
        while !self.bits.len().is_multiple_of(8) {
            self.bits.push(true);
        }
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        start.into_iter().chain(self.bits.chunks(8).map(byte)).collect()
    }
}

/// Sequence, visual object, video object and video object layer of 176 times 144 pictures.
pub fn headers(profile_level: u8, resolution: u32, fixed_increment: Option<u32>) -> Vec<u8> {
    let layer = Written::default()
        .put(0, 1) // random_accessible_vol
        .put(1, 8) // video_object_type_indication
        .put(0, 1) // is_object_layer_identifier
        .put(1, 4) // aspect_ratio_info
        .put(0, 1) // vol_control_parameters
        .put(0, 2) // rectangular
        .put(1, 1)
        .put(resolution, 16)
        .put(1, 1);
    let layer = match fixed_increment {
        Some(increment) => layer.put(1, 1).put(increment, increment_bits(resolution)),
        None => layer.put(0, 1),
    };
    let layer = layer.put(1, 1).put(176, 13).put(1, 1).put(144, 13).put(1, 1).put(0, 8).behind([0, 0, 1, 0x20]);
    [&[0, 0, 1, 0xb0, profile_level, 0, 0, 1, 0xb5, 9, 0, 0, 1, 0][..], &layer].concat()
}

/// A VOP of kind `I`, `P`, `B` or `S`.
pub fn vop(kind: char, seconds: u32, increment: u32, resolution: u32) -> Vec<u8> {
    coded_vop(kind, seconds, increment, resolution, true)
}

/// A VOP that repeats the one before.
pub fn empty_vop(increment: u32, resolution: u32) -> Vec<u8> {
    coded_vop('P', 0, increment, resolution, false)
}

fn coded_vop(kind: char, seconds: u32, increment: u32, resolution: u32, is_coded: bool) -> Vec<u8> {
    let mut header = Written::default().put("IPBS".find(kind).unwrap() as u32, 2);
    for _ in 0..seconds {
        header = header.put(1, 1);
    }
    header = header.put(0, 1).put(1, 1).put(increment, increment_bits(resolution)).put(1, 1);
    header = header.put(u32::from(is_coded), 1);
    if is_coded {
        header = header.put(0x5a5a_5a5a, 32).put(increment + 1, 16);
    }
    header.behind([0, 0, 1, 0xb6])
}

/// A group header with a time code in seconds.
pub fn group(seconds: u32) -> Vec<u8> {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Written::default().put(hours, 5).put(minutes, 6).put(1, 1).put(seconds, 6).put(2, 2).behind([0, 0, 1, 0xb3])
}
