//! What the program leaves behind in the system: descriptors, threads, memory.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::{Duration, Instant};

use proto::net::Stream;
use serde_json::json;

use super::program::{PATIENCE, Program, chat};
use super::stage::{Reachable, Wire, connect, sized};

/// Connections that vanish with a reset, joined or not, in mid-line or not: afterwards the process has the file
/// descriptors, threads and memory it had before. 10,000 of them; 600 without `ANTES_SLOW=1`.
#[tokio::test]
async fn abrupt_closes_leave_nothing_behind() {
    let program = Program::start(chat(&["--memory", "--flood-rate", "0", "--log", "warn"]));
    let mut ana = program.join("Ana").await;
    let vanish = async |count: usize| {
        for n in 0..count {
            let stream = connect(program.address).await;
            stream.set_zero_linger().unwrap();
            if n % 3 == 0 {
                continue;
            }
            let mut wire = Wire::greeted(Stream::Tcp(stream)).await;
            let _ = wire
                .ok(json!({"op": "join", "name": format!("visitor {n}"), "room": "elsewhere"}))
                .await;
            if n % 3 == 1 {
                wire.send("{\"id\":9,\"op\":\"say\",\"te").await;
            }
        }
    };
    // The allocator, the room and the runtime have what they need after a first crowd.
    vanish(300).await;
    let before = settled(&program, None);
    vanish(sized(10_000, 600)).await;
    let after = settled(&program, Some(before));
    assert_eq!(
        (after.descriptors, after.threads),
        (before.descriptors, before.threads)
    );
    // What is left is the stored log of the visits, some 250 bytes for each.
    let log_kib = sized(10_000, 600) as u64 / 2;
    assert!(
        after.memory_kib <= before.memory_kib + log_kib + 4096,
        "{before:?} became {after:?}"
    );
    ana.ok(json!({"op": "say", "text": "unhurt"})).await;
    assert_eq!(
        ana.ok(json!({"op": "who", "room": "elsewhere"})).await["members"],
        json!([])
    );
    program.check_alive().await;
}

#[derive(Debug, Clone, Copy)]
struct Footprint {
    descriptors: usize,
    threads: usize,
    memory_kib: u64,
}

/// The process's footprint once it has as few descriptors as `wanted`, or once they no longer change.
fn settled(program: &Program, wanted: Option<Footprint>) -> Footprint {
    let begun = Instant::now();
    let mut last = footprint(program.child.id());
    loop {
        // Another process is watched: there is nothing to wait on but its state.
        std::thread::sleep(Duration::from_millis(50));
        let now = footprint(program.child.id());
        let settled = match wanted {
            Some(wanted) => now.descriptors <= wanted.descriptors,
            None => now.descriptors == last.descriptors,
        };
        if settled || begun.elapsed() > PATIENCE {
            return now;
        }
        last = now;
    }
}

fn footprint(process: u32) -> Footprint {
    let of = Path::new("/proc").join(process.to_string());
    let status = std::fs::read_to_string(of.join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    Footprint {
        descriptors: std::fs::read_dir(of.join("fd")).unwrap().count(),
        threads: field("Threads:") as usize,
        memory_kib: field("VmRSS:"),
    }
}
