//! What is refused, and with which code; and what stays refused or done under its key.

use serde_json::json;

use crate::support::{Wire, settings, start};

#[tokio::test]
async fn refusals_have_their_codes_and_their_order() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wire = Wire::log_in(running.address, "1111111111").await;
    let deposit = |key: &str, amount: &str| json!({"id": 1, "op": "deposit", "amount": amount, "key": key});
    for (request, code) in [
        (
            json!({"id": 1, "op": "withdraw", "amount": "10.01"}),
            "insufficient_funds",
        ),
        (
            json!({"id": 1, "op": "transfer", "to": "5", "amount": "1.00"}),
            "unknown_account",
        ),
        (
            json!({"id": 1, "op": "transfer", "to": "1111111111", "amount": "1.00"}),
            "same_account",
        ),
        (
            json!({"id": 1, "op": "transfer", "to": "5", "amount": "0.00"}),
            "invalid_amount",
        ),
        (
            json!({"id": 1, "op": "deposit", "amount": "92233720368547758.07"}),
            "overflow",
        ),
        (json!({"id": 1, "op": "deposit", "amount": 1}), "invalid_field"),
        (json!({"id": 1, "op": "deposit", "amount": null}), "missing_field"),
        (json!({"id": 1, "op": "fly"}), "unknown_operation"),
        (json!({"id": 1, "lamport": -1, "op": "balance"}), "invalid_stamp"),
        (
            json!({"id": 1, "lamport": 1u64 << 52, "op": "balance"}),
            "clock_leap",
        ),
    ] {
        assert_eq!(wire.code(request.clone()).await, code, "{request}");
    }
    let first = wire.ask(deposit("k", "1.00")).await;
    assert_eq!(first["ok"], json!({"balance": "11.00", "entry": 11}));
    wire.ask(deposit("l", "1.00")).await;
    assert_eq!(
        wire.ask(deposit("k", "1.00")).await["ok"],
        first["ok"],
        "the same answer"
    );
    assert_eq!(wire.code(deposit("k", "2.00")).await, "key_reused");
    assert_eq!(
        wire.code(json!({"id": 1, "op": "withdraw", "amount": "1.00", "key": "k"}))
            .await,
        "key_reused"
    );
    assert_eq!(
        wire.ask(json!({"id": 1, "op": "balance"})).await["ok"]["balance"],
        "12.00"
    );

    running.stop().await;
    let running = start(settings(place.path())).await;
    let mut wire = Wire::log_in(running.address, "1111111111").await;
    assert_eq!(
        wire.ask(deposit("k", "1.00")).await["ok"],
        first["ok"],
        "for good"
    );
    running.stop().await;
}
