//! Keeps what the documents promise: pure files stay pure, services do not know each other, the documents' commands
//! exist, and the list of codes is the code's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders that decide without touching the world.
const PURE: [&str; 31] = [
    "crates/lamport/src/clock.rs",
    "crates/lamport/src/horizon.rs",
    "crates/lamport/src/process.rs",
    "crates/lamport/src/stamp.rs",
    "crates/proto/src/envelope.rs",
    "crates/proto/src/error.rs",
    "crates/proto/src/fields.rs",
    "crates/proto/src/harmless.rs",
    "crates/proto/src/incoming.rs",
    "crates/proto/src/unreadable.rs",
    "crates/proto/src/writer.rs",
    "crates/chat/src/client/command.rs",
    "crates/chat/src/client/member",
    "crates/chat/src/client/request.rs",
    "crates/chat/src/client/session",
    "crates/chat/src/client/view.rs",
    "crates/chat/src/client/wire.rs",
    "crates/chat/src/events.rs",
    "crates/chat/src/history/block.rs",
    "crates/chat/src/history/lease.rs",
    "crates/chat/src/history/queue",
    "crates/chat/src/history/reservations.rs",
    "crates/chat/src/hub",
    "crates/chat/src/names.rs",
    "crates/chat/src/ops",
    "crates/bank/src/account.rs",
    "crates/bank/src/amount.rs",
    "crates/bank/src/entry.rs",
    "crates/bank/src/ledger/decide.rs",
    "crates/bank/src/ledger/replay.rs",
    "crates/multicast/src/core",
];

/// Pure as well, with hash maps that are asked by key and never walked in their own order.
const PURE_WITH_HASHES: [&str; 1] = ["crates/bank/src/ledger/mod.rs"];

/// What touches the world, or comes in an order that nobody decided.
const IMPURE: [&str; 8] = [
    "tokio::",
    "std::net",
    "std::fs",
    "Instant::now",
    "SystemTime",
    "getrandom",
    "HashMap",
    "HashSet",
];

const SERVICES: [&str; 3] = ["chat", "bank", "multicast"];

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/lesson.md",
    "docs/operating.md",
    "docs/protocol.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a folder, or the file itself, in order.
fn rust_files(path: &str) -> Vec<PathBuf> {
    fn walk(path: &Path, files: &mut Vec<PathBuf>) {
        if path.is_dir() {
            let mut entries: Vec<_> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            entries.sort();
            entries.iter().for_each(|entry| walk(entry, files));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.to_owned());
        }
    }
    let mut files = Vec::new();
    let path = root().join(path);
    assert!(path.exists(), "{} is gone; mend this test", path.display());
    walk(&path, &mut files);
    files
}

/// The code of a file without its comments and its tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The word that follows `flag` in a command.
fn word_after<'a>(command: &'a str, flag: &str) -> Option<&'a str> {
    command.split_whitespace().skip_while(|word| *word != flag).nth(1)
}

#[test]
fn pure_files_open_no_socket_read_no_clock_and_roll_no_dice() {
    let check = |paths: &[&str], allowed: &[&str]| {
        for file in paths.iter().flat_map(|path| rust_files(path)) {
            let code = code_of(&file);
            for word in IMPURE.iter().filter(|word| !allowed.contains(word)) {
                assert!(
                    !code.contains(word),
                    "{} is pure and must not name {word}",
                    file.display()
                );
            }
        }
    };
    check(&PURE, &[]);
    check(&PURE_WITH_HASHES, &["HashMap"]);
}

#[test]
fn dependencies_point_down() {
    let may_not = |package: &str, others: &[&str]| {
        let manifest = read(format!("crates/{package}/Cargo.toml"));
        for other in others {
            assert!(
                !manifest.contains(&format!("\n{other}.workspace")),
                "{package} depends on {other}"
            );
        }
    };
    may_not(
        "lamport",
        &["flat-combining", "proto", "chat", "bank", "multicast"],
    );
    may_not(
        "multicast/flat-combining",
        &["lamport", "proto", "chat", "bank", "multicast"],
    );
    may_not("proto", &SERVICES);
    for service in SERVICES {
        may_not(
            service,
            &SERVICES
                .into_iter()
                .filter(|other| *other != service)
                .collect::<Vec<_>>(),
        );
    }
}

#[test]
fn commands_in_the_documents_name_what_exists() {
    let mut checked = 0;
    for document in DOCUMENTS {
        let text = read(document);
        for command in text.split(['\n', '`']).filter(|line| line.contains("cargo ")) {
            if let Some(package) = word_after(command, "-p") {
                let manifest = read(format!("crates/{package}/Cargo.toml"));
                for (flag, section, folder) in [
                    ("--bin", "[[bin]]", "src/bin"),
                    ("--bench", "[[bench]]", "benches"),
                ] {
                    let Some(target) = word_after(command, flag) else {
                        continue;
                    };
                    let folder = root().join(format!("crates/{package}/{folder}"));
                    let found = folder.join(format!("{target}.rs")).exists() || folder.join(target).is_dir();
                    let declared =
                        manifest.contains(section) && manifest.contains(&format!("name = \"{target}\""));
                    assert!(
                        found || declared,
                        "{document}: there is no {flag} {target}: {command}"
                    );
                }
                checked += 1;
            }
            if let Some(example) = word_after(command, "--example") {
                let example = root().join("examples").join(example);
                let found = example.is_dir() || example.with_extension("rs").exists();
                assert!(found, "{document}: there is no {}", example.display());
                checked += 1;
            }
        }
    }
    assert!(
        checked >= 3,
        "the documents name commands; this test no longer sees them"
    );
}

#[test]
fn the_documented_codes_are_the_codes_of_the_source() {
    let mut in_source = BTreeSet::new();
    for package in ["proto", "chat", "bank", "multicast"] {
        for file in rust_files(&format!("crates/{package}/src")) {
            let code = code_of(&file);
            let spelled = code
                .split("Code::new(\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            in_source.extend(spelled.map(str::to_owned));
        }
    }
    let documented = documented_codes(&read("docs/protocol.md"));
    let missing: Vec<_> = in_source.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/protocol.md does not list {missing:?}");
    let gone: Vec<_> = documented.difference(&in_source).collect();
    assert!(
        gone.is_empty(),
        "docs/protocol.md lists codes that the source does not have: {gone:?}"
    );
}

#[test]
fn the_documented_metrics_are_the_metrics_of_the_source() {
    const BEGIN: [&str; 4] = ["chat_", "bank_", "multicast_", "connections_"];
    let is_metric = |word: &&str| {
        let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        plain && (BEGIN.iter().any(|begin| word.starts_with(begin)) || word.ends_with("_total"))
    };
    let mut in_source = BTreeSet::new();
    for package in ["proto", "chat", "bank", "multicast"] {
        for file in rust_files(&format!("crates/{package}/src")) {
            let code = code_of(&file);
            if code.contains("metrics::counter!") || code.contains("metrics::gauge!") {
                let texts = code.split('"').skip(1).step_by(2);
                in_source.extend(texts.filter(is_metric).map(str::to_owned));
            }
        }
    }
    let document = read("docs/operating.md");
    let words = document.split('`').skip(1).step_by(2);
    let documented: BTreeSet<_> = words.filter(is_metric).map(str::to_owned).collect();
    assert_eq!(documented, in_source, "docs/operating.md, and the source");
}

/// The first cells of the rows of every table whose first column is headed `code`.
fn documented_codes(document: &str) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let mut in_codes = false;
    for line in document.lines() {
        match line.strip_prefix("| `").and_then(|row| row.split('`').next()) {
            Some(code) if in_codes => drop(codes.insert(code.to_owned())),
            _ => in_codes = line.starts_with("| code |") || in_codes && line.starts_with("| --- |"),
        }
    }
    codes
}

/// Tests that have a full size and that nobody runs at it would look as if they had been.
#[test]
fn every_test_that_has_a_full_size_is_run_at_it() {
    let script = read(".ci/run");
    let (_, at_full_size) = script
        .split_once("export ANTES_SLOW=1")
        .expect(".ci/run asks for the full sizes");
    let mut checked = 0;
    for package in ["chat", "bank", "multicast"] {
        assert!(at_full_size.contains(&format!(" -p {package} ")), "{package}");
        let folder = root().join("crates").join(package);
        for file in rust_files(&format!("crates/{package}")) {
            if !code_of(&file).contains("\"ANTES_SLOW\"") {
                continue;
            }
            let inside = file.strip_prefix(&folder).unwrap();
            let is_run = match inside.strip_prefix("tests") {
                Ok(test) => {
                    let target = Path::new(test.iter().next().unwrap()).with_extension("");
                    at_full_size.contains(&format!(" --test {}", target.display()))
                }
                Err(_) => at_full_size.contains(" --lib"),
            };
            assert!(is_run, ".ci/run does not run {} at its full size", file.display());
            checked += 1;
        }
    }
    assert!(
        checked > 0,
        "tests have full sizes; this test no longer sees them"
    );
}

#[test]
fn one_rust_version_is_stated_everywhere() {
    let stated = |file: &str, key: &str| {
        read(file)
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ").map(str::to_owned))
    };
    let version = stated("rust-toolchain.toml", "channel").expect("the toolchain file names a channel");
    assert_eq!(Some(&version), stated("Cargo.toml", "rust-version").as_ref());
    let major_minor = version.trim_matches('"').rsplit_once('.').unwrap().0;
    assert!(
        read("README.md").contains(&format!("Rust {major_minor}")),
        "README.md states another Rust version"
    );
}
