//! Figures of a run, gathered in one pass over traces of any length.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use crate::check::{Merge, MergeError};
use crate::trace::{Kind, Record};

/// Figures of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// By process, in the order of names.
    pub processes: Vec<(String, ProcessStats)>,
    /// By label: how often.
    pub labels: BTreeMap<String, u64>,
    /// All events.
    pub events: u64,
    /// Events that the traces say are missing.
    pub dropped: u64,
    /// Wall time of the first and the last event, microseconds since the Unix epoch.
    pub span_us: Option<(u64, u64)>,
    /// From a send to each of its receives, on the wall clocks of both.
    pub latency: Latency,
}

/// Figures of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessStats {
    /// Messages sent.
    pub sends: u64,
    /// Messages received.
    pub receives: u64,
    /// Other events.
    pub locals: u64,
    /// The first Lamport time.
    pub first: u64,
    /// The last Lamport time.
    pub last: u64,
}

/// How long messages took: a histogram whose steps grow with the value, exact to 7 %.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latency {
    buckets: BTreeMap<u32, u64>,
    /// Messages measured.
    pub count: u64,
    /// Messages that seem to have arrived before they were sent: the wall clocks differ.
    pub backwards: u64,
}

impl Stats {
    /// Reads the traces to their end.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn read(merge: &mut Merge<'_>) -> Result<Self, MergeError> {
        let mut stats = Self::default();
        let mut processes: BTreeMap<String, ProcessStats> = BTreeMap::new();
        let mut sent: HashMap<String, u64> = HashMap::new();
        // Receives that are read before their send, as happens where several processes share a file.
        let mut early: Vec<(String, u64)> = Vec::new();
        let outcome = merge.for_each(|_, record| {
            let event = match record {
                Record::Event(event) => event,
                Record::Dropped(count) => {
                    stats.dropped += count;
                    return Ok::<(), Infallible>(());
                }
                Record::Closed(_) => return Ok(()),
            };
            stats.events += 1;
            let (first, last) = stats.span_us.get_or_insert((event.at_us, event.at_us));
            (*first, *last) = ((*first).min(event.at_us), (*last).max(event.at_us));
            if !event.label.is_empty() {
                *entry(&mut stats.labels, &event.label) += 1;
            }
            let process = entry(&mut processes, &event.process);
            if process.last == 0 {
                process.first = event.lamport;
            }
            process.last = event.lamport;
            match event.kind {
                Kind::Send => process.sends += 1,
                Kind::Receive => process.receives += 1,
                Kind::Local => process.locals += 1,
            }
            match (event.kind, event.message) {
                (Kind::Send, Some(message)) => {
                    sent.insert(message.into_owned(), event.at_us);
                }
                (Kind::Receive, Some(message)) => match sent.get(&*message) {
                    Some(at) => stats.latency.add(*at, event.at_us),
                    None => early.push((message.into_owned(), event.at_us)),
                },
                _ => {}
            }
            Ok(())
        })?;
        let Ok(()) = outcome;
        for (message, received_us) in early {
            if let Some(sent_us) = sent.get(&message) {
                stats.latency.add(*sent_us, received_us);
            }
        }
        stats.labels = shown(stats.labels);
        stats.processes = shown(processes).into_iter().collect();
        stats
            .processes
            .sort_by(|(one, _), (other, _)| super::by_name(one, other));
        Ok(stats)
    }
}

/// The entry of a map by text, without making a text of it each time.
fn entry<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> &'m mut V {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), V::default());
    }
    map.get_mut(key).expect("just inserted")
}

fn shown<V>(map: BTreeMap<String, V>) -> BTreeMap<String, V> {
    map.into_iter()
        .map(|(key, value)| (super::visible(&key), value))
        .collect()
}

impl Latency {
    const STEPS: u32 = 16;

    fn add(&mut self, sent_us: u64, received_us: u64) {
        let Some(us) = received_us.checked_sub(sent_us) else {
            self.backwards += 1;
            return;
        };
        self.count += 1;
        *self.buckets.entry(Self::bucket(us)).or_default() += 1;
    }

    /// The time within which this share of the messages arrived, in microseconds; `None` without messages.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= wanted).then(|| Self::value(*bucket))
        })
    }

    /// Small values have a bucket each; above, sixteen for each doubling.
    fn bucket(us: u64) -> u32 {
        let bits = u64::BITS - us.leading_zeros();
        if bits <= 5 {
            return us as u32;
        }
        let shift = bits - 5;
        (shift + 1) * Self::STEPS + ((us >> shift) as u32 - Self::STEPS)
    }

    fn value(bucket: u32) -> u64 {
        if bucket < 2 * Self::STEPS {
            return bucket.into();
        }
        let shift = bucket / Self::STEPS - 1;
        u64::from(bucket % Self::STEPS + Self::STEPS) << shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_to_a_sixteenth() {
        for us in (0..2000).chain([12_345, 1_000_000, 86_400_000_000]) {
            let shown = Latency::value(Latency::bucket(us));
            assert!(shown <= us && us - shown <= us / 16, "{us} is shown as {shown}");
        }
    }

    #[test]
    fn a_receive_counts_wherever_its_send_stands() {
        let event = |process: &str, kind: &str, at_us: u64| {
            format!(
                r#"{{"process":"{process}","lamport":{at_us},"kind":"{kind}","message":"a@1","at_us":{at_us}}}"#
            )
        };
        let (send, receive) = (event("a", "send", 10), event("b", "receive", 25));
        for text in [format!("{send}\n{receive}\n"), format!("{receive}\n{send}\n")] {
            let mut merge = Merge::new();
            merge.add("trace", text.as_bytes()).unwrap();
            let latency = Stats::read(&mut merge).unwrap().latency;
            assert_eq!((latency.count, latency.quantile_us(1.0)), (1, Some(15)), "{text}");
        }
    }
}
