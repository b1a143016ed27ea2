//! 128 bits that stand for a state, whenever it is reached.
//!
//! Two states that differ only in when they were reached are one: each moment is taken relative to
//! now. A moment is known by its mark, some nanoseconds that no step of the clock and no patience
//! changes. What the core remembers is then cut at a second, because it looks back no further than
//! `REST`: what was longer ago than that is all the same.

use logic::words::Instant;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// The nanoseconds of a moment that the core may have heard of.
pub const OF_CORE: u32 = 777;
/// The nanoseconds of a moment that only the checks remember: not cut.
pub const OF_CHECKS: u32 = 778;
/// As long ago as makes a difference.
const LONG_AGO: i64 = 1000;

/// The same moment, for the checks.
pub fn for_checks(now: Instant) -> Instant {
    Instant(now.0 + Duration::from_nanos((OF_CHECKS - OF_CORE).into()))
}

/// The fingerprint of a state at this moment.
pub fn of(state: &impl Hash, now: Instant) -> u128 {
    let mut hasher = Fingerprint { now: milliseconds(now.0), held: None, lanes: [1, 2] };
    state.hash(&mut hasher);
    hasher.flush();
    u128::from(hasher.lanes[0]) << 64 | u128::from(hasher.lanes[1])
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

struct Fingerprint {
    now: i64,
    /// Perhaps the seconds of a moment.
    held: Option<u64>,
    lanes: [u64; 2],
}

impl Fingerprint {
    /// Each lane is changed one to one by what is put in, and in its own way.
    fn put(&mut self, value: u64) {
        for (lane, odd) in
            self.lanes.iter_mut().zip([0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f_u64])
        {
            *lane = (*lane ^ value).wrapping_mul(odd);
            *lane ^= *lane >> 29;
            *lane = lane.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *lane ^= *lane >> 32;
        }
    }

    fn flush(&mut self) {
        if let Some(held) = self.held.take() {
            self.put(held);
        }
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.lanes[0]
    }

    fn write(&mut self, bytes: &[u8]) {
        self.flush();
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.put(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.flush();
        self.held = Some(value);
    }

    fn write_u32(&mut self, nanoseconds: u32) {
        let mark = nanoseconds % 1_000_000;
        if let (Some(seconds), OF_CORE | OF_CHECKS) = (self.held, mark) {
            self.held = None;
            let ago = self.now - milliseconds(Duration::new(seconds, nanoseconds));
            let ago = if mark == OF_CORE { ago.min(LONG_AGO) } else { ago };
            return self.put(ago.cast_unsigned());
        }
        self.flush();
        self.put(nanoseconds.into());
    }

    fn write_u8(&mut self, value: u8) {
        self.flush();
        self.put(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.flush();
        self.put(value as u64);
    }
}

#[test]
fn a_state_is_the_same_whenever_it_is_reached() {
    let at = |ms| Instant(Duration::from_millis(ms) + Duration::from_nanos(OF_CORE.into()));
    let fingerprint = |now, then| of(&(3_u8, Some(at(then)), 5_u32), at(now));
    assert_eq!(fingerprint(5000, 5400), fingerprint(9000, 9400), "as far ahead");
    assert_ne!(fingerprint(5000, 5400), fingerprint(5000, 5401), "further ahead");
    assert_eq!(fingerprint(5000, 3999), fingerprint(5000, 10), "both long ago");
    assert_ne!(fingerprint(5000, 4001), fingerprint(5000, 4000), "not long ago");
    let checked = |now, then| of(&for_checks(at(then)), at(now));
    assert_ne!(checked(5000, 3999), checked(5000, 10), "the checks forget nothing");
}
