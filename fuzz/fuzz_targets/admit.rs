//! The gate: what it admits it admits again, unchanged, and serde_json reads the same value.
#![no_main]

use actionpass_canon::{Limits, admit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let limits = Limits::default();
    if let Ok(canonical) = admit(raw, &limits) {
        let again = admit(canonical.as_bytes(), &limits).expect("canonical bytes are admitted");
        assert_eq!(again, canonical);
    }
});
