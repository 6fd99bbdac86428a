//! The one-lock rule: every lock is a leaf. No thread holds two, so no order of locks can be wrong.

use parking_lot::Mutex;

/// A value behind a lock that is never held together with another.
///
/// Access is by closure, so the lock's span is in view. Debug builds panic when a thread takes a second one.
#[derive(Debug, Default)]
pub struct Leaf<T> {
    inner: Mutex<T>,
}

impl<T> Leaf<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { inner: Mutex::new(value) }
    }

    /// Runs `access` with the value locked. Nothing in `access` may block or take another lock.
    pub fn with<R>(&self, access: impl FnOnce(&mut T) -> R) -> R {
        let _held = held::Held::enter();
        access(&mut self.inner.lock())
    }

    /// As [`Self::with`], but `None` at once when another thread has it.
    pub fn try_with<R>(&self, access: impl FnOnce(&mut T) -> R) -> Option<R> {
        let _held = held::Held::enter();
        self.inner.try_lock().map(|mut value| access(&mut value))
    }
}

#[cfg(debug_assertions)]
mod held {
    use std::cell::Cell;

    thread_local!(static HELD: Cell<bool> = const { Cell::new(false) });

    pub struct Held;

    impl Held {
        pub fn enter() -> Self {
            HELD.with(|held| assert!(!held.replace(true), "a thread that holds a lock takes a second one"));
            Self
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HELD.with(|held| held.set(false));
        }
    }
}

#[cfg(not(debug_assertions))]
mod held {
    pub struct Held;

    impl Held {
        pub fn enter() -> Self {
            Self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_one_after_the_other_are_fine() {
        let (first, second) = (Leaf::new(1), Leaf::new(2));
        let sum = first.with(|a| *a);
        assert_eq!(second.with(|b| *b + sum), 3);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "takes a second one")]
    fn a_second_lock_panics_in_debug_builds() {
        let (first, second) = (Leaf::new(1), Leaf::new(2));
        first.with(|_| second.with(|_| ()));
    }
}
