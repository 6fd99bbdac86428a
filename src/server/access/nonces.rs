//! Nonces: made to be recognised, not remembered, and then used once for each count.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::rtsp::auth::hex;
use crate::server::session::random;
use crate::sync::Leaf;

/// Nonces of which the counts are remembered. Only who knows a password gets one in here.
const USES_MAX: usize = 4096;
/// How far behind the highest a count may come, as several connections may share a nonce.
const WINDOW: u32 = 64;
/// Time, random bytes and the authentication code, in bytes.
const LENS: (usize, usize, usize) = (8, 8, 16);
/// A nonce in hexadecimal.
const NONCE_LEN: usize = 2 * (LENS.0 + LENS.1 + LENS.2);

/// Issues nonces and knows them again, on any connection.
///
/// A nonce is the time of its issue, random bytes, and a code over both that nobody else can make. So strangers who ask
/// for thousands take no memory.
pub struct Nonces {
    key: [u8; 32],
    born: Instant,
    uses: Leaf<Uses>,
}

/// The counts that came with each nonce.
#[derive(Debug, Default)]
struct Uses {
    windows: HashMap<String, Window>,
    /// Up to this issue time nonces are no longer remembered, and so no longer good with a count.
    forgotten: Option<Instant>,
}

#[derive(Debug)]
struct Window {
    issued: Instant,
    highest: u32,
    /// Bit `n`: the count `highest - n` came.
    seen: u64,
}

impl Nonces {
    /// Issues with this key.
    pub fn new(key: [u8; 32], now: Instant) -> Self {
        Self { key, born: now, uses: Leaf::default() }
    }

    /// A new nonce.
    pub fn issue(&self, now: Instant) -> String {
        let millis = now.saturating_duration_since(self.born).as_millis() as u64;
        let mut bytes = millis.to_be_bytes().to_vec();
        bytes.extend_from_slice(&random::<{ LENS.1 }>());
        let code = self.code(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&code[..LENS.2]);
        hex(&bytes)
    }

    /// When we issued it; `None` when we did not.
    pub fn issue_time(&self, nonce: &str) -> Option<Instant> {
        let bytes = decode(nonce)?;
        let (content, code) = bytes.split_at(LENS.0 + LENS.1);
        self.code(content).verify_truncated_left(code).ok()?;
        let millis = u64::from_be_bytes(content[..LENS.0].try_into().ok()?);
        self.born.checked_add(Duration::from_millis(millis))
    }

    /// Whether this count of a nonce comes for the first time. From then on it has come.
    pub fn use_once(&self, nonce: &str, nc: u32, issued: Instant, lifetime: Duration, now: Instant) -> bool {
        self.uses.with(|uses| {
            if let Some(window) = uses.windows.get_mut(nonce) {
                return window.take(nc);
            }
            if uses.forgotten.is_some_and(|forgotten| issued <= forgotten) {
                return false;
            }
            if uses.windows.len() >= USES_MAX {
                uses.make_room(lifetime, now);
            }
            let mut window = Window { issued, highest: 0, seen: 0 };
            let is_first = window.take(nc);
            uses.windows.insert(nonce.to_owned(), window);
            is_first
        })
    }

    fn code(&self, content: &[u8]) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        code.update(content);
        code
    }
}

/// Says nothing of the key.
impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

impl Uses {
    /// Forgets the nonces that are too old to be used, or the oldest; what is forgotten is refused from then on.
    fn make_room(&mut self, lifetime: Duration, now: Instant) {
        let oldest = self.windows.values().map(|window| window.issued).min();
        let expired = now.checked_sub(lifetime);
        let limit = oldest.max(expired);
        self.windows.retain(|_, window| limit.is_some_and(|limit| window.issued > limit));
        self.forgotten = self.forgotten.max(limit);
    }
}

impl Window {
    fn take(&mut self, nc: u32) -> bool {
        if nc == 0 || self.highest.saturating_sub(nc) >= WINDOW {
            return false;
        }
        if nc > self.highest {
            self.seen = self.seen.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let bit = 1 << (self.highest - nc);
        let is_first = self.seen & bit == 0;
        self.seen |= bit;
        is_first
    }
}

/// Reads what [`hex`] wrote; `None` for anything else.
fn decode(nonce: &str) -> Option<Vec<u8>> {
    let is_lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if nonce.len() != NONCE_LEN || !nonce.bytes().all(is_lower_hex) {
        return None;
    }
    (0..nonce.len()).step_by(2).map(|at| u8::from_str_radix(&nonce[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);

    #[test]
    fn a_nonce_is_known_again_with_its_time_and_a_changed_one_is_not() {
        let born = Instant::now();
        let nonces = Nonces::new([7; 32], born);
        let now = born + Duration::from_secs(90);
        let nonce = nonces.issue(now);
        assert_ne!(nonce, nonces.issue(now));
        assert_eq!(nonces.issue_time(&nonce), Some(now));
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(nonces.issue_time(std::str::from_utf8(&changed).unwrap()), None, "changed at {at}");
        }
        for wrong in ["", "00", &nonce.to_uppercase(), &nonce[1..], &format!("{nonce}0"), &"é".repeat(32)] {
            assert_eq!(nonces.issue_time(wrong), None, "{wrong}");
        }
        assert_eq!(Nonces::new([8; 32], born).issue_time(&nonce), None, "another key");
    }

    #[test]
    fn each_count_is_good_once_and_may_come_a_little_late() {
        let now = Instant::now();
        let nonces = Nonces::new([7; 32], now);
        let nonce = nonces.issue(now);
        let rows = [
            (1, true),
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (3, false),
            (0, false),
            (100, true),
            (37, true),
            (37, false),
            (36, false),
            (u32::MAX, true),
            (u32::MAX, false),
            (101, false),
        ];
        for (row, (nc, expected)) in rows.into_iter().enumerate() {
            assert_eq!(nonces.use_once(&nonce, nc, now, LIFETIME, now), expected, "row {row}, count {nc}");
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_refused() {
        let born = Instant::now();
        let nonces = Nonces::new([7; 32], born);
        let issue =
            |second: u64| (nonces.issue(born + Duration::from_secs(second)), born + Duration::from_secs(second));
        let (first, first_issued) = issue(0);
        assert!(nonces.use_once(&first, 1, first_issued, LIFETIME, first_issued));
        let now = born + Duration::from_secs(1);
        for _ in 0..USES_MAX {
            let (nonce, issued) = issue(1);
            assert!(nonces.use_once(&nonce, 1, issued, LIFETIME, now));
        }
        assert!(nonces.uses.with(|uses| uses.windows.len()) <= USES_MAX);
        assert!(!nonces.use_once(&first, 1, first_issued, LIFETIME, now), "a replay");
        assert!(!nonces.use_once(&first, 2, first_issued, LIFETIME, now), "counts of a forgotten nonce");
    }
}
