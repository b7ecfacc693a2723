//! The clock condition (Lamport 1978, section "Logical Clocks"): events of one process have growing times, and a receive a
//! larger time than its send. A copy dropped is no event, so no two deliveries of a process share a time. A message of one's own that
//! had to wait is delivered in an event of its own, and so is what was missed told.

use std::collections::BTreeSet;

use crate::core::Order;
use crate::sim::history::{Event, History};

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    for chain in &history.chains {
        let mut times = BTreeSet::new();
        let mut last_send = 0;
        for (at, event) in &chain.events {
            let time = match event {
                Event::Sent { stamp, .. } => {
                    if *stamp <= last_send {
                        return Err(format!(
                            "at {at} {:?} sent with the time {stamp} again",
                            chain.member
                        ));
                    }
                    last_send = *stamp;
                    *stamp
                }
                Event::Delivered {
                    id, stamp, received, ..
                } if id.stream.origin != chain.member => {
                    if received <= stamp {
                        return Err(format!(
                            "at {at} {:?} received {id:?} before it was sent",
                            chain.member
                        ));
                    }
                    *received
                }
                Event::Delivered {
                    received,
                    later: true,
                    ..
                } => *received,
                // It waits for the others, whatever the clock does meanwhile.
                Event::Delivered { id, .. } if history.order == Order::Total => {
                    return Err(format!(
                        "at {at} {:?} delivered {id:?} with its sending",
                        chain.member
                    ));
                }
                Event::Missed { time: Some(time), .. } => *time,
                Event::Delivered { .. } | Event::Missed { time: None, .. } => continue,
            };
            if !times.insert(time) {
                return Err(format!(
                    "at {at} two events of {:?} have the time {time}",
                    chain.member
                ));
            }
        }
    }
    Ok(())
}
