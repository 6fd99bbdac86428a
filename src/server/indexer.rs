//! The thread that reads recordings from end to end which viewers have opened and whose format has no table of their
//! samples. Viewers do without until it is done: their seeks find what they need.
//!
//! It works half the time at most, on each recording in turn, so that a disk has time for those who watch.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, select};
use log::{debug, error, info};

use super::{Shared, panic_text};
use crate::library::Unindexed;
use crate::media::{Indexing, Progress};

/// How long to leave a recording to a viewer whose seek reads on in it.
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// The most recordings that are read in turn; more wait in the queue.
const TURNS_MAX: usize = 16;
/// Stack of the thread, in bytes.
const STACK_LEN: usize = 512 << 10;

/// Starts it. It ends when the server stops, within some milliseconds.
///
/// # Errors
/// When there can be no thread.
pub fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let Some(token) = shared.thread_token() else { return Ok(()) };
    let shared = Arc::clone(shared);
    thread::Builder::new().name("indexer".to_owned()).stack_size(STACK_LEN).spawn(move || {
        let _token = token;
        let jobs = shared.library.unindexed().clone();
        run(&shared, &jobs);
    })?;
    Ok(())
}

/// A recording that is being read.
struct Turn {
    job: Unindexed,
    indexing: Box<dyn Indexing>,
}

impl Turn {
    /// `None` when nobody has use for it any more, or it is known by now.
    fn begin(job: Unindexed) -> Option<Self> {
        let indexing = job.recording.upgrade()?.indexing()?;
        Some(Self { job, indexing })
    }

    /// Reads on. Whether there is more to read.
    fn step(&mut self, shared: &Shared) -> bool {
        let path = self.job.path.display();
        match self.indexing.step() {
            Ok(Progress::More { .. }) => true,
            Ok(Progress::Busy) => {
                shared.hold(BUSY_WAIT);
                true
            }
            Ok(Progress::Done) => {
                let index = self.indexing.export();
                let is_kept = index.is_some_and(|index| shared.library.indexes().save(&self.job.key, &index));
                debug!("{path}: read from end to end{}", if is_kept { "; its index is kept" } else { "" });
                false
            }
            Err(error) => {
                info!("{path}: cannot be read to its end: {error}");
                false
            }
        }
    }
}

fn run(shared: &Shared, jobs: &Receiver<Unindexed>) {
    let mut turns: VecDeque<Turn> = VecDeque::new();
    loop {
        if turns.is_empty() {
            select! {
                recv(jobs) -> job => turns.extend(job.ok().and_then(Turn::begin)),
                recv(shared.stopping) -> _ => return,
            }
        }
        if matches!(shared.stopping.try_recv(), Err(TryRecvError::Disconnected)) {
            return;
        }
        if turns.len() < TURNS_MAX {
            turns.extend(jobs.try_recv().ok().and_then(Turn::begin));
        }
        let Some(mut turn) = turns.pop_front() else { continue };
        let began = Instant::now();
        let stepped = catch_unwind(AssertUnwindSafe(|| turn.step(shared)));
        match stepped {
            Ok(true) => turns.push_back(turn),
            Ok(false) => {}
            Err(panic) => error!("{}: not read to its end: fault: {}", turn.job.path.display(), panic_text(&*panic)),
        }
        shared.hold(began.elapsed());
    }
}
