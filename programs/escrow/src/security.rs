//! Where to report a weakness, readable in the program's own bytes.

use solana_security_txt::security_txt;

security_txt! {
    name: "qvac escrow",
    project_url: "see the package qvac",
    contacts: "other:programs/escrow/README.md of the source, section Security",
    policy: "programs/escrow/README.md of the source, section Security",
    preferred_languages: "en",
    source_code: "see programs/escrow in the package qvac; it builds the same bytes"
}

/// Keeps the text in programs whose linker drops what no code reaches.
pub fn keep() {
    std::hint::black_box(security_txt.as_ptr());
}
