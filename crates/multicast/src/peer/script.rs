//! The scripted run: a few messages at random gaps, the last one saying so.

use std::time::Duration;

use multicast::Handle;

/// Gap before each message, in milliseconds: 1 to 3 seconds.
const GAP_MS: std::ops::RangeInclusive<u64> = 1000..=3000;

/// Longest wait for the other members before the script begins without them.
const MEMBERS_TIME: Duration = Duration::from_secs(10);

pub(crate) async fn play(handle: &Handle) {
    let linked = tokio::time::timeout(MEMBERS_TIME, linked(handle)).await;
    if linked.is_err() {
        tracing::info!("not all members are here; the script begins without them");
    }
    let last = format!("Mensagem final de {}", handle.id());
    for text in ["Olá a todos!", "Como vocês estão?", &last] {
        tokio::time::sleep(gap()).await;
        if let Err(error) = handle.send(text).await {
            return tracing::error!("not sent: {error}");
        }
    }
}

async fn linked(handle: &Handle) {
    while let Some(status) = handle.status() {
        if status
            .members
            .iter()
            .all(|member| matches!(member.state.as_deref(), Some("self" | "up")))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn gap() -> Duration {
    let span = GAP_MS.end() - GAP_MS.start() + 1;
    Duration::from_millis(GAP_MS.start() + getrandom::u64().unwrap_or(0) % span)
}
