//! Changes of a PIN.

use serde_json::json;

use crate::support::{Wire, settings, start};

#[tokio::test]
async fn a_pin_can_be_changed() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wire = Wire::log_in(running.address, "1111111111").await;
    let change = |old: &str, new: &str| json!({"id": 1, "op": "change_pin", "old": old, "new": new});
    assert_eq!(wire.code(change("1235", "9876")).await, "login_failed");
    assert_eq!(wire.code(change("1234", "abcd")).await, "invalid_pin");
    assert_eq!(wire.ask(change("1234", "9876")).await["ok"], json!({"entry": 11}));
    running.stop().await;
    let running = start(settings(place.path())).await;
    let mut wire = Wire::open(running.address).await;
    let login = |pin: &str| json!({"id": 1, "op": "login", "account": "1111111111", "pin": pin});
    assert_eq!(wire.code(login("1234")).await, "login_failed");
    assert_eq!(wire.ask(login("9876")).await["ok"]["holder"], "Antonio");
    running.stop().await;
}

#[tokio::test]
async fn of_two_changes_that_prove_the_same_pin_one_is_made() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wires = [
        Wire::log_in(running.address, "1111111111").await,
        Wire::log_in(running.address, "1111111111").await,
    ];
    let mut pin = "1234".to_owned();
    for round in 0..4 {
        let new = |wire: usize| format!("{:04}", 2 * round + wire);
        for (n, wire) in wires.iter_mut().enumerate() {
            let change = json!({"id": 1, "op": "change_pin", "old": pin, "new": new(n)});
            wire.send(&change.to_string()).await;
        }
        let (first, second) = (wires[0].receive().await, wires[1].receive().await);
        let (made, refused) = if first.get("ok").is_some() {
            (0, second)
        } else {
            (1, first)
        };
        assert_eq!(refused["error"]["code"], "login_failed", "{refused}");
        pin = new(made);
        let login = json!({"id": 1, "op": "login", "account": "1111111111", "pin": pin});
        assert_eq!(wires[1 - made].ask(login).await["ok"]["holder"], "Antonio");
    }
    running.stop().await;
}
