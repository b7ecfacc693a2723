//! The session against a model of the server, over connections that are lost at any moment.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A server as far as the session can tell: a log, and a connection that may end after any message.
#[derive(Default)]
struct Model {
    log: Vec<(String, What)>,
    /// Events and answers on their way to the client, in order.
    to_client: VecDeque<Wire>,
    /// Messages on their way to the server.
    to_server: VecDeque<(Ticket, Message)>,
    member: bool,
    told: Vec<String>,
}

enum Wire {
    Entered(u64),
    Event(Event),
    Missed(u64),
    Answer(Answer),
}

impl Model {
    fn add(&mut self, name: &str, what: What) -> u64 {
        self.log.push((name.to_owned(), what));
        self.log.len() as u64
    }

    fn event(&self, seq: u64) -> Event {
        let (name, what) = self.log[usize::try_from(seq - 1).expect("small")].clone();
        Event::Room {
            room: "lobby".to_owned(),
            seq,
            at: 0,
            name,
            what,
        }
    }

    fn other_says(&mut self, text: String) {
        let seq = self.add("Ana", What::Said(text));
        if self.member {
            self.to_client.push_back(Wire::Event(self.event(seq)));
        }
    }

    /// Enters, and replays everything after `since`; what lies in the first `forgotten` numbers is only counted.
    fn enter(&mut self, since: Option<u64>, forgotten: u64) {
        if self.member {
            self.add("Me", What::Left("lost".to_owned()));
        }
        self.member = true;
        let seq = self.add("Me", What::Entered);
        self.to_client.push_back(Wire::Entered(seq));
        let Some(since) = since else { return };
        let kept_from = since.max(forgotten.min(seq - 1));
        if kept_from > since {
            self.to_client.push_back(Wire::Missed(kept_from - since));
        }
        for seq in kept_from + 1..seq {
            self.to_client.push_back(Wire::Event(self.event(seq)));
        }
    }

    fn handle(&mut self, refuses: bool) {
        let Some((_, message)) = self.to_server.pop_front() else {
            return;
        };
        let answer = match message {
            _ if refuses => Answer::Later,
            Message::Say { text, .. } => Answer::Done(Some(self.add("Me", What::Said(text)))),
            Message::Tell { text, .. } => {
                self.told.push(text);
                Answer::Done(None)
            }
        };
        self.to_client.push_back(Wire::Answer(answer));
    }
}

/// A client: the session, and what it was told.
struct Person {
    session: Session,
    posted: Vec<(Ticket, Message)>,
    shown: Vec<(u64, String)>,
    acknowledged: Vec<Ticket>,
    unsure: Vec<Ticket>,
    missed: u64,
}

impl Person {
    fn new(window: usize) -> Self {
        let mut session = Session::new(window);
        session.named("Me");
        Self {
            session,
            posted: Vec::new(),
            shown: Vec::new(),
            acknowledged: Vec::new(),
            unsure: Vec::new(),
            missed: 0,
        }
    }

    fn act(&mut self, outputs: Vec<Output>, model: &mut Model) {
        for output in outputs {
            match output {
                Output::Send(ticket, message) => model.to_server.push_back((ticket, message)),
                Output::Show(Event::Room {
                    seq,
                    what: What::Said(text),
                    ..
                }) => self.shown.push((seq, text)),
                Output::Show(_) => {}
                Output::Acknowledged(ticket, _) => self.acknowledged.push(ticket),
                Output::Unsure(ticket, _) => self.unsure.push(ticket),
                Output::Missed { missed, .. } => self.missed += missed,
            }
        }
    }

    fn receive(&mut self, model: &mut Model) {
        let mut outputs = Vec::new();
        match model.to_client.pop_front() {
            None => {}
            Some(Wire::Entered(seq)) => {
                self.session.entered("lobby", seq, &mut outputs);
                self.session.connected(&mut outputs);
            }
            Some(Wire::Event(event)) => self.session.event(event, &mut outputs),
            Some(Wire::Missed(missed)) => self.session.event(
                Event::Lagged {
                    room: "lobby".to_owned(),
                    missed,
                },
                &mut outputs,
            ),
            Some(Wire::Answer(answer)) => {
                self.session.answered(answer, &mut outputs);
            }
        }
        self.act(outputs, model);
    }

    fn reconnect(&mut self, model: &mut Model, forgotten: u64) {
        model.to_client.clear();
        model.to_server.clear();
        self.session.lost();
        let since = self.session.rooms().next().map(|(_, cursor)| cursor);
        model.enter(since, forgotten);
        let mut outputs = Vec::new();
        self.session.resume(&mut outputs);
        self.act(outputs, model);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Say,
    Tell,
    OtherSays,
    ServerHandles,
    ServerRefuses,
    ClientReceives,
    Lose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Say), 1 => Just(Step::Tell), 3 => Just(Step::OtherSays), 5 => Just(Step::ServerHandles),
        1 => Just(Step::ServerRefuses), 8 => Just(Step::ClientReceives), 1 => Just(Step::Lose),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Runs the steps, then lets everything finish. With `forgets` the server loses what it had whenever a connection is
/// lost, as after a crash.
fn run(steps: &[Step], window: usize, tells: bool, forgets: bool) -> (Person, Model) {
    let (mut person, mut model) = (Person::new(window), Model::default());
    // Before the first entry is known there is nothing that could be missed.
    person.reconnect(&mut model, 0);
    person.receive(&mut model);
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Say | Step::Tell => {
                let text = format!("mine {number}");
                let message = match step {
                    Step::Tell if tells => Message::Tell {
                        to: "Ana".to_owned(),
                        text,
                    },
                    _ => Message::Say {
                        room: "lobby".to_owned(),
                        text,
                    },
                };
                let mut outputs = Vec::new();
                let ticket = Ticket(number as u64);
                person.session.post(ticket, message.clone(), &mut outputs);
                person.posted.push((ticket, message));
                person.act(outputs, &mut model);
            }
            Step::OtherSays => model.other_says(format!("other {number}")),
            Step::ServerHandles => model.handle(false),
            Step::ServerRefuses if window == 1 => model.handle(true),
            Step::ServerRefuses => {}
            Step::ClientReceives => person.receive(&mut model),
            Step::Lose => {
                let forgotten = if forgets { model.log.len() as u64 } else { 0 };
                person.reconnect(&mut model, forgotten);
            }
        }
    }
    while person.session.unsettled() > 0 || !model.to_client.is_empty() {
        let mut outputs = Vec::new();
        person.session.resume(&mut outputs);
        person.act(outputs, &mut model);
        model.handle(false);
        person.receive(&mut model);
    }
    (person, model)
}

fn said_by<'m>(model: &'m Model, who: &str) -> Vec<(u64, &'m str)> {
    (1..)
        .zip(&model.log)
        .filter_map(|(seq, (name, what))| match what {
            What::Said(text) if name == who => Some((seq, &**text)),
            _ => None,
        })
        .collect()
}

fn texts(posted: &[(Ticket, Message)]) -> Vec<&str> {
    posted
        .iter()
        .map(|(_, Message::Say { text, .. } | Message::Tell { text, .. })| &**text)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn everything_is_said_once_and_in_order_and_seen_once_without_a_gap(steps in steps(), window in 1..5_usize) {
        let (person, model) = run(&steps, window, false, false);
        let said: Vec<&str> = said_by(&model, "Me").into_iter().map(|(_, text)| text).collect();
        prop_assert_eq!(said, texts(&person.posted));
        let tickets: Vec<Ticket> = person.posted.iter().map(|(ticket, _)| *ticket).collect();
        prop_assert_eq!(&person.acknowledged, &tickets);
        prop_assert!(person.unsure.is_empty() && person.missed == 0);
        let shown: Vec<(u64, &str)> = person.shown.iter().map(|(seq, text)| (*seq, &**text)).collect();
        prop_assert_eq!(shown, said_by(&model, "Ana"));
    }

    #[test]
    fn private_messages_and_crashed_servers_leave_doubt_but_never_a_double(steps in steps(), window in 1..5_usize, forgets: bool) {
        let (person, model) = run(&steps, window, true, forgets);
        // Each is settled in one way.
        let mut settled: Vec<Ticket> = person.acknowledged.iter().chain(&person.unsure).copied().collect();
        settled.sort();
        let tickets: Vec<Ticket> = person.posted.iter().map(|(ticket, _)| *ticket).collect();
        prop_assert_eq!(settled, tickets);
        // What is acknowledged was said or told exactly once, what is unsure at most once.
        let mut heard: Vec<&str> = said_by(&model, "Me").into_iter().map(|(_, text)| text).collect();
        heard.extend(model.told.iter().map(|text| &**text));
        for (ticket, message) in &person.posted {
            let (Message::Say { text, .. } | Message::Tell { text, .. }) = message;
            let times = heard.iter().filter(|said| *said == text).count();
            let is_acknowledged = person.acknowledged.contains(ticket);
            prop_assert!(times == 1 || (times == 0 && !is_acknowledged), "{message:?} {times} times, acknowledged: {is_acknowledged}");
        }
        // What is shown is never doubled; what is not shown is counted.
        prop_assert!(person.shown.is_sorted_by(|one, next| one.0 < next.0));
        let not_shown = said_by(&model, "Ana").len() - person.shown.len();
        prop_assert!(not_shown as u64 <= person.missed);
    }
}

#[test]
fn a_room_that_began_anew_is_shown_from_its_beginning() {
    let (mut person, mut model) = (Person::new(1), Model::default());
    (0..9).for_each(|number| model.other_says(format!("old {number}")));
    person.reconnect(&mut model, 0);
    person.receive(&mut model);
    // A server without a memory: its numbers begin at 1 again.
    let mut fresh = Model::default();
    fresh.other_says("new".to_owned());
    person.session.lost();
    fresh.enter(Some(0), 0);
    while !fresh.to_client.is_empty() {
        person.receive(&mut fresh);
    }
    assert_eq!(person.shown, [(1, "new".to_owned())]);
}

#[test]
fn the_same_text_twice_is_two_messages() {
    let (mut person, mut model) = (Person::new(2), Model::default());
    person.reconnect(&mut model, 0);
    person.receive(&mut model);
    for number in 1..=2 {
        let mut outputs = Vec::new();
        person.session.post(
            Ticket(number),
            Message::Say {
                room: "lobby".to_owned(),
                text: "oi".to_owned(),
            },
            &mut outputs,
        );
        person.act(outputs, &mut model);
    }
    // The first is handled, the answer is lost, the second never arrives.
    model.handle(false);
    person.reconnect(&mut model, 0);
    while person.session.unsettled() > 0 {
        person.receive(&mut model);
        model.handle(false);
    }
    assert_eq!(said_by(&model, "Me").len(), 2);
    assert_eq!(person.acknowledged, [Ticket(1), Ticket(2)]);
}
