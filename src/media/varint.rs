//! Whole numbers in as few bytes as they need, seven bits in each: how kept indexes are written.

/// The longest number, in bytes.
const LEN_MAX: usize = 10;

/// Appends a number.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a number that may be negative; small ones of either sign are short.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Takes a number from the front of `bytes`; `None` when there is none, or one of more than 64 bits.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for index in 0..LEN_MAX {
        let byte = *bytes.get(index)?;
        let part = u64::from(byte & 0x7f);
        value |= part.checked_shl(7 * index as u32).filter(|shifted| shifted >> (7 * index) == part)?;
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

/// Takes a number that may be negative.
pub fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let value = take(bytes)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_numbers_are_short_and_too_large_ones_are_none() {
        let written = |value| {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            out
        };
        assert_eq!((written(0), written(-1), written(63), written(-65)), (vec![0], vec![1], vec![126], vec![0x81, 1]));
        for bad in [&[][..], &[0x80], &[0xff; 11], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]] {
            assert_eq!(take(&mut &*bad), None, "{bad:x?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_come_back_as_they_were(value: u64, signed: i64, rest: [u8; 3]) {
            let mut out = Vec::new();
            put(&mut out, value);
            put_signed(&mut out, signed);
            out.extend(rest);
            let mut bytes = &out[..];
            prop_assert_eq!((take(&mut bytes), take_signed(&mut bytes)), (Some(value), Some(signed)));
            prop_assert_eq!(bytes, &rest);
        }
    }
}
