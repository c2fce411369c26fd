//! Keys, passphrases and trust stores in files as other programs and platforms leave them.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;

use actionpass_crypto::PublicKey;
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::action::{ALLOW, STEP_UP};
use crate::home::{Home, MAINTAINER, Ran};

/// A file of the custodian's tests: what openssl and ssh-keygen wrote.
macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../../crates/actionpass-custody/tests/keys/", $name))
    };
}

fn import(home: &Home, file: &str, passphrase: Option<&str>) -> Ran {
    let mut args = vec!["keys", "import", file];
    args.extend(passphrase.into_iter().flat_map(|file| ["--passphrase-file", file]));
    home.run(args)
}

#[test]
fn private_keys_of_openssl_and_openssh_are_imported() {
    let plain = PublicKey::from_spki_pem(key!("public.pem")).unwrap();
    let openssh = PublicKey::from_openssh(key!("openssh-ed25519.pub")).unwrap();
    for (pem, key, needs_passphrase) in [
        (key!("plain.pem").replace('\n', " \r\n\r\n"), &plain, false),
        (
            format!("maya's\n{}{}", key!("public.pem"), key!("plain.pem")),
            &plain,
            false,
        ),
        (key!("sha1.pem").to_owned(), &plain, true),
        (key!("openssh-ed25519.pem").to_owned(), &openssh, false),
        (key!("openssh-ed25519-encrypted.pem").to_owned(), &openssh, true),
    ] {
        let home = Home::new();
        let file = home.write_secret("theirs", &pem);
        let passphrase = home.write_secret("passphrase", "open\n");
        let given = needs_passphrase.then_some(&*passphrase);
        if pem.contains("OPENSSH") {
            // It opens sessions of SSH: its owner may approve with it, and it signs no passes.
            let refused = import(&home, &file, given).fails(31, "key_unsupported");
            assert!(refused.stdout.contains("`OPENSSH PRIVATE KEY`"), "{refused:?}");
        }
        let purpose = ["--use", "approval", "--principal", "user:maya@example.com"];
        let mut args = vec!["keys", "import", &file];
        args.extend(purpose.iter().filter(|_| pem.contains("OPENSSH")));
        if needs_passphrase {
            home.run(&args).fails(40, "key_passphrase_required");
        }
        args.extend(given.into_iter().flat_map(|file| ["--passphrase-file", file]));
        assert_eq!(home.run(&args).exits(0).json()["kid"], key.kid().as_str(), "{pem}");
    }
}

#[test]
fn a_refusal_names_what_was_found_and_what_converts_it() {
    let home = Home::new();
    let passphrase = home.write_secret("passphrase", "open\n");
    let scrypt: String = key!("scrypt.pem")
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let mut scrypt = Base64::decode_vec(&scrypt).unwrap();
    // N = 16384 becomes 32767.
    let cost = scrypt
        .windows(4)
        .position(|bytes| bytes == b"\x02\x02\x40\x00")
        .unwrap();
    scrypt[cost + 2..cost + 4].copy_from_slice(b"\x7F\xFF");
    let scrypt = Base64::encode_string(&scrypt);
    let scrypt = format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{scrypt}\n-----END ENCRYPTED PRIVATE KEY-----\n");
    for (pem, code, words) in [
        (
            key!("ecparam.pem"),
            "key_malformed",
            "`EC PRIVATE KEY`; `openssl pkcs8 -topk8",
        ),
        (key!("des3.pem"), "key_malformed", "another cipher than AES"),
        (key!("pbes1.pem"), "key_malformed", "another scheme than PBES2"),
        (key!("openssh-rsa.pem"), "key_unsupported", "ssh-keygen -t ed25519"),
        (&scrypt, "key_work_factor", "power of two"),
        (&key!("plain.pem").repeat(2), "key_malformed", "more than one key"),
    ] {
        let file = home.write_secret("theirs", pem);
        let refused = import(&home, &file, Some(&passphrase)).fails(31, code);
        assert!(refused.stdout.contains(words), "{refused:?}");
    }
}

/// An encrypted key that the home believes; its passphrase is `open`.
fn believed(home: &Home) -> String {
    let plain = home.write_secret("plain", key!("plain.pem"));
    import(home, &plain, None).exits(0);
    home.write_secret("theirs", key!("pbkdf2.pem"))
}

/// One line end belongs to the tool that wrote the secret, whatever keeps it.
#[test]
fn a_line_end_is_no_part_of_a_passphrase() {
    let home = Home::new();
    let file = believed(&home);
    for (kept, opens) in [
        ("open", true),
        ("open\n", true),
        ("open\r\n", true),
        ("open\n\n", false),
        ("open ", false),
    ] {
        let mut by_variable = home.command(["keys", "check", "--key", &file]);
        let checked = by_variable.env("ACTIONPASS_PASSPHRASE", kept).output().unwrap();
        assert_eq!(checked.status.success(), opens, "{kept:?}: {checked:?}");
    }
    for kept in ["open", "open\n", "open\r\n", "open\r\nof the test\n"] {
        home.write_secret("passphrase", kept);
        home.run(["keys", "check", "--key", &file, "--passphrase-file", "passphrase"])
            .exits(0);
    }
    home.write_secret("passphrase", "\n");
    home.run(["keys", "check", "--key", &file, "--passphrase-file", "passphrase"])
        .fails(40, "secret_unreadable");
}

#[test]
fn files_that_others_can_change_or_read_are_refused() {
    let home = Home::with_maintainer();
    let file = believed(&home);
    let passphrase = home.write_secret("passphrase", "open\n");
    let with_file = ["keys", "check", "--key", &file, "--passphrase-file", &passphrase];
    let place = format!("file:{}", home.path(&passphrase).display());
    let with_place = ["keys", "check", "--key", &file, "--passphrase-from", &place];
    let trust = ["trust", "check", "trusted.json"];
    home.write("trusted.json", home.read("home/trust.json"));
    for mode in [0o644, 0o640, 0o620, 0o602] {
        home.set_mode(&passphrase, mode);
        home.run(with_file).fails(40, "secret_file_permissions");
        home.run(with_place).fails(40, "secret_file_permissions");
    }
    home.set_mode(&passphrase, 0o600);
    home.run(with_file).exits(0);
    home.run(with_place).exits(0);
    for (mode, is_safe) in [(0o666, false), (0o664, false), (0o646, false), (0o644, true)] {
        home.set_mode("trusted.json", mode);
        if is_safe {
            home.run(trust).exits(0);
        } else {
            home.run(trust).fails(40, "home_not_private");
        }
    }
    // A pipe of the shell's is nobody else's.
    let piped = format!(
        "{} keys check --key theirs --passphrase-file <(echo open)",
        crate::program::actionpass().display()
    );
    let shell = home.command_of("bash", ["-c", &piped]).output().unwrap();
    assert!(shell.status.success(), "{shell:?}");
}

/// What Kubernetes mounts for `fsGroup`, and systemd for a service: root's, for a group to read, behind links. Only root can
/// make such files.
#[test]
fn keys_that_root_hands_to_a_group_are_read() {
    const ME: u32 = 65_533;
    const GROUP: u32 = 65_532;
    let home = Home::with_maintainer();
    let key = home.write_secret("key.pem", key!("plain.pem"));
    if chown(home.path(&key), Some(0), Some(GROUP)).is_err() {
        return;
    }
    home.set_mode("", 0o755);
    let action = home.write("action.json", home.read(STEP_UP));
    symlink("key.pem", home.path("..data")).unwrap();
    symlink("..data", home.path("mounted.pem")).unwrap();
    let approve = [
        "approve",
        "--action",
        &action,
        "--key",
        "mounted.pem",
        "--as",
        MAINTAINER,
        "--issuer",
        "https://issuer.example",
        "--reason",
        "r",
        "--yes",
        "--json",
    ];
    let as_service = || {
        let mut command = home.command(approve);
        let output = command
            .env("ACTIONPASS_HOME", "/no/such/home")
            .uid(ME)
            .gid(GROUP)
            .output()
            .unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), json["error"]["code"].clone())
    };
    for (owner, mode, outcome) in [
        (0, 0o440, (0, Value::Null)),
        (0, 0o640, (0, Value::Null)),
        (0, 0o444, (40, "key_file_permissions".into())),
        (0, 0o460, (40, "key_file_permissions".into())),
        (0, 0o400, (40, "key_file_unreadable".into())),
        (ME, 0o400, (0, Value::Null)),
        (ME, 0o440, (40, "key_file_permissions".into())),
        (ME + 9, 0o440, (40, "key_file_permissions".into())),
    ] {
        home.set_mode(&key, mode);
        chown(home.path(&key), Some(owner), Some(GROUP)).unwrap();
        assert_eq!(as_service(), outcome, "{owner} {mode:o}");
    }
}

#[test]
fn g14_a_secret_in_a_wrong_place_is_not_repeated() {
    const SECRET: &str = "hunter2";
    let home = Home::new();
    let pem = key!("plain.pem");
    let line = pem.lines().nth(1).unwrap();
    let one_line = pem.replace('\n', " ");
    let jwk = json!({ "kty": "EC", "crv": "P-256", "d": SECRET }).to_string();
    let encrypted = home.write_secret("theirs", key!("pbkdf2.pem"));
    let check = |option: &'static str, value: &str| {
        vec![
            "keys".to_owned(),
            "check".to_owned(),
            "--key".to_owned(),
            encrypted.clone(),
            option.to_owned(),
            value.to_owned(),
        ]
    };
    let mut commands = vec![
        check("--passphrase-from", SECRET),
        check("--passphrase-from", "pass:hunter2"),
        check("--passphrase-from", "file:hunter2"),
        check("--passphrase-from", "env:hunter2"),
        check("--passphrase-file", SECRET),
        check("--passphrase", SECRET),
        vec!["keys".to_owned(), "check".to_owned(), format!("--passphrase={SECRET}")],
        ["keys", "import", &encrypted, SECRET].map(ToOwned::to_owned).to_vec(),
        ["trust", "add", "key.jwk", "--use", "pass", "--pin", SECRET]
            .map(ToOwned::to_owned)
            .to_vec(),
    ];
    for key in [pem, &one_line, &jwk] {
        commands.push(["keys", "import", key].map(ToOwned::to_owned).to_vec());
        commands.push(
            ["keys", "import", &format!("env:{key}")]
                .map(ToOwned::to_owned)
                .to_vec(),
        );
        commands.push(["trust", "add", key, "--use", "pass"].map(ToOwned::to_owned).to_vec());
        commands.push(["authorize", "--action", key].map(ToOwned::to_owned).to_vec());
        commands.push(["keys".to_owned(), "check".to_owned(), format!("--key={key}")].to_vec());
        commands.push(check("--passphrase-file", key));
        commands.push(check("--passphrase-from", key));
    }
    for args in commands {
        for is_json in [true, false] {
            let mut command = home.command(&args);
            let output = command
                .args(is_json.then_some("--json"))
                .args(["-vv"])
                .output()
                .unwrap();
            assert!(!output.status.success(), "{args:?}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert!(!said.is_empty(), "{args:?}");
            assert!(!said.contains(SECRET) && !said.contains(line), "{args:?}: {said}");
        }
    }
    // In the configuration, too.
    let config = home.read("home/config.toml");
    let old = config.lines().find(|line| line.starts_with("key = ")).unwrap();
    home.write(
        "home/config.toml",
        config.replace(old, &format!("key = {}", json!(one_line))),
    );
    let refused = home.run(["authorize", "--action", ALLOW]).fails(31, "config_invalid");
    assert!(!refused.stdout.contains(line), "{refused:?}");
}

#[test]
fn public_keys_of_others_are_believed() {
    let key = PublicKey::from_spki_pem(key!("public.pem")).unwrap();
    let bare = json!(key.to_jwk());
    let with = |more: Value| {
        let mut jwk = bare.clone();
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk.to_string()
    };
    let openssh = key!("openssh-p256.pub");
    let theirs = PublicKey::from_openssh(openssh).unwrap();
    let add = ["trust", "add", "theirs", "--use", "approval", "--principal", MAINTAINER];
    for (text, key) in [
        (
            with(json!({ "ext": true, "key_ops": ["verify"], "kid": "prod-2026", "x5c": ["MIIB"] })),
            &key,
        ),
        (
            format!("\u{FEFF}{}\r\n", key!("public.pem").replace('\n', "\r\n")),
            &key,
        ),
        (openssh.to_owned(), &theirs),
    ] {
        let home = Home::new();
        home.write("theirs", &text);
        let added = home.run(add).exits(0);
        assert_eq!(added.json()["kid"], key.kid().as_str(), "{text}");
    }
    let home = Home::new();
    for (text, code, words) in [
        (with(json!({ "x5c": [], "d": "AA" })), "private_key_member", "`d`"),
        (
            json!({ "keys": [{ "kty": "oct", "k": "AA" }, bare] }).to_string(),
            "private_key_member",
            "`k`",
        ),
        (with(json!({ "use": "enc" })), "key_contradiction", "`use`"),
        (
            key!("plain.pem").to_owned(),
            "key_malformed",
            "`PRIVATE KEY`; `openssl pkey",
        ),
        (
            key!("openssh-p256.pem").to_owned(),
            "key_malformed",
            "`OPENSSH PRIVATE KEY`; `ssh-keygen -y",
        ),
        ("maya".to_owned(), "key_malformed", "no JWK, no PEM"),
    ] {
        home.write("theirs", &text);
        let refused = home.run(add).fails(31, code);
        assert!(refused.stdout.contains(words), "{refused:?}");
    }
    fs::write(home.path("theirs"), key.to_spki_der()).unwrap();
    let refused = home.run(add).fails(31, "key_malformed");
    assert!(refused.stdout.contains("openssl pkey -inform DER"), "{refused:?}");
}
