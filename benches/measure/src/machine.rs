//! The machine under the measurement: its name, its cores, what a process used of it.
//!
//! Everything here reads Linux's /proc; elsewhere the figures are missing and the rest works.

use std::fs;
use std::thread::{Scope, ScopedJoinHandle};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Which cores the server gets and which the generator; empty when there are too few to keep them apart.
#[derive(Clone, Debug)]
pub struct Cores {
    /// Of the server.
    pub server: Vec<usize>,
    /// Of what loads it.
    pub generator: Vec<usize>,
}

impl Cores {
    /// Two cores for the server and two for the generator where this process may use four, else no pinning.
    pub fn split() -> Self {
        let allowed: Vec<usize> = sched_getaffinity(None)
            .map(|set| (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
            .unwrap_or_default();
        match allowed.as_slice() {
            &[a, b, c, d, ..] => Self {
                server: vec![a, b],
                generator: vec![c, d],
            },
            _ => Self {
                server: Vec::new(),
                generator: Vec::new(),
            },
        }
    }

    /// What was done, in words.
    pub fn describe(&self) -> String {
        if self.server.is_empty() {
            "not pinned: fewer than four cores, so server and generator disturb each other".to_owned()
        } else {
            format!(
                "server on cores {:?}, generator on cores {:?}",
                self.server, self.generator
            )
        }
    }
}

/// Lets the calling thread, and what it starts from now on, run only there. An empty list changes nothing.
pub fn pin(cores: &[usize]) {
    if cores.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    cores.iter().for_each(|&cpu| set.set(cpu));
    // A refusal (a sandbox) only makes the measurement noisier.
    let _ = sched_setaffinity(None, &set);
}

/// Runs `work` on each share in a thread of its own, each on a core of its own as far as there are some.
pub fn spawn_pinned<'scope, T, R>(
    scope: &'scope Scope<'scope, '_>,
    cores: &[usize],
    shares: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> R + Copy + Send + 'scope,
) -> Vec<ScopedJoinHandle<'scope, R>>
where
    T: Send + 'scope,
    R: Send + 'scope,
{
    let spawn = |(index, share)| {
        let core = cores.get(index).copied();
        scope.spawn(move || {
            pin(core.as_slice());
            work(share)
        })
    };
    shares.into_iter().enumerate().map(spawn).collect()
}

/// Raises the limit of open files so far as it goes, and says how far that was.
pub fn raise_open_files(wanted: u64) -> u64 {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    for maximum in [hard.max(wanted), hard] {
        let raised = Rlimit {
            current: Some(wanted.min(maximum)),
            maximum: Some(maximum),
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// CPU seconds, user and system, that a living process has used.
pub fn process_cpu(pid: u32) -> Option<f64> {
    stat_ticks(&format!("/proc/{pid}/stat"), 13)
}

/// CPU seconds, user and system, of all children of ours that have ended and been waited for.
pub fn ended_children_cpu() -> Option<f64> {
    stat_ticks("/proc/self/stat", 15)
}

/// The sum of two neighbouring fields of a stat file, counted from 0, in seconds.
fn stat_ticks(path: &str, field: usize) -> Option<f64> {
    let stat = fs::read_to_string(path).ok()?;
    // The second field is the command in parentheses and may hold spaces itself.
    let after_command = &stat[stat.rfind(')')? + 2..];
    let fields: Vec<&str> = after_command.split(' ').collect();
    let ticks: u64 =
        fields.get(field - 2)?.parse::<u64>().ok()? + fields.get(field - 1)?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// CPU seconds that all cores have computed, whoever for; time that the host took away counts too.
pub fn whole_cpu() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> = stat
        .lines()
        .next()?
        .split_ascii_whitespace()
        .skip(1)
        .map_while(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user time.
    let busy = fields.iter().take(8).sum::<u64>() - fields.get(3)? - fields.get(4)?;
    Some(busy as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// CPU seconds, user and system, of this process itself.
pub fn own_cpu() -> Option<f64> {
    stat_ticks("/proc/self/stat", 13)
}

/// Resident memory of a process in bytes: now, and at its highest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At its highest.
    pub peak: u64,
}

/// Reads the resident memory of a process.
pub fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory {
        resident: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

/// The machine in one line: processor, cores, memory, kernel.
pub fn name() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([':', '\t', ' '])
        });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let total = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gib = total
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_ascii_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .map_or(String::new(), |kib| {
            format!(", {:.0} GiB", kib as f64 / 1024.0 / 1024.0)
        });
    let virtual_machine = if cpu.contains(" hypervisor") {
        " (virtual machine)"
    } else {
        ""
    };
    let system = rustix::system::uname();
    format!(
        "{model}, {cores} cores{gib}{virtual_machine}, {} {}",
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy()
    )
}
