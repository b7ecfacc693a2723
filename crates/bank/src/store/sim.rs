//! A disk in memory that fails on command: a crash, an error or a cut of the power at any single operation.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use super::disk::{Disk, DiskFile};
use super::sector::SECTOR_BYTES;

/// What happens at the operation chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies in the middle of it: of a write some sectors are done.
    Crash,
    /// It fails and nothing of it is done; later ones work. A failed sync forgets what it should have written, as
    /// Linux does.
    Error,
    /// A write stops in the middle, as on a full disk; later ones work.
    Short,
}

/// A disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Not synced, in their order.
    name_changes: Vec<NameChange>,
    files: Vec<Contents>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    /// Syncs say yes and do nothing: for the tests of the tests.
    lying: bool,
}

#[derive(Clone)]
enum NameChange {
    Made(String, usize),
    Renamed { from: String, to: String, file: usize },
    Removed(String),
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Made(name, file) => {
                names.insert(name, file);
            }
            Self::Renamed { from, to, file } => {
                names.remove(&from);
                names.insert(to, file);
            }
            Self::Removed(name) => {
                names.remove(&name);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Contents {
    shown: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors written and not synced.
    dirty: BTreeSet<usize>,
}

struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl SimDisk {
    /// Plans `fault` for the operation with this number, counted from 0; with what was done so far counted too.
    pub(crate) fn plan(&self, operation: u64, fault: Fault) {
        self.state().fault = Some((operation, fault));
    }

    /// Makes every sync a lie.
    pub(crate) fn lie(&self) {
        self.state().lying = true;
    }

    /// How many writes, syncs and changes of names were asked for.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The disk as the next process finds it after this one was killed.
    pub(crate) fn after_kill(&self) -> Self {
        let mut state = self.state().clone();
        (state.dead, state.fault, state.operations) = (false, None, 0);
        Self(Arc::new(Mutex::new(state)))
    }

    /// The disk after the power went: of what was not synced, `kept` says what is there all the same, each changed name and
    /// each sector by itself.
    pub(crate) fn after_power_loss(&self, mut kept: impl FnMut() -> bool) -> Self {
        let mut state = self.state().clone();
        (state.dead, state.fault, state.operations) = (false, None, 0);
        for change in std::mem::take(&mut state.name_changes) {
            if kept() {
                change.apply(&mut state.durable_names);
            }
        }
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            for sector in std::mem::take(&mut file.dirty) {
                if kept() {
                    persist(file, sector);
                }
            }
            file.shown = file.durable.clone();
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// The bytes of each file.
    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state
            .names
            .iter()
            .map(|(name, &file)| (name.clone(), state.files[file].shown.clone()))
            .collect()
    }

    /// Changes a file's bytes as rot would.
    pub(crate) fn alter(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[name];
        change(&mut state.files[file].shown);
        state.files[file].durable = state.files[file].shown.clone();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Counts an operation. `Some` when the fault is planned for it.
    fn operation(&self) -> io::Result<Option<Fault>> {
        let mut state = self.state();
        if state.dead {
            return Err(io::Error::other("the process is dead"));
        }
        let number = state.operations;
        state.operations += 1;
        let fault = state
            .fault
            .filter(|&(at, _)| at == number)
            .map(|(_, fault)| fault);
        state.dead = fault == Some(Fault::Crash);
        Ok(fault)
    }

    fn change_names(&self, change: impl FnOnce(&mut State) -> NameChange) -> io::Result<()> {
        if self.operation()?.is_some() {
            return Err(io::Error::other("planned fault"));
        }
        let mut state = self.state();
        let change = change(&mut state);
        change.clone().apply(&mut state.names);
        state.name_changes.push(change);
        Ok(())
    }

    fn file(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self
            .state()
            .names
            .get(name)
            .copied()
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.change_names(|state| {
            state.files.push(Contents::default());
            NameChange::Made(name.to_owned(), state.files.len() - 1)
        })?;
        self.file(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.file(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_names(|state| {
            let (from, to) = (from.to_owned(), to.to_owned());
            let file = state.names[&from];
            NameChange::Renamed { from, to, file }
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change_names(|_| NameChange::Removed(name.to_owned()))
    }

    fn sync_names(&self) -> io::Result<()> {
        if self.operation()?.is_some() {
            return Err(io::Error::other("planned fault"));
        }
        let mut state = self.state();
        if !state.lying {
            state.durable_names = state.names.clone();
            state.name_changes.clear();
        }
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].shown.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let from = state.files[self.file]
            .shown
            .get(offset as usize..offset as usize + bytes.len());
        bytes.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let fault = self.disk.operation()?;
        let done = match fault {
            None => bytes.len(),
            Some(Fault::Error) => 0,
            // Half of the sectors that it takes, rounded up.
            Some(Fault::Crash | Fault::Short) => {
                (bytes.len() / 2).next_multiple_of(SECTOR_BYTES).min(bytes.len())
            }
        };
        let mut state = self.disk.state();
        let file = &mut state.files[self.file];
        let offset = offset as usize;
        if file.shown.len() < offset + done {
            file.shown.resize(offset + done, 0);
        }
        file.shown[offset..offset + done].copy_from_slice(&bytes[..done]);
        file.dirty
            .extend(offset / SECTOR_BYTES..(offset + done).div_ceil(SECTOR_BYTES));
        match fault {
            None => Ok(()),
            Some(_) => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.disk.operation()?;
        let mut state = self.disk.state();
        if state.lying {
            return Ok(());
        }
        let file = &mut state.files[self.file];
        if fault.is_none() {
            for sector in std::mem::take(&mut file.dirty) {
                persist(file, sector);
            }
            return Ok(());
        }
        if fault != Some(Fault::Crash) {
            file.dirty.clear();
        }
        Err(io::Error::other("planned fault"))
    }
}

fn persist(file: &mut Contents, sector: usize) {
    let range = sector * SECTOR_BYTES..((sector + 1) * SECTOR_BYTES).min(file.shown.len());
    if file.durable.len() < range.end {
        file.durable.resize(range.end, 0);
    }
    file.durable[range.clone()].copy_from_slice(&file.shown[range]);
}
