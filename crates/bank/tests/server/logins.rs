//! Who is let in, and what is told to those who are not.

use serde_json::json;

use crate::support::{Wire, settings, start};

#[tokio::test]
async fn a_failed_login_may_be_tried_again_and_says_nothing_about_accounts() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wire = Wire::open(running.address).await;
    assert_eq!(
        wire.code(json!({"id": 1, "op": "balance"})).await,
        "not_logged_in"
    );
    let mut messages = Vec::new();
    for (account, pin) in [
        ("1111111111", "4321"),
        ("1234567890", "1234"),
        ("../etc", "1234"),
        ("1111111111", "x"),
    ] {
        let reply = wire
            .ask(json!({"id": 1, "op": "login", "account": account, "pin": pin}))
            .await;
        assert_eq!(reply["error"]["code"], "login_failed");
        messages.push(reply["error"].to_string());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "one text for every reason");
    let right = json!({"id": 1, "op": "login", "account": "1111111111", "pin": "1234"});
    assert_eq!(wire.ask(right.clone()).await["ok"]["holder"], "Antonio");
    assert_eq!(wire.ask(json!({"id": 1, "op": "logout"})).await["ok"], json!({}));
    assert_eq!(
        wire.code(json!({"id": 1, "op": "balance"})).await,
        "not_logged_in"
    );

    // A login that fails ends the session before it.
    wire.ask(right.clone()).await;
    assert_eq!(
        wire.code(json!({"id": 1, "op": "login", "account": "1", "pin": "1234"}))
            .await,
        "login_failed"
    );
    assert_eq!(
        wire.code(json!({"id": 1, "op": "balance"})).await,
        "not_logged_in"
    );

    for _ in 0..3 {
        wire.code(json!({"id": 1, "op": "login", "account": "1111111111", "pin": "0000"}))
            .await;
    }
    assert_eq!(
        wire.code(right).await,
        "rate_limited",
        "even the right PIN has to wait now"
    );
    Wire::log_in(running.address, "2222222222").await;
    running.stop().await;
}

#[tokio::test]
async fn a_hundred_logins_at_once_from_one_address_are_no_wrong_pins() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let logins: Vec<_> = (0..100)
        .map(|n| tokio::spawn(Wire::log_in(running.address, ["1111111111", "2222222222"][n % 2])))
        .collect();
    for login in logins {
        login.await.unwrap();
    }
    // Wrong ones, however many at once, are few.
    let address = running.address;
    let wrong: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn(async move {
                let mut wire = Wire::open(address).await;
                wire.code(json!({"id": 1, "op": "login", "account": "3333333333", "pin": "0000"}))
                    .await
            })
        })
        .collect();
    let mut codes = Vec::new();
    for login in wrong {
        codes.push(login.await.unwrap());
    }
    assert_eq!(
        codes.iter().filter(|code| *code == "login_failed").count(),
        5,
        "{codes:?}"
    );
    running.stop().await;
}
