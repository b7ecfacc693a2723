//! Runs that break no rule, of any length, as their processes would have recorded them.

use lamport::trace::facts::{
    ACCOUNT, ACT, AMOUNT, BALANCE, BROADCAST, CASH, DELIVER, DELIVERED, ENTRY, Fact, JOINED, NAME, ORDER,
    ORIGIN, OWN, ROOM, SEQ, SEQUENCE, fact,
};
use lamport::trace::{Kind, Service, TraceEvent};

/// An honest run, one trace per process.
pub(crate) struct Run {
    pub(crate) service: Service,
    /// Name, clock and trace of each.
    pub(crate) processes: Vec<(String, u64, Vec<u8>)>,
    pub(crate) events: u64,
}

impl Run {
    fn new(service: Service, processes: &[&str]) -> Self {
        let processes = processes
            .iter()
            .map(|name| ((*name).to_owned(), 0, Vec::new()))
            .collect();
        Self {
            service,
            processes,
            events: 0,
        }
    }

    /// Lets a process send (no time given) or receive what was sent at that time; returns its own time.
    fn event(
        &mut self,
        process: usize,
        message: Option<(&str, u64)>,
        label: &str,
        facts: &[Fact<'_>],
    ) -> u64 {
        let (name, clock, out) = &mut self.processes[process];
        *clock = message.map_or(*clock, |(_, time)| time.max(*clock)) + 1;
        self.events += 1;
        TraceEvent {
            process: name.as_str().into(),
            lamport: *clock,
            kind: if message.is_some() {
                Kind::Receive
            } else {
                Kind::Send
            },
            message: Some(
                message
                    .map_or_else(
                        || format!("{name}@{clock}"),
                        |(from, time)| format!("{from}@{time}"),
                    )
                    .into(),
            ),
            label: label.into(),
            at_us: 1_795_226_542_001_250 + self.events,
            service: self.service,
            facts: facts.to_vec(),
        }
        .write(out);
        *clock
    }

    fn start(&mut self, process: usize, facts: &[Fact<'_>]) {
        let (name, clock, out) = &mut self.processes[process];
        *clock += 1;
        let mut event = TraceEvent {
            process: name.as_str().into(),
            lamport: *clock,
            kind: Kind::Local,
            message: None,
            label: "start".into(),
            at_us: 0,
            service: self.service,
            facts: Vec::new(),
        };
        event.facts.extend_from_slice(facts);
        event.write(out);
    }
}

/// A hub and ten members in one room, who speak in turn.
pub(crate) fn chat(events: u64) -> Run {
    let names: Vec<String> = (0..10).map(|n| format!("member-{n}")).collect();
    let mut all = vec!["chat"];
    all.extend(names.iter().map(String::as_str));
    let mut run = Run::new(Service::Chat, &all);
    let mut seq = 0u64;
    for (member, name) in names.iter().enumerate() {
        seq += 1;
        let facts = [fact(ROOM, "lobby"), fact(SEQ, seq), fact(NAME, name.as_str())];
        let entered = run.event(0, None, "entered", &facts);
        for other in 0..member {
            run.event(other + 1, Some(("chat", entered)), "entered", &facts);
        }
        let reply = run.event(0, None, "joined", &[]);
        let joined = [
            fact(ROOM, "lobby"),
            fact(SEQ, seq),
            fact(NAME, name.as_str()),
            fact(JOINED, 1u64),
        ];
        run.event(member + 1, Some(("chat", reply)), "joined", &joined);
    }
    while run.events < events {
        seq += 1;
        let speaker = (seq % 10) as usize;
        let facts = [
            fact(ROOM, "lobby"),
            fact(SEQ, seq),
            fact(NAME, names[speaker].as_str()),
            fact(OWN, 1u64),
        ];
        let say = run.event(speaker + 1, None, "say", &[]);
        run.event(0, Some((&names[speaker], say)), "say", &[]);
        let said = run.event(0, None, "said", &facts[..3]);
        let reply = run.event(0, None, "ok", &[]);
        for member in 0..10 {
            if member == speaker {
                run.event(member + 1, Some(("chat", reply)), "ok", &facts);
            } else {
                run.event(member + 1, Some(("chat", said)), "said", &facts[..3]);
            }
        }
    }
    run
}

/// One client after the other deposits into one of 1000 accounts.
pub(crate) fn bank(events: u64) -> Run {
    let mut run = Run::new(Service::Bank, &["bank", "client"]);
    let mut balances = vec![0i64; 1000];
    let mut entry = 0u64;
    while run.events < events {
        entry += 1;
        let account = (entry * 7919 % 1000) as usize;
        balances[account] += 500;
        let number = format!("{account:04}");
        let leg = [
            fact(ACCOUNT, number.as_str()),
            fact(AMOUNT, 500i64),
            fact(BALANCE, balances[account]),
            fact(ENTRY, entry),
        ];
        let cash = [fact(ACCOUNT, CASH), fact(AMOUNT, -500i64), fact(ENTRY, entry)];
        let request = run.event(1, None, "deposit", &[]);
        run.event(0, Some(("client", request)), "deposit", &[]);
        let reply = run.event(0, None, "deposit", &[&leg[..], &cash[..]].concat());
        run.event(
            1,
            Some(("bank", reply)),
            "deposit",
            &[leg[0].clone(), leg[2].clone(), leg[3].clone()],
        );
    }
    run
}

/// Three members in total order, each message delivered everywhere before the next.
pub(crate) fn multicast(events: u64) -> Run {
    let names = ["P1", "P2", "P3"];
    let mut run = Run::new(Service::Multicast, &names);
    for member in 0..3 {
        run.start(member, &[fact(ORDER, "total")]);
    }
    let mut number = 0u64;
    while run.events < events {
        let origin = (number % 3) as usize;
        let sequence = number / 3 + 1;
        number += 1;
        let told = |act| {
            [
                fact(ACT, act),
                fact(ORIGIN, names[origin]),
                fact(SEQUENCE, sequence),
                fact(DELIVERED, 1u64),
            ]
        };
        let sent = run.event(origin, None, "sent", &told(BROADCAST));
        for member in (0..3).filter(|member| *member != origin) {
            run.event(
                member,
                Some((names[origin], sent)),
                "delivered",
                &told(DELIVER)[..3],
            );
        }
    }
    run
}

/// Every member in turn sends to all others.
pub(crate) fn mesh(members: usize, events: u64) -> Run {
    let names: Vec<String> = (1..=members).map(|n| format!("P{n}")).collect();
    let mut run = Run::new(
        Service::Other,
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    for turn in 0.. {
        let origin = turn % members;
        let sent = run.event(origin, None, "a message to all", &[]);
        for member in (0..members).filter(|member| *member != origin) {
            run.event(member, Some((&names[origin], sent)), "delivered", &[]);
        }
        if run.events >= events {
            break;
        }
    }
    run
}
