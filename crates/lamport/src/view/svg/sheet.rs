//! The colours and types of the picture, as one style sheet that follows the viewer's preference or is fixed.

use crate::view::Theme;

/// Colours that processes take in turn.
pub(super) const COLOURS: usize = 8;

/// Every text has a contrast of at least 4.5 to 1 with what is behind it, here and in [`DARK`].
const LIGHT: &str = ".bg{fill:#fff}text{fill:#1f2328}.h{stroke:#fff}.m{fill:#59636e}.line{stroke:#c8d1da}.rule{stroke:#eaeef2}\
.r{fill:#fff}.s{fill:#fff}\
.c0{stroke:#2158b8}.c1{stroke:#b4460f}.c2{stroke:#1a7548}.c3{stroke:#7f38ad}.c4{stroke:#866100}.c5{stroke:#b02a5e}.c6{stroke:#0b6f80}.c7{stroke:#545d68}\
.f0{fill:#2158b8}.f1{fill:#b4460f}.f2{fill:#1a7548}.f3{fill:#7f38ad}.f4{fill:#866100}.f5{fill:#b02a5e}.f6{fill:#0b6f80}.f7{fill:#545d68}";

const DARK: &str = ".bg{fill:#0d1117}text{fill:#e6edf3}.h{stroke:#0d1117}.m{fill:#9198a1}.line{stroke:#3d444d}.rule{stroke:#1b222b}\
.r{fill:#0d1117}.s{fill:#0d1117}\
.c0{stroke:#7aa7f5}.c1{stroke:#f19a63}.c2{stroke:#62c794}.c3{stroke:#c88eef}.c4{stroke:#e2bb4a}.c5{stroke:#f283ab}.c6{stroke:#5ec7d9}.c7{stroke:#a9b3c1}\
.f0{fill:#7aa7f5}.f1{fill:#f19a63}.f2{fill:#62c794}.f3{fill:#c88eef}.f4{fill:#e2bb4a}.f5{fill:#f283ab}.f6{fill:#5ec7d9}.f7{fill:#a9b3c1}";

/// The colours come after these, so that a class for ink wins over the ink of all texts.
const COMMON: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px}\
.h{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}.n{font-weight:600;font-size:14px;text-anchor:middle}\
.T{font-weight:600;font-size:16px}.t{font-weight:600;font-size:11px;text-anchor:middle}.ax{text-anchor:end;font-size:11px}\
.line{stroke-width:2}.rule{stroke-width:1}.e{stroke-width:1.8}.a{fill:none;stroke-width:1.6}\
.many .a{stroke-width:1;opacity:.5}.a:hover,.many .a:hover{stroke-width:3.5;opacity:1}.k{font-size:11px;text-anchor:middle}";

/// What stands between `<style>` and `</style>`.
pub(super) fn sheet(theme: Theme) -> String {
    match theme {
        Theme::Light => format!("{COMMON}{LIGHT}"),
        Theme::Dark => format!("{COMMON}{DARK}"),
        Theme::Auto => format!("{COMMON}{LIGHT}@media(prefers-color-scheme:dark){{{DARK}}}"),
    }
}
