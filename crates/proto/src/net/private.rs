//! Directories that only their owner may look into.

use std::fs::DirBuilder;
use std::io;
use std::path::Path;

/// Makes a directory, and those above it, where they are missing, for its owner only: what a service keeps there is nobody else's
/// business, hashes of PINs and passwords least of all. What is there already stays as it is.
///
/// # Errors
///
/// What the system says.
pub(super) fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn nobody_else_may_look_in() {
        let place = tempfile::tempdir().unwrap();
        let above = place.path().join("data");
        let made = above.join("bank");
        make_private_directory(&made).unwrap();
        make_private_directory(&made).expect("it is there already");
        for directory in [&made, &above] {
            let mode = std::fs::metadata(directory).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", directory.display());
        }
    }
}
