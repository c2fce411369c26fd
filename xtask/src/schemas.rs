//! `cargo xtask schemas`: docs/schemas, written from the types of actionpass-model.

use std::fs;

use crate::generated::{Mode, settle};
use crate::process::{Result, root};

const FOLDER: &str = "docs/schemas";
const ENDING: &str = ".schema.json";

/// Writes or checks a file for each document; one that no document has any more is removed, or a failure.
pub(crate) fn run(mode: Mode) -> Result {
    let schemas = actionpass_model::schemas();
    let mut problems = Vec::new();
    for (stem, schema) in &schemas {
        let text = serde_json::to_string_pretty(schema)? + "\n";
        if let Err(error) = settle(&format!("{FOLDER}/{stem}{ENDING}"), &text, mode, "schemas") {
            problems.push(error.to_string());
        }
    }
    for entry in fs::read_dir(root()?.join(FOLDER))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = name.strip_suffix(ENDING) else {
            continue;
        };
        if schemas.iter().any(|(known, _)| *known == stem) {
            continue;
        }
        match mode {
            Mode::Write => fs::remove_file(&path)?,
            Mode::Check => problems.push(format!(
                "{FOLDER}/{name} describes no document; run `cargo xtask schemas`"
            )),
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}
