//! Passes that cross languages: each package verifies what the other issued, by the protocol at the head of
//! `bindings/node/test/cross.mjs`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Counts, folder};
use crate::process::{Result, capture, spelled};

/// What a verdict on a case with another payload says.
const CHANGED: &str = "payload_hash_mismatch";

/// A package that is installed below `target/xtask`, and its half of the protocol.
struct Side {
    language: &'static str,
    app: &'static str,
    /// From the folder of the package.
    interpreter: &'static str,
    script: &'static str,
}

const SIDES: [Side; 2] = [
    Side {
        language: "node",
        app: "node-app",
        interpreter: "node",
        script: "test/cross.mjs",
    },
    Side {
        language: "python",
        app: "python-app",
        interpreter: "venv/bin/python",
        script: "test/cross.py",
    },
];

/// Lets every side verify what every other issued.
pub(super) fn run() -> Result<Counts> {
    let mut counts = Counts::default();
    for issuer in &SIDES {
        let cases = issuer.issue()?;
        if cases.is_empty() {
            return Err(format!("{} issued nothing", issuer.language).into());
        }
        for verifier in SIDES.iter().filter(|side| side.language != issuer.language) {
            let asked: Vec<Value> = cases.iter().flat_map(|case| [case.clone(), changed(case)]).collect();
            let verdicts = verifier.verify(&asked)?;
            if verdicts.len() != asked.len() {
                return Err(format!("{} judged {} of {}", verifier.language, verdicts.len(), asked.len()).into());
            }
            for (case, verdict) in asked.iter().zip(&verdicts) {
                let name = case.get("name").and_then(Value::as_str).unwrap_or_default();
                let name = format!("{} verifies: {name}", verifier.language);
                match judge(case, verdict) {
                    Ok(()) => {
                        counts.passed = counts.passed.saturating_add(1);
                        println!("test {name} ... ok");
                    }
                    Err(problem) => {
                        counts.failed = counts.failed.saturating_add(1);
                        println!("test {name} ... FAILED: {problem}");
                    }
                }
            }
        }
    }
    Ok(counts)
}

impl Side {
    fn command(&self, mode: &str) -> Result<Command> {
        let app = folder(self.app)?;
        if !app.join(self.script).exists() {
            return Err(format!("{} has no {}: it was not installed", self.language, self.script).into());
        }
        let interpreter = match self.interpreter {
            path if path.contains('/') => app.join(path),
            name => PathBuf::from(name),
        };
        let mut command = Command::new(interpreter);
        command.arg(self.script).arg(mode).current_dir(app);
        Ok(command)
    }

    fn issue(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&capture(&mut self.command("issue")?)?)?)
    }

    fn verify(&self, cases: &[Value]) -> Result<Vec<Value>> {
        let mut command = self.command("verify")?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        // It reads everything before it writes anything.
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(serde_json::to_string(cases)?.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("`{}`: {}", spelled(&command), output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// The same pass for another call: its verdict has to be a refusal.
fn changed(case: &Value) -> Value {
    let mut case = case.clone();
    if let Some(payload) = case.pointer_mut("/action/capability/payload") {
        *payload = json!({ "text": "another" });
    }
    if let Some(members) = case.as_object_mut() {
        let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{name}, another payload");
        members.insert("name".to_owned(), name.into());
        members.insert("payload".to_owned(), Value::Null);
    }
    case
}

/// Whether a verdict is the one that a case wants: `payload` is what is executed, or null where nothing may be.
fn judge(case: &Value, verdict: &Value) -> std::result::Result<(), String> {
    let expected = match case.get("payload") {
        Some(Value::String(payload)) => json!({ "valid": true, "payload": payload }),
        Some(Value::Null) => json!({ "valid": false, "codes": [CHANGED] }),
        _ => return Err("the case says no payload".to_owned()),
    };
    if *verdict == expected {
        Ok(())
    } else {
        Err(format!("{verdict} in the place of {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_verdict_passes() {
        let case = json!({ "name": "x", "action": { "capability": { "payload": { "text": "a" } } }, "payload": "{}" });
        let valid = json!({ "valid": true, "payload": "{}" });
        let refused = json!({ "valid": false, "codes": ["payload_hash_mismatch"] });
        assert_eq!(judge(&case, &valid), Ok(()));
        assert_eq!(judge(&changed(&case), &refused), Ok(()));
        assert_eq!(
            changed(&case).pointer("/action/capability/payload/text"),
            Some(&json!("another"))
        );
        for (case, wrong) in [
            (&case, &refused),
            (&changed(&case), &valid),
            (
                &case,
                &json!({ "valid": true, "payload": "{ }", "again": "already_used" }),
            ),
            (&case, &json!({ "valid": true, "payload": "{}", "again": "used again" })),
            (
                &changed(&case),
                &json!({ "valid": false, "codes": ["token_malformed"] }),
            ),
            (&json!({}), &valid),
        ] {
            assert!(judge(case, wrong).is_err(), "{case} {wrong}");
        }
    }
}
