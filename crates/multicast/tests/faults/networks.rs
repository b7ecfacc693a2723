//! Members in network namespaces, with packets lost, held back and cut one way. Needs root, `ip` and `iptables`; without
//! them the tests say that they were skipped.

use std::io::ErrorKind;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering as Atomic};
use std::time::Duration;

use lamport::ProcessId;
use multicast::Members;

use crate::checker::{End, Order, check};
use crate::peers::{Group, PATIENCE, Setting};

/// How long the members may take to agree while packets are lost.
const LOSSY_WITHIN: Duration = Duration::from_secs(60);
/// Time between two messages of one member.
const PACE: Duration = Duration::from_millis(3);

/// Three namespaces on one bridge; removed when dropped.
struct Network {
    name: String,
}

fn run(words: &str) -> Result<(), String> {
    let mut words = words.split(' ');
    let program = words.next().expect("a command has a name");
    let output = Command::new(program)
        .args(words)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Network {
    /// The network, or nothing after saying why not.
    fn build(test: &str) -> Option<Self> {
        static NETWORKS: AtomicU32 = AtomicU32::new(0);
        let skip = |why: &str| {
            println!("SKIPPED {test}: {why}");
            None
        };
        if !rustix::process::geteuid().is_root() {
            return skip("network namespaces need root");
        }
        for tool in ["ip", "iptables"] {
            let found = Command::new(tool).arg("-V").output();
            match found {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return skip(&format!("{tool} is not installed"));
                }
                found => assert!(
                    found.as_ref().is_ok_and(|output| output.status.success()),
                    "{tool} does not run: {found:?}"
                ),
            }
        }
        let name = format!(
            "mc{}x{}",
            std::process::id(),
            NETWORKS.fetch_add(1, Atomic::Relaxed)
        );
        let network = Self { name };
        match network.connect() {
            Ok(()) => Some(network),
            // A container's root may lack the privilege.
            Err(error) if error.contains("ermitted") || error.contains("ermission denied") => {
                skip(&format!("no privilege to make namespaces ({})", error.trim()))
            }
            Err(error) => panic!("the network cannot be set up: {error}"),
        }
    }

    fn connect(&self) -> Result<(), String> {
        let name = &self.name;
        run(&format!("ip netns add {name}b"))?;
        run(&format!("ip -n {name}b link add name bridge0 type bridge"))?;
        run(&format!("ip -n {name}b link set bridge0 up"))?;
        for member in 1..=3 {
            run(&format!("ip netns add {name}p{member}"))?;
            run(&format!(
                "ip -n {name}p{member} link add name veth0 type veth peer name port{member} netns {name}b"
            ))?;
            run(&format!("ip -n {name}b link set port{member} master bridge0 up"))?;
            run(&format!(
                "ip -n {name}p{member} addr add 10.77.0.{member}/24 dev veth0"
            ))?;
            run(&format!("ip -n {name}p{member} link set veth0 up"))?;
            run(&format!("ip -n {name}p{member} link set lo up"))?;
        }
        Ok(())
    }

    fn setting(&self, order: Order) -> Setting {
        let inside = |member| {
            ["ip", "netns", "exec", &format!("{}p{member}", self.name)]
                .map(str::to_owned)
                .to_vec()
        };
        let member = |n| {
            let id = ProcessId::new(&format!("P{n}")).unwrap();
            (id, format!("10.77.0.{n}:500{n}"))
        };
        Setting {
            order,
            members: Members::new((1..=3).map(member)).unwrap(),
            inside: (1..=3).map(inside).collect(),
            secret: true,
            durable: false,
        }
    }

    /// In the namespace of a member, from 1.
    fn at(&self, member: usize, words: &str) {
        run(&format!("ip netns exec {}p{member} {words}", self.name))
            .expect("the network does what it is told");
    }
}

impl Network {
    /// Packets that the rules in the namespace of a member have dropped.
    fn dropped(&self, member: usize) -> u64 {
        let namespace = format!("{}p{member}", self.name);
        let words = [
            "netns", "exec", &namespace, "iptables", "-L", "INPUT", "-v", "-x", "-n",
        ];
        let output = Command::new("ip")
            .args(words)
            .output()
            .expect("iptables was there a moment ago");
        let text = String::from_utf8_lossy(&output.stdout);
        let rules = text.lines().filter(|line| line.contains("DROP"));
        rules
            .filter_map(|rule| rule.split_whitespace().next()?.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for end in ["p1", "p2", "p3", "b"] {
            // One that was never made cannot be removed.
            let _ = run(&format!("ip netns del {}{end}", self.name));
        }
    }
}

fn say_everywhere(group: &mut Group, times: usize) {
    for _ in 0..times {
        (0..3).for_each(|member| group.say(member));
    }
}

fn heal_and_judge(group: &mut Group, order: Order) {
    say_everywhere(group, 20);
    let took = group.agree(PATIENCE).expect("all agree after the healing");
    println!("agreed after {took:?}");
    check(order, &group.views(), End::Whole).unwrap_or_else(|violation| panic!("{violation}"));
}

#[test]
fn messages_go_around_a_one_way_cut() {
    let Some(network) = Network::build("messages_go_around_a_one_way_cut") else {
        return;
    };
    let mut group = Group::started(network.setting(Order::Causal));
    say_everywhere(&mut group, 10);
    assert!(
        group.agree(PATIENCE).is_some(),
        "a healthy network carries everything"
    );
    // The negative control: while nobody reaches P1, nothing of P2's can be there.
    network.at(1, "iptables -A INPUT -s 10.77.0.2 -j DROP");
    network.at(1, "iptables -A INPUT -s 10.77.0.3 -j DROP");
    let before = group.delivered(0);
    (0..50).for_each(|_| group.say(1));
    assert!(
        !group.delivers(0, before + 1, Duration::from_secs(1)),
        "the cut does not cut"
    );
    // Now only what P2 sends to P1 is lost.
    network.at(1, "iptables -D INPUT -s 10.77.0.3 -j DROP");
    assert!(
        group.delivers(0, before + 50, PATIENCE),
        "P3 relays to P1 what P2 cannot give it"
    );
    network.at(1, "iptables -F");
    heal_and_judge(&mut group, Order::Causal);
}

#[test]
fn total_order_waits_for_a_member_that_is_cut_off_and_goes_on() {
    let Some(network) = Network::build("total_order_waits_for_a_member_that_is_cut_off_and_goes_on") else {
        return;
    };
    let mut group = Group::started(network.setting(Order::Total));
    say_everywhere(&mut group, 10);
    assert!(
        group.agree(PATIENCE).is_some(),
        "a healthy network carries everything"
    );
    network.at(3, "iptables -A INPUT -j DROP");
    network.at(3, "iptables -A OUTPUT -j DROP");
    let before = group.delivered(0);
    (0..50).for_each(|_| group.say(0));
    // The negative control of total order: P3's last word covers the first few at most, the rest must wait for it.
    assert!(
        !group.delivers(0, before + 50, Duration::from_secs(3)),
        "total order does not wait for P3"
    );
    network.at(3, "iptables -F");
    heal_and_judge(&mut group, Order::Total);
}

#[test]
fn nothing_is_lost_on_a_network_that_loses_packets() {
    let Some(network) = Network::build("nothing_is_lost_on_a_network_that_loses_packets") else {
        return;
    };
    for order in [Order::Causal, Order::Total] {
        let mut group = Group::started(network.setting(order));
        for member in 1..=3 {
            network.at(
                member,
                "iptables -A INPUT -m statistic --mode random --probability 0.2 -j DROP",
            );
        }
        // At a pace, so that many packets have the chance to be lost.
        group.load(&[], PACE, 200 * PACE);
        let took = group.agree(LOSSY_WITHIN).expect("messages get through");
        println!(
            "{}: agreed after {took:?} while one packet in five is lost",
            order.name()
        );
        for member in 1..=3 {
            assert!(
                network.dropped(member) > 10,
                "there was hardly any loss at P{member}"
            );
            network.at(member, "iptables -F");
        }
        heal_and_judge(&mut group, order);
    }
}

#[test]
fn nothing_is_lost_on_slow_links() {
    let Some(network) = Network::build("nothing_is_lost_on_slow_links") else {
        return;
    };
    let mut group = Group::started(network.setting(Order::Causal));
    // A queue in front of a thin pipe: what stands in it is late by up to half a second.
    network.at(
        2,
        "tc qdisc add dev veth0 root tbf rate 96kbit burst 4kb latency 500ms",
    );
    say_everywhere(&mut group, 200);
    let took = group.agree(PATIENCE).expect("messages get through");
    assert!(took > Duration::from_secs(1), "the link is not slow: {took:?}");
    network.at(2, "tc qdisc del dev veth0 root");
    heal_and_judge(&mut group, Order::Causal);
}
