//! What `doctor` tells of signed heads of the ledger: whether a key signs them, and whether those hold that the home goes on from.

use actionpass_home::{Config, Home, OpenHome, home};
use actionpass_model::{KeyId, KeyStatus, KeyUse, Timestamp, message_with_sources};
use actionpass_store::ledger::Log;
use actionpass_verify::{SignedHead, Trust};
use pollster::block_on;

use super::{Check, Found};
use crate::context::Context;
use crate::failure::Outcome;

/// Nothing to check in a home that has no key for heads, signed none, and begins with the first record.
pub(super) fn signed(home: &Home, config: &Config, trust: &Trust, now: Timestamp, context: &Context) -> Option<Check> {
    // A store that can't be opened is told by the check of the ledger.
    let opened = context.open_home_to_read().ok()?;
    let checked = check(home, config, &opened, trust, now, &context.program());
    checked.transpose().map(|found| ("heads", found))
}

fn check(
    home: &Home,
    config: &Config,
    opened: &OpenHome,
    trust: &Trust,
    now: Timestamp,
    program: &str,
) -> Outcome<Option<Found>> {
    let log = home::log(config)?;
    let last = opened.last_signed()?;
    let state = block_on(opened.store.state())?;
    let (first, end) = (state.first.size(), state.head.size());
    if config.ledger_key().is_none() && last.is_none() && first == 0 {
        return Ok(None);
    }
    let mut notes = Vec::new();
    let mut text = match signer(home, config, trust, &log, program) {
        Ok(kid) => format!("{kid} signs heads of the ledger"),
        Err(problem) => {
            notes.push(problem);
            "no key is known to sign heads of the ledger".to_owned()
        }
    };
    match last {
        None => text.push_str("; the home keeps none that was signed"),
        Some(bytes) => match SignedHead::verify(&bytes, trust, now.to_unix_seconds()) {
            Ok(signed) => {
                let size = signed.head().size();
                text.push_str(&format!("; the last is of {size} records"));
                if size < first || size > end {
                    notes.push(format!(
                        "the store has records {first} to {} and the head that was signed last is of {size}: nothing is signed or \
                         archived until the store is the one that was signed (docs/howto/restore-a-backup.md)",
                        end.saturating_sub(1)
                    ));
                }
            }
            Err(error) => {
                let next = match SignedHead::read_own(&bytes) {
                    Ok(_) => format!(
                        "`{program} ledger checkpoint` signs the next one, once a key in force is named and holds the beginning"
                    ),
                    Err(_) => "nothing is signed until the newest copy of it is back in its place".to_owned(),
                };
                notes.push(format!(
                    "the head that was signed last is believed no more: {} ({}). {next}",
                    message_with_sources(&error),
                    error.code()
                ));
            }
        },
    }
    if let Err(error) = opened.beginning(trust, now) {
        notes.push(format!(
            "the signed head that the store begins at is believed no more: {} ({})",
            message_with_sources(&error),
            error.code()
        ));
    }
    Ok(Some(Found::new(text, notes)))
}

/// The key that the configuration names, if the trust store has it as one that signs heads of this log now; else what is wrong.
fn signer(home: &Home, config: &Config, trust: &Trust, log: &Log, program: &str) -> Result<KeyId, String> {
    let Some(uri) = config.ledger_key() else {
        let keys = trust.keyring().iter().filter(|entry| !entry.is_revoked());
        let others: Vec<&str> = keys
            .map(|entry| entry.trust())
            .filter(|key| key.key_use == KeyUse::Ledger && key.origin.as_ref() == Some(log.origin()))
            .filter(|key| key.status == KeyStatus::Active)
            .map(|key| key.kid.as_str())
            .collect();
        return Err(match others.is_empty() {
            true => format!(
                "there is no ledger key, so no head is signed from now on, and nothing is archived: `{program} keys new --use \
                 ledger` makes one"
            ),
            false => format!(
                "config.toml names no ledger key, so no head is signed from now on, and nothing is archived: `[ledger] key` is \
                 to name where {} is",
                others.join(" or ")
            ),
        });
    };
    let rotate = format!("`{program} keys rotate --use ledger` puts another one in its place");
    let Some(kid) = home.ledger_kid(config) else {
        return Err(format!(
            "which key `{}` is can't be told without its secret: `{program} ledger checkpoint` says whether it signs",
            uri.as_str()
        ));
    };
    let problem = match trust.keyring().get(&kid) {
        None => "isn't in the trust store",
        Some(entry) if entry.is_revoked() => "is revoked",
        Some(entry) if entry.trust().key_use != KeyUse::Ledger => "is no ledger key",
        Some(entry) if entry.trust().origin.as_ref() != Some(log.origin()) => "is the ledger key of another log",
        Some(entry) if entry.trust().status != KeyStatus::Active => "is retired",
        Some(_) => return Ok(kid),
    };
    Err(format!(
        "{kid}, which `[ledger] key` names, {problem}, so it signs no head, and nothing is archived: {rotate}"
    ))
}
