//! The run of three peers, seen in every way.

use super::*;
use proptest::prelude::*;

/// «P1 sends; P2 sends; P3 sends», each after the previous message was delivered everywhere.
const RUN: &str = r#"{"process":"P1","lamport":1,"kind":"send","message":"P1@1","label":"sent: Olá a todos!","at_us":1000000,"service":"multicast"}
{"process":"P2","lamport":2,"kind":"receive","message":"P1@1","label":"delivered","at_us":1000120,"service":"multicast"}
{"process":"P3","lamport":2,"kind":"receive","message":"P1@1","label":"delivered","at_us":1000180,"service":"multicast"}
{"process":"P2","lamport":3,"kind":"send","message":"P2@3","label":"sent: <b>","at_us":3000000,"service":"multicast"}
{"process":"P1","lamport":4,"kind":"receive","message":"P2@3","label":"delivered","at_us":3000100,"service":"multicast"}
{"process":"P3","lamport":4,"kind":"receive","message":"P2@3","label":"delivered","at_us":3000140,"service":"multicast"}
{"process":"P3","lamport":5,"kind":"send","message":"P3@5","label":"sent","at_us":3000500,"service":"multicast"}
{"process":"P1","lamport":6,"kind":"receive","message":"P3@5","label":"delivered","at_us":3000600,"service":"multicast"}
{"process":"P2","lamport":6,"kind":"receive","message":"P3@5","label":"delivered","at_us":3000610,"service":"multicast"}
{"closed":true,"written":9,"dropped":0}
"#;

fn read(trace: &str, filter: &Filter) -> Run {
    let mut merge = Merge::new();
    merge.add("run", trace.as_bytes()).unwrap();
    Run::read(&mut merge, filter).unwrap()
}

#[test]
fn the_diagram_in_characters() {
    let expected = "  time  P1              P2              P3
     1  ●               │               │               P1 sent: Olá a todos!
     2  ├──────────────▶○               │               P2 delivered ← P1@1
     2  ├───────────────┼──────────────▶○               P3 delivered ← P1@1
     3  │               ●               │               P2 sent: <b>
     4  ○◀──────────────┤               │               P1 delivered ← P2@3
     4  │               ├──────────────▶○               P3 delivered ← P2@3
     5  │               │               ●               P3 sent
     6  ○◀──────────────┼───────────────┤               P1 delivered ← P3@5
     6  │               ○◀──────────────┤               P2 delivered ← P3@5
";
    assert_eq!(text(&read(RUN, &Filter::default()), 90), expected);
}

#[test]
fn vector_clocks_for_shiviz() {
    let log = shiviz(&read(RUN, &Filter::default()));
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(
        lines[..4],
        [
            SHIVIZ_PATTERN,
            "",
            "sent: Olá a todos! (Lamport 1)",
            r#"P1 {"P1":1}"#
        ]
    );
    assert_eq!(
        lines[lines.len() - 2..],
        ["delivered (Lamport 6)", r#"P2 {"P1":1, "P2":3, "P3":3}"#]
    );
    assert_eq!(lines.len(), 2 + 2 * 9);
}

#[test]
fn the_svg_shows_every_event_and_message_and_texts_stay_texts() {
    let run = read(RUN, &Filter::default());
    for axis in [Axis::Logical, Axis::Wall] {
        let svg = svg(
            &run,
            &Style {
                axis,
                ..Style::default()
            },
        );
        assert_eq!(svg.matches("<g><title>").count(), 9);
        assert_eq!(svg.matches("marker-end").count(), 6);
        assert!(svg.contains("sent: &lt;b&gt;") && !svg.contains("<b>"));
        assert_eq!(
            svg.contains("⋮ 2.00 s"),
            axis == Axis::Wall,
            "the pause is shortened"
        );
    }
}

#[test]
fn a_wall_clock_that_goes_back_turns_no_line_around() {
    let run = read(
        r#"{"process":"P1","lamport":1,"kind":"local","label":"first","at_us":5000,"service":"other"}
{"process":"P1","lamport":2,"kind":"local","label":"second","at_us":4000,"service":"other"}
{"process":"P2","lamport":3,"kind":"local","label":"before","at_us":3000,"service":"other"}
{"closed":true,"written":3,"dropped":0}
"#,
        &Filter::default(),
    );
    let style = Style {
        axis: Axis::Wall,
        ..Style::default()
    };
    let layout = layout::Layout::new(&run, &style);
    let [first, second, before] = &layout.nodes[..] else {
        panic!("one node for each event")
    };
    assert!(before.y < first.y && first.y < second.y, "{layout:?}");
}

#[test]
fn a_filter_shows_a_part() {
    let filter = Filter {
        processes: vec!["P1".into(), "P3*".into()],
        from: 2,
        to: 5,
        events_max: 3,
    };
    let run = read(RUN, &filter);
    assert_eq!(run.processes, ["P1", "P3"]);
    assert_eq!(
        run.events.iter().map(|event| event.lamport).collect::<Vec<_>>(),
        [2, 4, 4]
    );
    assert_eq!((run.left_out, run.arrows.len()), (1, 0));
}

#[test]
fn folding_keeps_every_message_going_down() {
    let mut trace = String::new();
    for n in 1..=400u64 {
        trace += &format!(
            "{{\"process\":\"P1\",\"lamport\":{n},\"kind\":\"send\",\"message\":\"P1@{n}\",\"label\":\"a\"}}\n"
        );
        trace += &format!(
            "{{\"process\":\"P2\",\"lamport\":{},\"kind\":\"receive\",\"message\":\"P1@{n}\",\"label\":\"a\"}}\n",
            n + 1
        );
    }
    trace +=
        "{\"process\":\"P2\",\"lamport\":402,\"kind\":\"send\",\"message\":\"P2@402\",\"label\":\"b\"}\n";
    trace +=
        "{\"process\":\"P1\",\"lamport\":403,\"kind\":\"receive\",\"message\":\"P2@402\",\"label\":\"b\"}\n";
    let run = read(&trace, &Filter::default());
    let layout = layout::Layout::new(&run, &Style::default());
    assert_eq!(layout.nodes.len(), 4);
    assert_eq!(
        layout
            .arrows
            .iter()
            .map(|(_, _, count)| *count)
            .collect::<Vec<_>>(),
        [400, 1]
    );
    assert!(
        layout
            .arrows
            .iter()
            .all(|(from, to, _)| layout.nodes[*from].y < layout.nodes[*to].y)
    );
    let whole = layout::Layout::new(
        &run,
        &Style {
            fold: Fold::Never,
            ..Style::default()
        },
    );
    assert_eq!(whole.nodes.len(), 802);
}

/// Any run of three processes: at each step one sends, or receives a message that is on its way.
fn any_run() -> impl Strategy<Value = String> {
    prop::collection::vec((0..3usize, any::<Option<u8>>()), 1..60).prop_map(|steps| {
        let (mut clocks, mut sent, mut trace) = ([0u64; 3], Vec::new(), String::new());
        for (process, receives) in steps {
            let message = receives.filter(|_| !sent.is_empty()).map(|pick| sent[pick as usize % sent.len()]);
            let (kind, (sender, time)) = match message {
                Some((sender, time)) => {
                    clocks[process] = clocks[process].max(time) + 1;
                    ("receive", (sender, time))
                }
                None => {
                    clocks[process] += 1;
                    sent.push((process, clocks[process]));
                    ("send", (process, clocks[process]))
                }
            };
            let lamport = clocks[process];
            trace += &format!(
                "{{\"process\":\"P{process}\",\"lamport\":{lamport},\"kind\":\"{kind}\",\"message\":\"P{sender}@{time}\",\"label\":\"a b\"}}\n"
            );
        }
        trace
    })
}

proptest! {
    /// The independent computation: the causal past, walked backwards along lines and arrows.
    #[test]
    fn a_vector_clock_counts_the_causal_past(trace in any_run()) {
        let run = read(&trace, &Filter::default());
        let clocks = vector_clocks(&run);
        let past = |event: usize| {
            let mut past = std::collections::BTreeSet::new();
            let mut ahead = vec![event];
            while let Some(event) = ahead.pop() {
                if past.insert(event) {
                    let process = run.events[event].process;
                    ahead.extend((0..event).rev().find(|before| run.events[*before].process == process));
                    ahead.extend(run.arrows.iter().filter(|(_, to)| *to == event).map(|(from, _)| *from));
                }
            }
            past
        };
        let pasts: Vec<_> = (0..run.events.len()).map(past).collect();
        for (event, clock) in clocks.iter().enumerate() {
            for process in 0..run.processes.len() {
                let known = pasts[event].iter().filter(|of| run.events[**of].process == process).count();
                prop_assert_eq!(clock.of(process), known as u64);
            }
            for (other, later) in clocks.iter().enumerate() {
                let before = event != other && pasts[other].contains(&event);
                prop_assert_eq!(clock.happened_before(later), before);
                let apart = event != other && !before && !pasts[event].contains(&other);
                prop_assert_eq!(clock.is_concurrent_with(later), apart);
            }
        }
    }
}
