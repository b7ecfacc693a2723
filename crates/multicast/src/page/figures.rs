//! The peer's figures for Prometheus, taken from its status once a second.

use std::time::Duration;

use crate::client::Status;
use crate::group::Handle;

/// Monitoring asks every 10 to 60 s; a second old is new to it.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps the figures up to date until the peer has left.
pub(super) async fn keep(handle: &Handle) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(status) = handle.status().await else {
            // The page is served until the shutdown is through.
            return std::future::pending().await;
        };
        show(&status);
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
