//! A refusal stands: whoever was told that a change was refused can rely on it, whatever copies of the request are still
//! on their way.

use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::Wire;
use crate::support::toy::{Plant, Toy};

/// A reply without its stamp and id.
fn told(wire: &mut Wire, op: &str, fields: &Value) -> Value {
    wire.send(op, fields).unwrap();
    let reply = wire.read().unwrap();
    json!({"ok": reply["ok"], "error": reply["error"]})
}

/// Requests that are refused, and copies of them that come when they could be done: on another connection and after a
/// kill. What was answered otherwise than the first.
fn changed_minds(bank: &mut impl Subject, opening: &Opening) -> Vec<String> {
    let [own, other] = [&opening.accounts[0], &opening.accounts[1]];
    let requests = [
        ("withdraw", json!({"amount": "100.01", "key": "w"})),
        ("transfer", json!({"to": other, "amount": "150.00", "key": "t"})),
        ("transfer", json!({"to": "424242", "amount": "1.00", "key": "u"})),
    ];
    let mut wire = Wire::login(bank.address().get(), own).unwrap();
    let first: Vec<Value> = requests
        .iter()
        .map(|(op, fields)| told(&mut wire, op, fields))
        .collect();
    assert!(
        first.iter().all(|told| told["error"]["code"].is_string()),
        "{first:?}"
    );
    // Now there is enough for each of them.
    wire.ask("deposit", &json!({"amount": "1000.00"}))
        .unwrap()
        .unwrap();
    let mut changed = Vec::new();
    for life in ["the same", "the next"] {
        // A copy that was delayed on another connection.
        let mut late = Wire::login(bank.address().get(), own).unwrap();
        for ((op, fields), first) in requests.iter().zip(&first) {
            let again = told(&mut late, op, fields);
            if again != *first {
                changed.push(format!("{op} {fields} in {life} life: {first}, then {again}"));
            }
        }
        bank.crash();
    }
    let mut wire = Wire::login(bank.address().get(), own).unwrap();
    let held = wire.ask("balance", &json!({})).unwrap().unwrap();
    if held["balance"] != "1100.00" {
        changed.push(format!("the account holds {}", held["balance"]));
    }
    changed
}

#[test]
fn a_refused_key_stays_refused_over_connections_and_kills() {
    let opening = Opening::new(2, 10_000);
    let mut bank = RealBank::start(&opening);
    let changed = changed_minds(&mut bank, &opening);
    assert!(changed.is_empty(), "{changed:#?}");
    // The key is taken, and the statement does not speak of what did not happen.
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    let other = json!({"amount": "1.00", "key": "w"});
    assert_eq!(
        wire.ask("withdraw", &other).unwrap(),
        Err("key_reused".to_owned())
    );
    let page = wire.ask("statement", &json!({})).unwrap().unwrap();
    let kinds: Vec<&Value> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["kind"])
        .collect();
    assert_eq!(kinds, ["deposit", "opened"]);
    // A refused entry is nobody's place in a statement.
    let before = wire.ask("statement", &json!({"before": 4})).unwrap();
    assert_eq!(before, Err("invalid_field".to_owned()));
}

#[test]
fn control_of_refusals() {
    let opening = Opening::new(2, 10_000);
    let found = |plant| changed_minds(&mut Toy::start(&opening, plant), &opening);
    assert_eq!(found(Plant::Nothing), [] as [String; 0]);
    assert!(found(Plant::ForgetsRefusals).len() >= 3);
}

/// Without a key nothing is promised, and nothing is written: the next try may succeed.
#[test]
fn a_refusal_without_a_key_is_forgotten() {
    let opening = Opening::new(2, 10_000);
    let bank = RealBank::start(&opening);
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    let withdrawal = json!({"amount": "100.01"});
    for _ in 0..10 {
        assert_eq!(
            wire.ask("withdraw", &withdrawal).unwrap(),
            Err("insufficient_funds".to_owned())
        );
    }
    let done = wire.ask("deposit", &json!({"amount": "1.00"})).unwrap().unwrap();
    assert_eq!(done["entry"], 3, "nothing was written in between");
    wire.ask("withdraw", &withdrawal).unwrap().unwrap();
}

/// Refusals fill the journal at a bounded pace only, and a key that was not looked at is still free.
#[test]
fn refusals_are_remembered_at_a_bounded_pace() {
    let opening = Opening::new(2, 10_000);
    let bank = RealBank::start(&opening);
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    let withdrawal = |n: usize| json!({"amount": "100.01", "key": format!("k{n}")});
    const TRIES: usize = 1_100;
    for n in 0..TRIES {
        wire.send("withdraw", &withdrawal(n)).unwrap();
    }
    let codes: Vec<String> = (0..TRIES).map(|_| wire.answer().unwrap().unwrap_err()).collect();
    let limited = codes.iter().position(|code| code == "rate_limited").unwrap();
    assert!(limited >= 1_000, "limited after {limited}");
    assert!(codes[..limited].iter().all(|code| code == "insufficient_funds"));
    // Others do not notice, and neither does what can be done.
    let mut other = Wire::login(bank.address().get(), &opening.accounts[1]).unwrap();
    let refused = other.ask("withdraw", &withdrawal(0)).unwrap();
    assert_eq!(refused, Err("insufficient_funds".to_owned()));
    wire.ask("deposit", &json!({"amount": "500.00"}))
        .unwrap()
        .unwrap();
    wire.ask("withdraw", &withdrawal(limited)).unwrap().unwrap();
}
