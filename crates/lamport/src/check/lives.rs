//! What may be missing between two events of a process.

use super::{Place, Source};

/// The processes, each with the state of its trace at its last event.
#[derive(Debug, Default)]
pub(super) struct Lives {
    of: Vec<Life>,
}

#[derive(Debug)]
struct Life {
    /// The source of the last event.
    source: u32,
    /// How often that source had dropped events.
    dropped: u32,
    epoch: u32,
}

impl Lives {
    /// The epoch of a process's event: another one than that of the event before if something may be missing between them, because
    /// the source says so, or because the process goes on in another source and the former was cut off, as that of a process that
    /// was killed is.
    pub(super) fn epoch(&mut self, process: u32, place: Place, sources: &[Source]) -> u32 {
        let source = place.source();
        let dropped = sources[source as usize].dropped;
        let Some(life) = self.of.get_mut(process as usize) else {
            self.of.push(Life {
                source,
                dropped,
                epoch: dropped,
            });
            return dropped;
        };
        let whole = if life.source == source {
            life.dropped == dropped
        } else {
            dropped == 0 && sources[life.source as usize].closed
        };
        life.epoch += u32::from(!whole);
        (life.source, life.dropped) = (source, dropped);
        life.epoch
    }
}
