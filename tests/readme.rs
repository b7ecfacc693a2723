//! Everything that the README shows is what is printed.

mod common;

use common::example;

const README: &str = include_str!("../README.md");

/// The blocks that show a run: the command, and what follows it.
fn sessions() -> impl Iterator<Item = (&'static str, &'static str)> {
    let blocks = README.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.split_once("\n$ ")?.1.split_once('\n'))
}

#[test]
fn the_readme_shows_what_the_tour_prints_and_draws() {
    let folder = tempfile::tempdir().expect("a folder for traces and diagrams");
    let printed = example("tour", &[folder.path()]);
    // The folder is another one than in the README; nothing else is.
    let printed = printed.replace(&folder.path().display().to_string(), "target/tour");

    let (_, shown) = sessions()
        .find(|(command, _)| *command == "cargo run --example tour")
        .expect("the README shows the tour");
    let mut rest = &*printed;
    for piece in shown.split("[…]\n").filter(|piece| !piece.is_empty()) {
        let Some(start) = rest.find(piece) else {
            panic!("README.md shows\n{piece}\nand the tour prints\n{printed}");
        };
        rest = &rest[start + piece.len()..];
    }

    let drawn = std::fs::read_to_string(folder.path().join("multicast.svg")).expect("the tour draws it");
    assert!(
        drawn == include_str!("../docs/tour-multicast.svg"),
        "docs/tour-multicast.svg is not what the tour draws; hint: cargo run --example tour && cp \
         target/tour/multicast.svg docs/tour-multicast.svg"
    );

    // The sessions at the terminals are those of the tour too.
    let clients = sessions().filter(|(command, _)| command.contains("chat-client"));
    for line in clients.flat_map(|(_, shown)| shown.lines()) {
        assert!(printed.contains(line), "nobody in the tour sees {line:?}");
    }
    let peers = sessions().filter(|(command, _)| command.contains("--id"));
    for line in peers.flat_map(|(_, shown)| shown.lines()) {
        // `[P2] [Lamport=3] 10:00:02.117 - Sent: …` is `[3] Sent: …` in the tour.
        let Some((stamp, event)) = line
            .split_once("[Lamport=")
            .and_then(|(_, rest)| rest.split_once("] "))
        else {
            continue;
        };
        let event = event.split_once(" - ").expect("a time and the event").1;
        let line = format!("[{stamp}] {event}");
        assert!(printed.contains(&line), "no peer in the tour shows {line:?}");
    }
}
