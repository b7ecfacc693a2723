//! Segments: files of one length, full of zeros until the journal comes to them.

use std::sync::Arc;

use super::StoreError;
use super::disk::{Disk, DiskFile};
use super::sector::SECTOR_BYTES;

/// Bytes written at once when a segment is filled with zeros.
const ZERO_BYTES: usize = 1024 * 1024;

/// What the names of segments begin with.
pub(crate) const SEGMENT_PREFIX: &str = "journal-";

/// The name of a segment's file.
pub(crate) fn segment_name(segment: u32) -> String {
    format!("{SEGMENT_PREFIX}{segment:010}")
}

/// The first sector of a segment.
pub(crate) fn header(segment: u32) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    let text = format!("Antes bank journal, format 1, segment {segment}\n");
    sector[..text.len()].copy_from_slice(text.as_bytes());
    sector
}

/// What a segment's file is called until it is whole.
pub(super) fn unfinished_name(segment: u32) -> String {
    format!("{}.new", segment_name(segment))
}

/// Makes a segment full of zeros, durable in content and name, so that writing into it later changes no metadata.
pub(crate) fn prepare(disk: &dyn Disk, segment: u32, bytes: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
    let file = fill(disk, segment, bytes)?;
    give_name(disk, segment)?;
    Ok(file)
}

/// Makes a segment full of zeros, durable in content, under the name of an unfinished one.
pub(super) fn fill(disk: &dyn Disk, segment: u32, bytes: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
    let name = segment_name(segment);
    let io = |what| StoreError::io(what, &name);
    let file = disk.create(&unfinished_name(segment)).map_err(io("create"))?;
    file.write_at(0, &header(segment)).map_err(io("write"))?;
    let zeros = vec![0; ZERO_BYTES.min(usize::try_from(bytes).unwrap_or(ZERO_BYTES))];
    let mut offset = SECTOR_BYTES as u64;
    while offset < bytes {
        let length = (bytes - offset).min(zeros.len() as u64);
        file.write_at(offset, &zeros[..length as usize])
            .map_err(io("write"))?;
        offset += length;
    }
    file.sync().map_err(io("sync"))?;
    Ok(file)
}

/// Gives a segment that was [filled](fill) its name; durable when this returns.
pub(super) fn give_name(disk: &dyn Disk, segment: u32) -> Result<(), StoreError> {
    let name = segment_name(segment);
    let io = |what| StoreError::io(what, &name);
    disk.rename(&unfinished_name(segment), &name)
        .map_err(io("rename"))?;
    disk.sync_names().map_err(io("sync the name of"))
}

/// How many sectors a segment has.
pub(super) fn sectors_of(file: &Arc<dyn DiskFile>, name: &str) -> Result<u32, StoreError> {
    let length = file.length().map_err(StoreError::io("measure", name))?;
    u32::try_from(length / SECTOR_BYTES as u64)
        .map_err(|_| StoreError::damaged(name, 0, "it is longer than any segment we make"))
}
