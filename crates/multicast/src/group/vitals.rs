//! How the peer is, for whoever monitors it.

use proto::net::Vitals;

use super::Handle;
use crate::client::Status;

/// A page has it already; a program that serves its own monitoring asks its handle.
impl Vitals for Handle {
    fn ailment(&self) -> Option<String> {
        if let Some(failure) = self.failure() {
            return Some(failure.to_string());
        }
        let has_left = self.status().is_none();
        has_left.then(|| "this peer has left the group".to_owned())
    }

    fn measure(&self) {
        if let Some(status) = self.status() {
            show(&status);
        }
    }
}

fn show(status: &Status) {
    let count = |name: &'static str, value: Option<u64>| {
        metrics::counter!(name).absolute(value.unwrap_or(0));
    };
    let level = |name: &'static str, value: u64| metrics::gauge!(name).set(value as f64);
    let frames = status.frames.unwrap_or_default();
    count("multicast_sent_total", status.sent);
    count("multicast_delivered_total", status.delivered);
    count("multicast_duplicates_total", status.duplicates);
    count("multicast_payload_frames_sent_total", Some(frames.payload_sent));
    count(
        "multicast_payload_frames_received_total",
        Some(frames.payload_received),
    );
    count("multicast_control_frames_sent_total", Some(frames.control_sent));
    count(
        "multicast_control_frames_received_total",
        Some(frames.control_received),
    );
    level("multicast_lamport_time", status.lamport.unwrap_or(0));
    level("multicast_undelivered", status.undelivered.unwrap_or(0));
    level("multicast_retained", status.retained.unwrap_or(0));
    level("multicast_retained_bytes", status.retained_bytes.unwrap_or(0));
    level("multicast_waiting_for", status.waiting.len() as u64);
    let up = status
        .members
        .iter()
        .filter(|member| member.state.as_deref() == Some("up"));
    level("multicast_members_up", up.count() as u64);
}
