//! Private keys: what of them must never be seen, and that it isn't seen.

use std::fs;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use memchr::memmem;

use crate::action::{ALLOW, STEP_UP};
use crate::home::{Home, MAINTAINER, key_file};

/// Panics if what was said holds anything of a private key in this home or beside it.
#[track_caller]
pub(crate) fn refuse_in(home: &Home, said: &[u8]) {
    for needle in needles(home) {
        let found = memmem::find(said, &needle);
        assert!(found.is_none(), "a private key at byte {found:?}");
    }
}

/// The lines of every private key file, and every private key itself in each form that something might print.
fn needles(home: &Home) -> Vec<Vec<u8>> {
    let folders = [home.path(""), home.path("home/keys")];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let files = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pem"));
    files
        .flat_map(|path| of_pem(&fs::read_to_string(path).unwrap_or_default()))
        .collect()
}

fn of_pem(pem: &str) -> Vec<Vec<u8>> {
    if !pem.contains("PRIVATE KEY") {
        return Vec::new();
    }
    let lines: Vec<&str> = pem
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("-----"))
        .collect();
    // Every unencrypted key of a curve starts alike, and the last line of an encrypted one is short.
    let mut needles: Vec<Vec<u8>> = lines
        .iter()
        .skip(1)
        .filter(|line| line.len() >= 16)
        .map(|line| line.as_bytes().to_vec())
        .collect();
    let der = Base64::decode_vec(&lines.concat()).unwrap();
    // RFC 5915: the private key of P-256 is an OCTET STRING of 32 bytes.
    if pem.contains("BEGIN PRIVATE KEY")
        && let Some(at) = der.windows(2).position(|window| window == [0x04, 0x20])
        && let Some(scalar) = der.get(at + 2..at + 34)
    {
        let hex = |digits: fn(&u8) -> String| scalar.iter().map(digits).collect::<String>();
        let texts = [
            Base64::encode_string(scalar),
            Base64UrlUnpadded::encode_string(scalar),
            hex(|byte| format!("{byte:02x}")),
            hex(|byte| format!("{byte:02X}")),
        ];
        needles.push(scalar.to_vec());
        needles.extend(texts.map(String::into_bytes));
    }
    needles
}

/// That the search finds what it looks for: every other test relies on it.
#[test]
fn a_private_key_is_found_in_every_form() {
    let home = Home::new();
    let [pem] = fs::read_dir(home.path("home/keys"))
        .unwrap()
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let needles = needles(&home);
    // Two lines, the key and its four texts.
    assert!(needles.len() >= 6, "{}", needles.len());
    let text = fs::read_to_string(pem.unwrap().path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(needles.contains(&lines[2].as_bytes().to_vec()));
    for needle in needles {
        let said = [b"before ".as_slice(), &needle, b" after"].concat();
        assert!(std::panic::catch_unwind(|| refuse_in(&home, &said)).is_err());
    }
}

/// What a home writes beside its key files holds no private key, and no command prints one: [`Home`] searches what
/// each says.
#[test]
fn no_command_shows_a_private_key() {
    let home = Home::with_maintainer();
    let pass = home.pass(ALLOW);
    let approval = home.approve(STEP_UP);
    let key = key_file(MAINTAINER);
    let passphrase = home.write_secret("passphrase", "correct horse battery staple\n");
    let listed = home.run(["keys", "list"]).json();
    let mut files = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|key| key["file"].as_str());
    let signing = files.next().unwrap().to_owned();
    let signing = format!("home/{signing}");
    let encrypted = [
        "keys",
        "new",
        "--out",
        "encrypted.pem",
        "--encrypt",
        "--passphrase-file",
        &passphrase,
    ];
    let commands: &[&[&str]] = &[
        &["demo"],
        &["init"],
        &["doctor"],
        &["canon", ALLOW],
        &["hash", ALLOW],
        &["hash", "--action", ALLOW],
        // Private keys where something else is expected: errors may quote what they don't understand, but not these.
        &["canon", &key],
        &["hash", &signing],
        &["inspect", &key],
        &["inspect", &signing],
        &["authorize", "--action", &signing],
        &["authorize", "--action", ALLOW, "--facts", &signing],
        &["authorize", "--action", ALLOW, "--approval", &signing],
        &["verify", "--token", &signing, "--action", ALLOW],
        &["verify", "--token", &pass, "--action", ALLOW, "--trust", &signing],
        &["policy", "check", &signing],
        &["policy", "test", &signing],
        &["ledger", "verify", &signing],
        &["trust", "check", &signing],
        &[
            "trust",
            "add",
            &key,
            "--use",
            "approval",
            "--principal",
            "user:x@example.com",
        ],
        &[
            "approve", "--action", STEP_UP, "--key", STEP_UP, "--as", MAINTAINER, "--reason", "x", "--yes",
        ],
        &[
            "approve",
            "--action",
            STEP_UP,
            "--key",
            &key,
            "--as",
            MAINTAINER,
            "--reason",
            "x",
            "--yes",
            "--passphrase-file",
            &key,
        ],
        // And what is meant.
        &["authorize", "--action", STEP_UP, "--approval", &approval],
        &["verify", "--token", &pass, "--action", ALLOW],
        &["verify", "--token", &pass, "--action", ALLOW, "--consume"],
        &["inspect", &pass],
        &["keys", "list"],
        &["keys", "check"],
        &["keys", "check", "--key", &key],
        &["keys", "export", "--jwks"],
        &["keys", "export", "--pem"],
        &["keys", "new", "--out", "plain.pem"],
        &encrypted,
        &["keys", "import", "plain.pem"],
        &[
            "keys",
            "import",
            &key,
            "--use",
            "approval",
            "--principal",
            "user:y@example.com",
        ],
        &["keys", "rotate"],
        &["trust", "show"],
        &["trust", "check"],
        &["trust", "export"],
        &["policy", "check"],
        &["policy", "explain", "--action", STEP_UP],
        &["revoke", "pass", "ap_0192f0c1a5b670008000000000000001", "--reason", "x"],
        &["ledger", "show"],
        &["ledger", "export"],
        &["ledger", "verify"],
        &["schema", "trust"],
        &["completions", "bash"],
        &["man"],
        &["no-such-command", &key],
    ];
    for command in commands {
        home.talk(*command);
        home.finish(home.start(*command));
    }
    for file in ["trust.json", "config.toml", "policy.toml", "ledger.db"] {
        refuse_in(&home, &fs::read(home.path("home").join(file)).unwrap());
    }
}
