//! Wrong passwords, counted for each address: who guesses waits longer each time, and then is not heard.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{Auth, Network};
use crate::sync::Leaf;

/// Addresses that are remembered; beyond that the one that was quiet for longest is forgotten.
const ADDRESSES_MAX: usize = 4096;
/// Wrong passwords that are answered at once: who mistypes is not to notice.
const FREE: u32 = 3;
/// The first wait; each further one is twice as long.
const DELAY_MIN: Duration = Duration::from_millis(500);
/// The longest wait.
const DELAY_MAX: Duration = Duration::from_secs(4);
/// An IPv6 customer has at least that much to himself (RFC 6177), so it counts as one.
const IPV6_PREFIX_LEN: u8 = 64;

/// The wrong passwords of late.
#[derive(Debug, Default)]
pub struct Failures {
    by_address: Leaf<HashMap<IpAddr, Count>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    count: u32,
    last: Instant,
}

/// What follows from a wrong password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How many came from there, this one included.
    pub count: u32,
    /// How long its answer is to be held back.
    pub delay: Duration,
    /// Whether it is the one after which the address is blocked.
    pub blocks: bool,
}

impl Failures {
    /// Notes a wrong password.
    pub fn note(&self, peer: IpAddr, auth: &Auth, now: Instant) -> Failure {
        let count = self.by_address.with(|by_address| {
            let known = by_address.get(&key(peer)).filter(|known| is_recent(known, auth, now));
            let count = known.map_or(0, |known| known.count).saturating_add(1);
            by_address.insert(key(peer), Count { count, last: now });
            if by_address.len() > ADDRESSES_MAX {
                forget_oldest(by_address);
            }
            count
        });
        Failure { count, delay: delay(count), blocks: count == auth.failures_max }
    }

    /// Whether nothing that comes from there is looked at.
    pub fn is_blocked(&self, peer: IpAddr, auth: &Auth, now: Instant) -> bool {
        let known = self.by_address.with(|by_address| by_address.get(&key(peer)).copied());
        known.is_some_and(|known| known.count >= auth.failures_max && is_recent(&known, auth, now))
    }
}

fn key(peer: IpAddr) -> IpAddr {
    let peer = peer.to_canonical();
    let network = Network::around(peer, IPV6_PREFIX_LEN).filter(|_| peer.is_ipv6());
    network.map_or(peer, |network| network.address())
}

fn is_recent(count: &Count, auth: &Auth, now: Instant) -> bool {
    now.saturating_duration_since(count.last) < auth.block_time
}

fn delay(count: u32) -> Duration {
    let Some(steps) = count.checked_sub(FREE + 1) else { return Duration::ZERO };
    DELAY_MIN.saturating_mul(2_u32.saturating_pow(steps)).min(DELAY_MAX)
}

fn forget_oldest(by_address: &mut HashMap<IpAddr, Count>) {
    let oldest = by_address.iter().min_by_key(|(_, count)| count.last).map(|(address, _)| *address);
    if let Some(oldest) = oldest {
        by_address.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_in_a_block_that_ends() {
        let auth = Auth { failures_max: 8, block_time: Duration::from_secs(60), ..Auth::default() };
        let (failures, peer, mut now) = (Failures::default(), "10.0.0.7".parse().unwrap(), Instant::now());
        for (number, wait) in [0, 0, 0, 500, 1000, 2000, 4000, 4000].into_iter().enumerate() {
            assert!(!failures.is_blocked(peer, &auth, now), "before number {number}");
            now += Duration::from_secs(20);
            let failure = failures.note(peer, &auth, now);
            assert_eq!((failure.count as usize, failure.delay), (number + 1, Duration::from_millis(wait)));
            assert_eq!(failure.blocks, number == 7);
        }
        assert!(failures.is_blocked(peer, &auth, now + Duration::from_secs(59)));
        assert!(!failures.is_blocked("10.0.0.8".parse().unwrap(), &auth, now), "a neighbour");
        now += Duration::from_secs(60);
        assert!(!failures.is_blocked(peer, &auth, now));
        assert_eq!(failures.note(peer, &auth, now).count, 1, "all is forgotten");
    }

    #[test]
    fn an_ipv6_customer_is_one_address_and_an_ipv4_address_is_one_however_written() {
        let (auth, failures, now) = (Auth::default(), Failures::default(), Instant::now());
        let rows = [("2001:db8::1", 1), ("2001:db8::2:3:4:5", 2), ("2001:db8:0:1::1", 1)];
        for (peer, count) in rows.into_iter().chain([("10.0.0.1", 1), ("::ffff:10.0.0.1", 2), ("10.0.0.2", 1)]) {
            assert_eq!(failures.note(peer.parse().unwrap(), &auth, now).count, count, "{peer}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_quietest_is_forgotten() {
        let (auth, failures, start) = (Auth::default(), Failures::default(), Instant::now());
        for number in 0..=ADDRESSES_MAX as u32 {
            let now = start + Duration::from_millis(u64::from(number));
            failures.note(IpAddr::from(number.to_be_bytes()), &auth, now);
        }
        assert_eq!(failures.by_address.with(|by_address| by_address.len()), ADDRESSES_MAX);
        let now = start + Duration::from_secs(10);
        assert_eq!(failures.note(IpAddr::from([0, 0, 0, 0]), &auth, now).count, 1, "the first was forgotten");
        assert_eq!(failures.note(IpAddr::from([0, 0, 0, 9]), &auth, now).count, 2, "others were not");
    }
}
