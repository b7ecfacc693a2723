//! Sessions with the server over TCP, line by line, as any program would hold them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bank::{FirstAccounts, NewAccount, PinCost, RunError, Server, Settings};
use proto::net::Shutdown;
use proto::net::web::PageAddress;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A server on a port of its own.
struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    ended: JoinHandle<Result<(), RunError>>,
}

fn settings(data: &Path) -> Settings {
    Settings {
        data: data.to_owned(),
        pin_cost: PinCost::LEAST,
        ..Settings::default()
    }
}

async fn start(settings: Settings) -> Running {
    let server = Server::bind("127.0.0.1:0", settings).await.unwrap();
    let (address, shutdown) = (server.local_address().unwrap(), Shutdown::new());
    let ended = tokio::spawn(server.run(shutdown.clone()));
    Running {
        address,
        shutdown,
        ended,
    }
}

impl Running {
    async fn stop(self) {
        self.shutdown.begin();
        self.ended.await.unwrap().unwrap();
    }
}

/// A connection whose greeting was read.
struct Wire(BufReader<TcpStream>);

impl Wire {
    async fn open(address: SocketAddr) -> Self {
        let mut wire = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        let greeting = wire.receive().await;
        assert_eq!(
            (&greeting["service"], &greeting["protocol"]),
            (&json!("bank"), &json!(1))
        );
        assert!(greeting.get("lamport").is_none());
        wire
    }

    /// A connection that is logged in.
    async fn log_in(address: SocketAddr, account: &str) -> Self {
        let mut wire = Self::open(address).await;
        let reply = wire
            .ask(json!({"id": 0, "op": "login", "account": account, "pin": "1234"}))
            .await;
        assert_eq!(reply["ok"]["account"], account, "{reply}");
        wire
    }

    async fn send(&mut self, line: &str) {
        self.0
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn receive(&mut self) -> Value {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.0.read_line(&mut line));
        assert!(
            read.await.expect("an answer in time").unwrap() > 0,
            "the connection ended"
        );
        serde_json::from_str(&line).unwrap()
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.send(&request.to_string()).await;
        self.receive().await
    }

    /// The code of the error that the request is answered with.
    async fn code(&mut self, request: Value) -> String {
        let reply = self.ask(request).await;
        reply["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {reply}"))
            .to_owned()
    }
}

#[tokio::test]
async fn the_session_of_the_seed_has_its_stamps() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wire = Wire::open(running.address).await;
    let mut clock = 0;
    let mut seen = Vec::new();
    for (request, expected) in [
        (
            json!({"op": "login", "account": "1111111111", "pin": "1234"}),
            json!({"account": "1111111111", "holder": "Antonio"}),
        ),
        (json!({"op": "balance"}), json!({"balance": "10.00", "entry": 2})),
        (
            json!({"op": "deposit", "amount": "100.00"}),
            json!({"balance": "110.00", "entry": 11}),
        ),
        (
            json!({"op": "balance"}),
            json!({"balance": "110.00", "entry": 11}),
        ),
        (
            json!({"op": "withdraw", "amount": "15.00"}),
            json!({"balance": "95.00", "entry": 12}),
        ),
        (
            json!({"op": "transfer", "to": "0000000000", "amount": "20.00"}),
            json!({"balance": "75.00", "entry": 13}),
        ),
        (json!({"op": "balance"}), json!({"balance": "75.00", "entry": 13})),
    ] {
        clock += 1;
        let mut request = request;
        request["lamport"] = json!(clock);
        request["id"] = json!(clock);
        let reply = wire.ask(request).await;
        assert_eq!(reply["ok"], expected);
        let sent = reply["lamport"].as_u64().unwrap();
        seen.extend([clock, sent - 1, sent]);
        clock = sent.max(clock) + 1;
        seen.push(clock);
    }
    // Client, server, server, client: 1 2 3 4, 5 6 7 8, …
    assert_eq!(seen, (1..=28).collect::<Vec<u64>>());

    let reply = wire.ask(json!({"id": 1, "op": "statement", "limit": 3})).await;
    let lines = reply["ok"]["entries"].as_array().unwrap();
    assert_eq!(reply["ok"]["more"], true);
    let line = |n: usize| {
        (
            &lines[n]["kind"],
            &lines[n]["amount"],
            &lines[n]["balance"],
            &lines[n]["entry"],
            &lines[n]["stamp"],
        )
    };
    assert_eq!(
        line(0),
        (
            &json!("sent"),
            &json!("20.00"),
            &json!("75.00"),
            &json!(13),
            &json!(22)
        )
    );
    assert_eq!(lines[0]["counterparty"], "0000000000");
    assert_eq!(
        line(2),
        (
            &json!("deposit"),
            &json!("100.00"),
            &json!("110.00"),
            &json!(11),
            &json!(10)
        )
    );
    let rest = wire.ask(json!({"id": 1, "op": "statement", "before": 11})).await;
    assert_eq!(
        (&rest["ok"]["entries"][0]["kind"], &rest["ok"]["more"]),
        (&json!("opened"), &json!(false))
    );
    assert_eq!(
        wire.code(json!({"id": 1, "op": "statement", "before": 1})).await,
        "invalid_field"
    );
    running.stop().await;
}

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

#[tokio::test]
async fn strangers_send_short_lines_and_pipelined_replies_come_in_order() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wire = Wire::open(running.address).await;
    let long = "x".repeat(4090);
    let line = format!(r#"{{"id":1,"op":"login","account":"1111111111","pin":"1234","more":"{long}"}}"#);
    wire.send(&line).await;
    assert_eq!(wire.receive().await["code"], "line_too_long");
    wire.send(r#"{"id":1,"op":"login","account":"1111111111","pin":"1234"}"#)
        .await;
    wire.send(r#"{"id":2,"op":"deposit","amount":"1.00"}"#).await;
    wire.send(r#"{"id":3,"op":"nonsense"}"#).await;
    wire.send("no JSON").await;
    wire.send(r#"{"id":4,"op":"balance"}"#).await;
    let mut stamps = Vec::new();
    for expected in [json!(1), json!(2), json!(3), Value::Null, json!(4)] {
        let reply = wire.receive().await;
        assert_eq!(reply.get("id").unwrap_or(&Value::Null), &expected, "{reply}");
        stamps.push(reply["lamport"].as_u64().unwrap());
    }
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
    wire.send(&line.replace("login", "balance")).await;
    assert_eq!(
        wire.receive().await["ok"]["balance"],
        "11.00",
        "64 KiB after a login"
    );
    running.stop().await;
}

#[tokio::test]
async fn example_accounts_are_not_for_others() {
    let place = tempfile::tempdir().unwrap();
    let strong = |data: &Path| Settings {
        data: data.to_owned(),
        ..Settings::default()
    };
    let refused = Server::bind("0.0.0.0:0", strong(&place.path().join("new")))
        .await
        .err();
    assert!(
        matches!(
            refused,
            Some(bank::StartError::Setup(bank::SetupError::ExamplesExposed))
        ),
        "{refused:?}"
    );

    let made = place.path().join("made");
    start(strong(&made)).await.stop().await;
    let refused = Server::bind("0.0.0.0:0", strong(&made)).await.err();
    assert!(
        matches!(refused, Some(bank::StartError::ExamplesExposed { .. })),
        "{refused:?}"
    );
    let refused = Server::bind("0.0.0.0:0", settings(&made)).await.err();
    assert!(
        matches!(refused, Some(bank::StartError::CheapPinsExposed { .. })),
        "{refused:?}"
    );

    let shown = PageAddress {
        url: Some("https://bank.example.org".parse().unwrap()),
        ..PageAddress::from("127.0.0.1:0")
    };
    let refused = Server::bind_with_page("127.0.0.1:0", shown, strong(&made))
        .await
        .err();
    assert!(
        matches!(&refused, Some(bank::StartError::ExamplesExposed { address }) if address == "https://bank.example.org"),
        "{refused:?}"
    );

    let ana = NewAccount {
        account: "1111111111".parse().unwrap(),
        holder: "Ana".to_owned(),
        balance: None,
        pin: "4711".parse().unwrap(),
    };
    let own = Settings {
        first_accounts: FirstAccounts::These(vec![ana]),
        ..strong(&place.path().join("own"))
    };
    assert!(Server::bind("0.0.0.0:0", own).await.is_ok());
}

#[tokio::test]
async fn two_servers_do_not_share_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let second = Server::bind("127.0.0.1:0", settings(place.path())).await.err();
    assert!(
        matches!(
            second,
            Some(bank::StartError::Setup(bank::SetupError::Store(
                bank::StoreError::InUse(_)
            )))
        ),
        "{second:?}"
    );
    running.stop().await;
}
